// The signals by which a person or a supervisor ends a verb that runs until then.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `stop` on each of them; an impatient second one must not cut short what the first began, so `stop` may come more
 * than once. Returns how to undo this.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of signals) process.on(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}
