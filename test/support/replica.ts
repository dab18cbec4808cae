// A home and a host for tests of replicas: what a home's journal is as items, without the code that sends it.

import { expect } from 'vitest';
import type { Kin, ReplicaBatch } from '../../daemon/engine/replica-batch.ts';
import type { Author } from '../../daemon/engine/writer.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import type { Event, Session } from '../../protocol/schema.ts';
import { testHome } from './daemon.ts';
import type { Listed, Records } from './records.ts';
import { allEvents, foldJournal, op, openRecords, owner, readTables, viewTables } from './records.ts';

/** Nobody came of anybody, and nobody is over. */
export const noKin: Kin = { isUnder: () => false, isOver: () => false };

/** One item for each op in the journal behind the seq `after`, in order. */
export function itemsOf({ journal }: Pick<Records, 'journal'>, after = 0): ReplicaItem[] {
  const items: ReplicaItem[] = [];
  for (let from = journal.beginning; from.seq < journal.head.seq; ) {
    const page = journal.readAfter(from, {}, { events: 1_000, bytes: 1 << 24 });
    let opLast = 0;
    for (const stored of page.events) {
      const event = JSON.parse(stored.text) as Event;
      if (stored.opLast !== opLast)
        items.push({ opId: event.opId, seq: 0, sessionId: event.sessionId, version: 0, events: [] });
      opLast = stored.opLast;
      const item = items.at(-1)!;
      item.events.push(event);
      Object.assign(item, { seq: event.seq, version: event.version });
    }
    from = page.through;
  }
  return items.filter(({ seq }) => seq > after);
}

let lastBatch = 0;
/** A batch of the home's, under an id of its own. */
export function batchOf(home: Pick<Records, 'journal'>, items: ReplicaItem[], given: Partial<ReplicaBatch> = {}) {
  lastBatch += 1;
  return { origin: home.journal.storeId, batchId: `bat-${lastBatch}`, items, ...given };
}

/** Sends a batch; `by`: the owner of the host where it is not given. */
export function send(host: Records, batch: ReplicaBatch, by: Author = owner, kin: Kin = noKin) {
  return host.writer.takeReplica(by, batch, kin);
}

/** A session as its home holds it, as the pieces of a snapshot, each of `size` events at most. */
export function snapshotOf(home: Records, sessionId: string, id: string, size = 1_000): ReplicaItem[] {
  const { session, turns, blockers, messages, artifacts } = readTables(home).get(sessionId)!;
  const { version, updatedAt } = session;
  const records: [Event['type'], { actorId: string }][] = [
    ['session/created', session],
    ...turns.map((turn): [Event['type'], typeof turn] => ['turn/updated', turn]),
    ...messages.flatMap(({ message, parts }): [Event['type'], { actorId: string }][] => [
      ['message/updated', message],
      ...parts.map((part): [Event['type'], typeof part] => ['part/updated', part]),
    ]),
    ...blockers.map((blocker): [Event['type'], typeof blocker] => ['blocker/updated', blocker]),
    ...(artifacts as { actorId: string }[]).map((each): [Event['type'], typeof each] => ['artifact/updated', each]),
    ['session/updated', session],
  ];
  const seq = home.journal.head.seq;
  const events = records.map(([type, data], at) => {
    return {
      type,
      data,
      sessionId,
      version: at + 1,
      seq: Math.max(1, seq),
      at: updatedAt,
      actorId: data.actorId,
      opId: id,
    };
  }) as Event[];
  const pieces: ReplicaItem[] = [];
  for (let from = 0, index = 0; from < events.length; from += size, index += 1) {
    const done = from + size >= events.length;
    const piece = { opId: `${id}/${index}`, seq, sessionId, version, snapshot: { id, index, done } };
    pieces.push({ ...piece, events: events.slice(from, from + size) });
  }
  return JSON.parse(JSON.stringify(pieces)) as ReplicaItem[];
}

/** What two stores must agree on of a session: all but its version, which grows with each snapshot. */
export function asHeld(listed: Listed | undefined): unknown {
  if (!listed) return undefined;
  const { session, ...rest } = listed;
  return { ...rest, session: { ...session, version: 0 } satisfies Session };
}

export const model = { providerId: 'p', modelId: 'm' };
const usage = { input: 3, output: 5, reasoning: 0, cacheRead: 7, cacheWrite: 0, costUsd: 0.25 };

/** A home with a session that has something of everything, and an empty host. */
export async function homeAndHost() {
  const home = openRecords(testHome().paths.data);
  const host = openRecords(testHome().paths.data);
  host.runtime.time = 5_000;
  await work(home, 'ses_a');
  return { home, host };
}

export async function work({ writer }: Records, sessionId: string): Promise<void> {
  const name = sessionId.slice(4);
  const ops = [
    op('session/create', { sessionId, title: 'one', directory: '/work', agent: 'x', metadata: { a: 1 } }),
    op('turn/start', { sessionId, turnId: `trn_${name}`, agent: 'y', model, parts: [{ type: 'text', text: 'go' }] }),
    op('message/put', { sessionId, messageId: `msg_${name}`, role: 'assistant', turnId: `trn_${name}`, usage }),
    op('part/put', { sessionId, messageId: `msg_${name}`, partId: `prt_${name}`, part: { type: 'text', text: '' } }),
    op('part/delta', { sessionId, partId: `prt_${name}`, field: 'text', offset: 0, text: 'streamed ' }),
    op('part/delta', { sessionId, partId: `prt_${name}`, field: 'text', offset: 9, text: 'text' }),
    op('blocker/ask', {
      sessionId,
      blockerId: `blk_${name}`,
      turnId: `trn_${name}`,
      kind: 'permission',
      request: { permission: 'p' },
    }),
    op('artifact/put', { sessionId, kind: 'todo', key: '1', data: { done: false } }),
    op('session/update', { sessionId, title: 'two' }, { occurredAt: 77 }),
  ];
  for (const each of ops) await writer.appendOne(owner, each);
}

/** Both hold the same of each session of the home's, and the host's journal folds to what its tables hold. */
export function expectSame(home: Records, host: Records): void {
  const there = readTables(host);
  for (const [id, held] of readTables(home)) expect(asHeld(there.get(id))).toEqual(asHeld(held));
  expectSound(host);
}

/** Whatever came: the journal folds to the tables, nothing in them points nowhere, and versions have no gaps. */
export function expectSound(host: Records): void {
  const held = readTables(host);
  expect(viewTables(foldJournal(host))).toEqual(held);
  expect(host.db.pragma('foreign_key_check')).toEqual([]);
  expect(host.db.pragma('integrity_check', { simple: true })).toBe('ok');
  const bodies = ['turn', 'message', 'part', 'chunk', 'blocker', 'artifact'].map(
    (table) => `SELECT body FROM ${table}`,
  );
  const dangling = `SELECT body FROM (${bodies.join(' UNION ALL ')}) WHERE body NOT IN (SELECT seq FROM body)`;
  expect(host.db.prepare(dangling).all()).toEqual([]);
  const nowhere = 'SELECT session FROM replica WHERE session NOT IN (SELECT id FROM session)';
  expect(host.db.prepare(nowhere).all()).toEqual([]);
  const versions = new Map<string, number>();
  for (const { sessionId, version } of allEvents(host)) {
    expect(version, 'versions have no gaps').toBe((versions.get(sessionId) ?? 0) + 1);
    versions.set(sessionId, version);
  }
  for (const [id, { session }] of held) expect(session.version).toBe(versions.get(id));
}

/** Why it was refused; undefined where it was not. */
export const refusal = (sent: Promise<unknown>) =>
  sent.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof RefusedError) return error.refusal;
      throw error;
    },
  );
export const kinds = ({ rejected }: { rejected: { kind: string }[] }) => rejected.map(({ kind }) => kind);
