// Apart from what starts processes, so that who only tells of it loads none of that.

/**
 * The daemon did not start. `refused`: it said why itself, in the message; `locked`: another process holds the store, and
 * did not answer either; `failed`: it had no word, or did not answer after it.
 */
export class SpawnError extends Error {
  readonly reason: 'refused' | 'locked' | 'failed';
  readonly logFile: string;
  constructor(reason: SpawnError['reason'], message: string, logFile: string) {
    super(message);
    this.name = 'SpawnError';
    this.reason = reason;
    this.logFile = logFile;
  }
}
