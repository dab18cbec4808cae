// Every wait of a test has a deadline, and says what it waited for and what was there instead (P37).

/** Rejects when `promise` takes longer than `ms`; `state` describes what was there, for the message. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  state: () => unknown = () => '',
  ms = 20_000,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(async () => {
      const found = await Promise.resolve()
        .then(state)
        .catch((error: unknown) => `(no state: ${String(error)})`);
      reject(new Error(`waited ${ms} ms for ${what}; instead: ${JSON.stringify(found)}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `isSo`, looked at in each turn of the event loop: for what this process itself brings about. */
export async function until(isSo: () => boolean, state: () => unknown = () => isSo.toString()): Promise<void> {
  let isLate = false;
  const turns = async () => {
    while (!isSo() && !isLate) await new Promise((resolve) => setImmediate(resolve));
  };
  await within('a state', turns(), state).finally(() => {
    isLate = true;
  });
}
