// What waits to be sent to the sinks, as the daemon lists it.
import type { Client } from '../protocol/client.ts';
import type { Batch, SinkStatus } from '../protocol/outbox.ts';
import type { Context } from './context.ts';
import { pages } from './pages.ts';
import { resolveListed } from './resolve-listed.ts';

/** The sinks, and the batches that did not arrive yet, those to each sink in their order. */
export type Waiting = { sinks: SinkStatus[]; batches: Batch[] };

/** Asked for in one go, so that a batch that is tried meanwhile is not missed between two lists; it may be in two. */
export async function readWaiting(client: Client, sink?: string): Promise<Waiting> {
  const [{ items: sinks }, ...lists] = await Promise.all([
    client.call('sink/list', {}),
    ...(['inFlight', 'pending', 'failed'] as const).map((state) => batchesThat(client, state, sink)),
  ]);
  const batches = new Map(lists.flat().map((batch) => [batch.batchId, batch]));
  return {
    sinks: sinks.filter(({ name }) => sink === undefined || name === sink),
    batches: [...batches.values()].sort((a, b) => a.toSeq - b.toSeq),
  };
}

/** All batches of this state; of those that arrived the last. */
export async function batchesThat(client: Client, state: Batch['state'], sink?: string): Promise<Batch[]> {
  const all: Batch[] = [];
  const params = { limit: 1000, state, ...(sink !== undefined && { sink }) };
  for await (const items of pages(client, 'outbox/list', params)) all.push(...items);
  return all;
}

/** The batch named. Fails as resolveListed does. */
export async function resolveBatch({ commandLine }: Context, client: Client, given: string): Promise<Batch> {
  const { batches } = await readWaiting(client);
  const all = [...batches, ...(await batchesThat(client, 'acked'))];
  return resolveListed(
    all.map((batch) => ({ ...batch, id: batch.batchId })),
    given,
    {
      prefix: 'bat_',
      hint: `what waits to be sent: ${commandLine('outbox')}`,
      none: 'the id of no batch starts with',
      several: 'batches',
      textOf: ({ sink }) => sink,
    },
  );
}
