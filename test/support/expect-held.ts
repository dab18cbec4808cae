// Compares what a daemon holds with what it must hold, after its files have changed at random (test/crash/ingest.test.ts).
import { expect } from 'vitest';
import type { Event, Session } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import type { Held } from './everything.ts';
import type { History } from './history.ts';
import { canonical } from './history.ts';

/** The ids of all messages and parts, in order. */
export const idsOf = ({ items }: Held) =>
  items.flatMap(({ message, parts }) => [message.id, ...parts.map(({ id }) => id)]);

const unattributed = ['index', 'messageId', 'messageIndex', 'actorId', 'schemaVersion', 'id', 'sessionId', 'turnId'];
type Fields = { [name: string]: unknown };
const contentOf = (record: object) =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !unattributed.includes(name)));

/** The fields of a record that it never had. Those that no put told are as the store makes them: most of them null. */
function neverHad(history: History, id: string, record: object): string[] {
  const { values } = history.records.get(id)!;
  return Object.entries(contentOf(record)).flatMap(([name, value]) => {
    const had = values.get(name);
    if (had === undefined || value === null || had.has(canonical(value))) return [];
    return [`${name}: ${canonical(value)} and not one of ${[...had].join(' | ')}`];
  });
}

/** Compares what is held of a session with what it must be. `clean` is undefined when the file is gone, or holds none yet. */
export function expectHeld(held: Held, clean: Held | undefined, history: History): void {
  const found = new Map<string, Fields>(
    held.items.flatMap(
      ({ message, parts }) => [[message.id, message], ...parts.map((each) => [each.id, each])] as never,
    ),
  );
  const ids = idsOf(held);
  expect(new Set(ids).size, 'nothing is twice').toBe(ids.length);
  expect(
    ids.filter((id) => !history.records.has(id)).map((id) => found.get(id)),
    'was never in the file',
  ).toEqual([]);
  expect(ids.flatMap((id) => neverHad(history, id, found.get(id)!))).toEqual([]);
  for (const [id, record] of found) {
    const at = history.records.get(id)!.values.get('messageId');
    if (at && 'messageId' in record) expect(at, `the message of ${id}`).toContain(canonical(record.messageId));
  }
  const { session } = held;
  expect(session.messageCount).toBe(held.items.length);
  const output = held.items.reduce((sum, { message }) => sum + (message.usage?.output ?? 0), 0);
  expect(session.usage.output).toBe(output);
  const told = history.records.get(session.id)!;
  expect([...told.values.get('title')!]).toContain(canonical(session.title));
  if (clean === undefined) return;

  expect(
    idsOf(clean).filter((id) => !found.has(id)),
    'is in the file',
  ).toEqual([]);
  for (const { message, parts } of clean.items) {
    for (const record of [message, ...parts]) {
      const { keys } = history.records.get(record.id)!;
      const isWhole = [...keys].every((key) => history.last.get(record.id)?.has(key));
      if (isWhole) expect(contentOf(found.get(record.id)!), [...keys].join()).toEqual(contentOf(record));
    }
    expectOrder(
      held,
      parts.map(({ id }) => id),
      history,
    );
  }
  expectOrder(
    held,
    clean.items.map(({ message }) => message.id),
    history,
  );
  const titles = [...told.keys].filter((key) => key.startsWith('session:title'));
  if (titles.length > 0 && titles.every((key) => history.last.get(session.id)?.has(key)))
    expect(session.title, 'the last title').toBe(clean.session.title);
  expect(session).toMatchObject({ agent: clean.session.agent, parentId: clean.session.parentId });
  expect(session.origin?.externalId).toBe(clean.session.origin?.externalId);
}

/** `ids`: as the final file has them. Parts of one message only: one that was put before stays where it was. */
function expectOrder(held: Held, ids: string[], history: History): void {
  const messageOf = new Map(held.items.flatMap(({ message, parts }) => parts.map(({ id }) => [id, message.id])));
  const places = new Map(idsOf(held).map((id, index) => [id, index]));
  for (const [index, second] of ids.entries()) {
    for (const first of ids.slice(0, index)) {
      if (messageOf.get(first) !== messageOf.get(second) || !history.alwaysBefore(first, second)) continue;
      expect(places.get(first)!, `${first} before ${second}`).toBeLessThan(places.get(second)!);
    }
  }
}

/** The journal has no gaps, and folds to what the tables hold. */
export function expectFolds(events: Event[], held: Map<string, Held>): void {
  const versions = new Map<string, number>();
  for (const [index, event] of events.entries()) {
    expect(event.seq).toBe(index + 1);
    expect(event.version).toBe((versions.get(event.sessionId) ?? 0) + 1);
    versions.set(event.sessionId, event.version);
  }
  const view = events.reduce(reduce, emptyView());
  const folded = [...view.values()].map(({ session, messages }) => ({
    session,
    items: [...messages.values()].map(({ message, parts }) => ({ message, parts: [...parts.values()] })),
  }));
  const byId = (a: { session: Session }, b: { session: Session }) => (a.session.id < b.session.id ? -1 : 1);
  expect(folded.toSorted(byId)).toEqual([...held.values()]);
}
