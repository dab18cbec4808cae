// Time, timers and chance as a client takes them: given to it, so that tests advance them by hand.

export type Clock = {
  /** ms since the Unix epoch, for people and for what outlives the process. */
  now(): number;
  /** ms from any beginning, never going back: for how long something lasted. */
  monotonic(): number;
  /** Runs `run` once, not before `ms` have passed; what it returns cancels it. */
  after(ms: number, run: () => void): () => void;
  /** From 0 up to but not including 1. */
  random(): number;
  /** An id that nobody else makes and nobody can guess (P20). */
  newId(): string;
};

/** The real ones, of browsers and of Node. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  newId: () => {
    // Not randomUUID, which a page that came over plain http lacks.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  },
};
