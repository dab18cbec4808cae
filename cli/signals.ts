// The signals by which a person or a supervisor ends a verb that runs until then.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `stop` on the first of them; a second one is not waited for and ends the process. Returns how to undo this. */
export function onStopSignal(stop: () => void): () => void {
  const dispose = () => {
    for (const signal of signals) process.off(signal, handle);
  };
  const handle = () => {
    dispose();
    stop();
  };
  for (const signal of signals) process.on(signal, handle);
  return dispose;
}
