// A program of somebody else's that a test plays: started with pipes of its own, heard line by line, and gone with the test.
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterTest } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';

export class Program {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stderr = '';
  #isClosed = false;
  #problem: Error | undefined;
  #wake: () => void = () => {};

  /** Starts it in the home's folder. `take` is given each line of its stdout; where that throws, `until` does. */
  constructor(home: Home, [file, ...args]: string[], take: (line: string) => void = () => {}) {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    // A group of its own: what it starts ends with it.
    this.#child = spawn(file!, args, { env: home.env, cwd: home.folder, detached: true, stdio });
    let held = '';
    // Not by readline, for which U+2028 ends a line.
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (held + text).split('\n');
      held = lines.pop()!;
      this.lines.push(...lines);
      try {
        lines.forEach(take);
      } catch (error) {
        this.#problem ??= error as Error;
      }
      this.#wake();
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2_000);
    });
    // Its pipes close when the last that has them is gone: also what it started.
    this.#closed = once(this.#child, 'close').finally(() => {
      this.#isClosed = true;
      this.#wake();
    });
    this.#closed.catch(() => {});
    afterTest(() => this.end());
  }

  /** Resolves once `condition` holds, looked at with each line; rejects when the program ends before. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const wait = async () => {
      while (!condition()) {
        if (this.#problem) throw this.#problem;
        if (this.#isClosed) throw new Error(`the program ended before ${what}: ${this.#stderr}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await within(what, wait(), () => [this.#stderr, this.lines.slice(-5).map((line) => line.slice(0, 300))]);
  }

  /** Kills it, and resolves when it and all that it started are gone. */
  async end(): Promise<void> {
    if (!this.#isClosed && this.#child.pid) process.kill(-this.#child.pid, 'SIGKILL');
    await within('the program to end', this.#closed);
  }
}
