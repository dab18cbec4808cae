// A daemon process that is killed and started again under a test, and a client of it.
import type { Client } from '../../protocol/client.ts';
import type { Running } from './daemon.ts';
import { connectTo, spawnDaemonProcess } from './daemon.ts';
import { within } from './deadline.ts';
import type { Home } from './home.ts';

export class Victim {
  readonly #home: Home;
  #running: Running | undefined;
  #client: Client | undefined;
  kills = 0;

  constructor(home: Home) {
    this.#home = home;
  }

  /** Starts it. With a failpoint it kills itself there, which may be before it was ready. */
  async start(failpoint?: string): Promise<void> {
    const running = spawnDaemonProcess(this.#home, failpoint === undefined ? {} : { failpoint });
    this.#running = running;
    const { ready } = await within('the daemon to be ready or dead', running.ready, () => running.stderr());
    if (!ready && failpoint === undefined) throw new Error(`the daemon did not start: ${running.stderr()}`);
    this.#client = await connectTo(this.#home).catch(() => undefined);
  }

  /** kill -9, wherever it is; then starts it again. */
  async kill(failpoint?: string): Promise<void> {
    await this.#running!.kill('SIGKILL');
    this.#client?.close();
    this.kills += 1;
    await this.start(failpoint);
  }

  async end(): Promise<void> {
    this.#client?.close();
    await this.#running!.kill('SIGKILL');
  }

  /** Asks it something; one that has killed itself meanwhile is started again, without a failpoint, and asked anew. */
  async ask<T>(what: (client: Client) => Promise<T>): Promise<T> {
    try {
      if (!this.#client) throw new Error('it died before it answered');
      return await within('the daemon to answer', what(this.#client), () => this.#running!.stderr());
    } catch (error) {
      const { exitCode, signalCode } = this.#running!.process;
      if (exitCode === null && signalCode === null && !(await this.#hasDied())) throw error;
      await this.kill();
      return what(this.#client!);
    }
  }

  /** The connection ends a moment before the exit is told. */
  async #hasDied(): Promise<boolean> {
    const end = await within('the daemon to be gone', this.#running!.exit, () => '', 1_000).catch(() => undefined);
    return end === 'SIGKILL';
  }
}
