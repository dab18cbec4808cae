// One of the two streams that a verb writes to. Every write is awaited: a slow reader slows the verb down, and a pipe
// that its reader closed ends it (OutputClosedError, which main.ts turns into a quiet exit).
import { wasClosed } from './closed-fd.ts';
import { watchReader } from './reader-gone.ts';
import { safeJson } from './render/clean.ts';
import type { Style } from './render/style.ts';
import { makeStyle, wantsColor } from './render/style.ts';

/** The reader is gone. Thrown by writes; not a failure of ours. */
export class OutputClosedError extends Error {
  constructor() {
    super('the output is closed');
    this.name = 'OutputClosedError';
  }
}

/** What of process.stdout and process.stderr is used. */
export type OutputStream = {
  write(text: string, done: (error?: Error | null) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  isTTY?: boolean;
  columns?: number;
  fd?: number;
};

const closedCodes = new Set(['EPIPE', 'ECONNRESET', 'EIO', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

export class Output {
  readonly isTerminal: boolean;
  readonly style: Style;
  readonly #stream: OutputStream;
  readonly #env: NodeJS.ProcessEnv;
  #isReaderGone = false;

  constructor(stream: OutputStream, env: NodeJS.ProcessEnv) {
    this.#stream = stream;
    this.#env = env;
    this.isTerminal = stream.isTTY === true;
    this.style = makeStyle(wantsColor(this.isTerminal, env));
    // The write's own callback tells of the error; without a listener Node would throw it a second time.
    stream.on('error', () => {});
  }

  /** Columns to fit into; no limit into a pipe, unless COLUMNS asks for one. */
  get width(): number {
    if (this.isTerminal && this.#stream.columns) return this.#stream.columns;
    const asked = Number(this.#env.COLUMNS);
    if (Number.isInteger(asked) && asked > 0) return asked;
    return this.isTerminal ? 80 : Number.POSITIVE_INFINITY;
  }

  /** Resolves when the text was taken; rejects with OutputClosedError when nobody reads any more. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (!error) resolve();
        else if (closedCodes.has((error as NodeJS.ErrnoException).code ?? '')) {
          this.#isReaderGone = true;
          reject(new OutputClosedError());
        } else reject(error);
      });
    });
  }

  /** Calls `gone` when nobody reads any more, also while nothing is written; where that cannot be learned, never. */
  onReaderGone(gone: () => void): void {
    if (this.#stream.fd === undefined) return;
    watchReader(this.#stream.fd, () => {
      this.#isReaderGone = true;
      gone();
    });
  }

  /** Whether a write, or `onReaderGone`, has found that nobody reads any more. What lay in the pipe then is lost. */
  get isReaderGone(): boolean {
    return this.#isReaderGone;
  }

  /** Whether there is no such output: what is written goes nowhere, and nobody asked for that. */
  get isMissing(): boolean {
    return this.#stream.fd !== undefined && wasClosed(this.#stream.fd);
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** A line after Ctrl-C, which a terminal has shown as `^C` where the cursor stood. */
  afterSignal(text: string): Promise<void> {
    return this.line(this.isTerminal ? `\n${text}` : text);
  }

  lines(texts: string[]): Promise<void> {
    return texts.length === 0 ? Promise.resolve() : this.write(`${texts.join('\n')}\n`);
  }

  /** One JSON value on one line; `pretty` indents it. Nothing in it reaches a terminal raw. */
  json(value: unknown, options: { pretty?: boolean } = {}): Promise<void> {
    return this.line(safeJson(value, options.pretty ? 2 : undefined));
  }
}
