// The op that the append rows send: part/put of a text of 300 bytes, a new part each time, to one message of one session,
// each under an op id of its own as a client would make it.
import { randomUUID } from 'node:crypto';
import type { Client } from '../../protocol/client.ts';
import type { Params } from '../../protocol/methods.ts';

export const payload = 'part/put of a 300-byte text, one op a call under a random op id, to one message of one session';
const text = 'The quick brown fox jumps over the lazy dog and then reads the file again. '.repeat(4);

/** An event as the store holds it. */
export type StoredRow = { type: string; at: number; opId: string; json: string };

export class PartPuts {
  readonly client: Client;
  readonly #sessionId: string;
  readonly #messageId: string;

  private constructor(client: Client, ids: Record<string, string>) {
    this.client = client;
    this.#sessionId = ids.sessionId!;
    this.#messageId = ids.messageId!;
  }

  static async open(client: Client): Promise<PartPuts> {
    const { ids } = await client.call('session/create', { directory: '/bench', agent: 'bench' });
    const message = await client.call('message/put', { sessionId: ids.sessionId!, role: 'assistant' });
    return new PartPuts(client, message.ids);
  }

  next(): Params<'part/put'> {
    const place = { sessionId: this.#sessionId, messageId: this.#messageId };
    return { opId: randomUUID(), ...place, part: { type: 'text', text } };
  }

  /** Sends one; resolves when it is acknowledged. */
  async append(): Promise<void> {
    await this.client.call('part/put', this.next());
  }

  /** Sends `count`, `inFlight` at a time. */
  async appendMany(count: number, inFlight: number): Promise<void> {
    let left = count;
    const lane = async () => {
      while (left > 0) {
        left -= 1;
        await this.append();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
  }

  /** Sends one and reads it back: what a bare row must be as long as. */
  async sample(): Promise<StoredRow> {
    const { head } = await this.client.call('daemon/status', {});
    await this.append();
    const { events } = await this.client.call('events/read', { after: head });
    const event = events[0] as unknown as StoredRow & { data: unknown };
    return { type: event.type, at: event.at, opId: event.opId, json: JSON.stringify(event.data) };
  }
}
