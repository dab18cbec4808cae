// Tells the daemon how far a named subscriber has come: one events/ack at a time, so that what is printed meanwhile shares
// the next one. What it was never told comes again; it is told nothing that was not printed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../protocol/client.ts';
import { parseCursor } from '../protocol/cursor.ts';

/** How long the last acknowledgement may take: a daemon that hangs must not keep a tail from ending. */
const lastMs = 2_000;

export class Acknowledger {
  readonly #name: string;
  #client: Client;
  #printed: string | undefined;
  #told: string | undefined;
  /** The acknowledging under way; it never rejects. */
  #running: Promise<void> | undefined;

  /** `client` is subscribed by the name. */
  constructor(name: string, client: Client) {
    this.#name = name;
    this.#client = client;
  }

  /** Goes on over another connection that is subscribed by the name, with what the one before did not take. */
  use(client: Client): void {
    this.#client = client;
    this.#start();
  }

  /** All up to `cursor` was printed. */
  printed(cursor: string): void {
    this.#printed = cursor;
    this.#start();
  }

  /** Resolves to whether all that was printed is acknowledged, after a last try. */
  async finish(): Promise<boolean> {
    const done = async () => {
      await this.#running;
      this.#start();
      await this.#running;
    };
    const late = new AbortController();
    await Promise.race([done(), sleep(lastMs, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
    return this.#told === this.#printed;
  }

  #start(): void {
    if (this.#owes) this.#running ??= this.#tell();
  }

  get #owes(): boolean {
    return this.#told !== this.#printed;
  }

  /** A try that failed is left to the next: a full disk passes, and a lost connection has another come after it. */
  async #tell(): Promise<void> {
    for (let goesOn = true; goesOn && this.#owes; ) {
      const [client, cursor] = [this.#client, this.#printed!];
      try {
        await client.call('events/ack', { name: this.#name, cursor });
        this.#told = cursor;
      } catch {
        goesOn = client !== this.#client;
      }
    }
    // Not in a promise's own end, which comes later than this: what is printed in between would wait for the next.
    this.#running = undefined;
  }
}

/** How far a name has acknowledged; undefined where there is none. A principal has no more names than one page. */
export async function acknowledgedSeq(client: Client, name: string): Promise<number | undefined> {
  const { items } = await client.call('subscriber/list', { limit: 1000 });
  const cursor = items.find((item) => item.name === name)?.cursor;
  return cursor === undefined ? undefined : parseCursor(cursor)?.seq;
}
