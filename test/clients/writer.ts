// Somebody who goes on writing whatever happens to the daemon: what was not answered is sent again, with the same op ids.
import type { Client } from '../../protocol/client.ts';
import type { Op } from '../../protocol/schema.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { within } from '../support/deadline.ts';

const opsAtATime = 5;

export class Writer {
  /** In the order in which they were first sent. */
  readonly opIds: string[] = [];
  /** Calls that were sent once more. */
  again = 0;
  /** Ops that were answered. */
  answered = 0;
  #wake: () => void = () => {};
  readonly #connect: () => Promise<Client>;
  #isOver = false;

  constructor(connect: () => Promise<Client>) {
    this.#connect = connect;
  }

  /** Writes until `stop`; resolves when all that was sent is answered. */
  async run(): Promise<void> {
    let client = await this.#connect();
    while (!this.#isOver) {
      const ops = this.#make();
      for (let isAnswered = false; !isAnswered; ) {
        try {
          const { applied, duplicates, rejected } = await client.call('ops/append', { ops });
          if (applied.length + duplicates.length !== ops.length)
            throw new Error(`rejected: ${JSON.stringify(rejected)}`);
          isAnswered = true;
        } catch (error) {
          if (!(error instanceof TransportClosedError)) throw error;
          this.again += 1;
          client = await this.#connect();
        }
      }
      this.answered += ops.length;
      this.#wake();
    }
  }

  /** Resolves when so many ops more were answered. One caller at a time. */
  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    const wait = async () => {
      while (this.answered < enough) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await within(`${count} more ops to be answered`, wait(), () => this.answered);
  }

  stop(): void {
    this.#isOver = true;
  }

  #make(): Op[] {
    return Array.from({ length: opsAtATime }, () => {
      const n = this.opIds.length;
      const opId = `op-${n}`;
      this.opIds.push(opId);
      const sessionId = `ses_${n % 3}`;
      if (n < 3) return { opId, type: 'session/create', params: { sessionId } };
      const messageId = `msg_${n}`;
      return { opId, type: 'message/put', params: { sessionId, messageId, role: 'assistant', metadata: { n } } };
    }) as Op[];
  }
}
