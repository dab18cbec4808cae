// Root may read and write everything, so that a lack of permission must be tested as another user.

/** Runs as a user without any rights of its own, where this is root; as this user where it is not. */
export async function asNobody<T>(run: () => T | Promise<T>): Promise<T> {
  const isRoot = process.getuid!() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    return await run();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}
