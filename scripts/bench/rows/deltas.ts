// Streamed text: what a delta costs must not grow with the text before it (P34). One part takes all deltas; the floor is
// the rate of its first tenth, ours that of its last.
import { randomUUID } from 'node:crypto';
import type { Client } from '../../../protocol/client.ts';
import type { Op } from '../../../protocol/schema.ts';
import { startDaemon } from '../daemon.ts';
import type { Row } from '../row.ts';
import { ratePerSecond } from '../row.ts';

const text = 'twenty characters :)';
const batch = 100;
const inFlight = 8;

export const deltas: Row = {
  what: 'deltas/s, the last tenth of 100,000 of 20 characters to one part',
  floor: 'the first tenth of the same deltas',
  unit: 'per second',
  target: { atLeast: 0.8 },
  async open(setting) {
    const daemon = await startDaemon(setting);
    const client = await daemon.connect();
    const count = setting.quick ? 2_000 : 100_000;
    let stream: DeltaStream;
    return {
      async floor() {
        stream = await DeltaStream.open(client);
        return ratePerSecond(count / 10, () => stream.send(count / 10));
      },
      async ours() {
        await stream.send((count / 10) * 8);
        return ratePerSecond(count / 10, () => stream.send(count / 10));
      },
      close: () => daemon.stop(),
    };
  },
};

class DeltaStream {
  readonly #client: Client;
  readonly #place: { sessionId: string; partId: string };
  #offset = 0;

  private constructor(client: Client, ids: Record<string, string>) {
    this.#client = client;
    this.#place = { sessionId: ids.sessionId!, partId: ids.partId! };
  }

  static async open(client: Client): Promise<DeltaStream> {
    const { ids } = await client.call('session/create', { directory: '/bench' });
    const message = await client.call('message/put', { sessionId: ids.sessionId!, role: 'assistant' });
    const { sessionId, messageId } = message.ids as { sessionId: string; messageId: string };
    const put = await client.call('part/put', { sessionId, messageId, part: { type: 'text', text: '' } });
    return new DeltaStream(client, put.ids);
  }

  /** Sends `count` deltas in order; resolves when all are acknowledged. */
  async send(count: number): Promise<void> {
    const acknowledged: Promise<void>[] = [];
    for (let sent = 0; sent < count; sent += batch) {
      acknowledged.push(this.#append(Math.min(batch, count - sent)));
      if (acknowledged.length >= inFlight) await acknowledged.shift();
    }
    await Promise.all(acknowledged);
  }

  async #append(count: number): Promise<void> {
    const ops = Array.from({ length: count }, (): Op => {
      const params = { ...this.#place, field: 'text' as const, offset: this.#offset, text };
      this.#offset += text.length;
      return { opId: randomUUID(), type: 'part/delta', params };
    });
    const { rejected } = await this.#client.call('ops/append', { ops });
    if (rejected.length > 0) throw new Error(`deltas were rejected: ${rejected[0]!.message}`);
  }
}
