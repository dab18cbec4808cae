// The script of a page that hands ops over to an outbox in IndexedDB; run in Chromium by test/protocol/intents-browser.test.ts.
import { connect } from '../../protocol/connect.ts';
import type { Connection } from '../../protocol/connection.ts';
import { indexedDbIntents } from '../../protocol/intents-indexed-db.ts';
import type { Op } from '../../protocol/schema.ts';

let client: Connection;
let acknowledged = Promise.resolve();

/** Connects, and tells what was held. */
export async function start({ url, token, lockWaitMs }: { url: string; token: string; lockWaitMs?: number }) {
  const store = indexedDbIntents('kept', lockWaitMs === undefined ? {} : { lockWaitMs });
  client = connect(url, { token, reconnect: { baseMs: 20, maxMs: 100 }, intents: { store, onHandedBack: () => {} } });
  const opened = await client.intents.opened();
  return { ...opened, size: client.intents.size };
}

/** Resolves when they are kept. */
export async function handOver(ops: Op[]): Promise<void> {
  const all = Promise.all(ops.map((op) => client.append(op)));
  acknowledged = acknowledged.then(() => all).then(() => {});
  acknowledged.catch(() => {});
  await client.intents.kept();
}

/** Resolves when all is acknowledged that this page handed over, and nothing waits. */
export async function settle(): Promise<number> {
  await acknowledged;
  return client.intents.size;
}

export async function keepCursor(cursor: string): Promise<void> {
  await client.intents.keepCursor(cursor);
}

/** How it is doing, for the message of a wait that took too long. */
export async function describe(): Promise<string> {
  const { state, intents } = client;
  return JSON.stringify({ state, error: String('error' in state ? state.error : ''), size: intents.size });
}
