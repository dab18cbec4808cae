// A live view against a daemon that is played by hand: what it shows at each moment, over snapshots in pieces, resets and
// connections that end.
import { expect, it } from 'vitest';
import { noUsage } from '../../protocol/derive.ts';
import type { ViewChange } from '../../protocol/live-view.ts';
import type { Session } from '../../protocol/schema.ts';
import { within } from '../support/deadline.ts';
import { turns } from '../support/hand-clock.ts';
import { PlayedDaemon } from '../support/played-daemon.ts';

const session = (id: string, title: string, version = 1): Session => ({
  ...{ id, parentId: null, title, directory: '/work', agent: null, model: null, status: 'idle', version, origin: null },
  ...{ metadata: {}, usage: noUsage, messageCount: 0, pendingBlockers: 0, actorId: 'a', schemaVersion: 1 },
  ...{ createdAt: 1, updatedAt: 1, archivedAt: null },
});
const item = (id: string, title: string, version = 1) => ({
  ...{ session: session(id, title, version), turns: [], blockers: [], artifacts: [] },
});
const renamed = (seq: number, id: string, version: number, title: string) => ({
  ...{ seq, sessionId: id, version, type: 'session/updated', at: 1, actorId: 'a', opId: `op${seq}` },
  data: session(id, title, version),
});

async function setUp() {
  const daemon = new PlayedDaemon();
  const connection = daemon.connect({ reconnect: { baseMs: 0 } });
  const view = connection.view({ directory: '/work' }, { deltas: false });
  const changes: ViewChange[] = [];
  view.onChange((change) => changes.push(change));
  const titles = () => [...view.sessions.values()].map((each) => each.session.title);
  const played = await daemon.greeted();
  const again = async () => {
    await turns();
    await daemon.clock.advance(0);
    return daemon.greeted();
  };
  return { daemon, connection, view, changes, titles, played, again };
}

/** With sessions one and two in it, at `s.5.a`. */
async function shown() {
  const set = await setUp();
  const { played, view } = set;
  const { tell, params } = await played.subscribed({
    mode: 'snapshot',
    reason: 'always',
    cursor: 's.5.a',
    head: 's.5.a',
  });
  await tell('snapshot', { items: [item('ses_1', 'one'), item('ses_2', 'two')], done: true, cursor: 's.5.a' });
  await tell('caughtUp', { prev: 's.5.a', cursor: 's.5.a' });
  await within('the view', view.ready);
  return { ...set, tell, params };
}

it('shows the state when it is whole, and then each event', async () => {
  const { view, changes, titles, played } = await setUp();
  const { tell, params } = await played.subscribed({
    mode: 'snapshot',
    reason: 'always',
    cursor: 's.5.a',
    head: 's.5.a',
  });
  expect(params).toEqual({ snapshot: 'always', filter: { directory: '/work' }, deltas: false, bookmarkMs: 15_000 });
  await tell('snapshot', { items: [item('ses_1', 'one')], done: false });
  await turns();
  expect([titles(), view.cursor, changes]).toEqual([[], undefined, []]);
  await tell('snapshot', { items: [item('ses_2', 'two')], done: true, cursor: 's.5.a' });
  await within('the view', view.ready);
  expect([titles(), view.cursor, changes]).toEqual([['one', 'two'], 's.5.a', ['all']]);
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_2', 2, 'new')] });
  await turns();
  expect([titles(), view.cursor, changes]).toEqual([['one', 'new'], 's.6.a', ['all', new Set(['ses_2'])]]);
});

it('[P35] over a connection that is resumed it goes on, and asks for nothing', async () => {
  const { daemon, titles, played, again, tell, changes } = await shown();
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_1', 2, 'six')] });
  played.cut();
  const { tell: tellAgain, params } = await (await again()).subscribed({
    mode: 'resumed',
    cursor: 's.6.a',
    head: 's.7.a',
  });
  expect(params).toMatchObject({ from: 's.6.a', snapshot: 'onGap' });
  await tellAgain('batch', { prev: 's.6.a', cursor: 's.7.a', events: [renamed(7, 'ses_1', 3, 'seven')] });
  await turns();
  expect(titles()).toEqual(['seven', 'two']);
  expect(changes).toEqual(['all', new Set(['ses_1']), new Set(['ses_1'])]);
  expect(daemon.methods).toEqual(['initialize', 'events/subscribe', 'initialize', 'events/subscribe']);
});

it('after a gap keeps what it showed until the new state is whole, also when that is cut off', async () => {
  const { titles, played, again } = await shown();
  played.cut();
  const second = await again();
  const gap = await second.subscribed({ mode: 'snapshot', reason: 'CursorExpired', cursor: 's.9.a', head: 's.9.a' });
  await gap.tell('snapshot', { items: [item('ses_3', 'three')], done: false });
  await turns();
  expect(titles()).toEqual(['one', 'two']);
  second.cut();
  const { tell } = await (await again()).subscribed({
    mode: 'snapshot',
    reason: 'always',
    cursor: 's.9.a',
    head: 's.9.a',
  });
  await tell('snapshot', { items: [item('ses_4', 'four')], done: false });
  await turns();
  expect(titles()).toEqual(['one', 'two']);
  await tell('snapshot', { items: [], done: true, cursor: 's.9.a' });
  await turns();
  expect(titles()).toEqual(['four']);
});

it('is begun anew by a reset while it is connected, twice where the state is passed too', async () => {
  const { titles, tell, view } = await shown();
  const reset = { reason: 'CursorExpired', earliest: 's.8.a', head: 's.9.a' };
  await tell('reset', reset);
  await tell('snapshot', { items: [item('ses_3', 'three')], done: false });
  await tell('reset', reset);
  await tell('snapshot', { items: [item('ses_4', 'four')], done: true, cursor: 's.9.a' });
  await turns();
  expect([titles(), view.cursor]).toEqual([['four'], 's.9.a']);
});

it('[P27] an older reply never overwrites a newer event: the view says that it is newer', async () => {
  const { connection, view, titles, played, tell } = await shown();
  const reading = connection.call('session/get', { sessionId: 'ses_1' });
  const asked = await played.next('session/get');
  // Read at 5, sent behind the event of 6.
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_1', 2, 'new')] });
  await played.answer(asked, { session: session('ses_1', 'one'), turns: [], blockers: [], cursor: 's.5.a' });
  const reply = await within('the reply', reading);
  expect(titles()).toEqual(['new', 'two']);
  expect(view.isNewerThan(reply)).toBe(true);
  expect(view.isNewerThan({ cursor: 's.6.a' })).toBe(false);
  expect(view.isNewerThan({ cursor: 's.10.a' })).toBe(false);
  expect(view.isNewerThan({ cursor: 'other.1.a' })).toBeUndefined();
});

it('[P27] an event that a snapshot shows already changes nothing', async () => {
  const { titles, played } = await setUp();
  const { tell } = await played.subscribed({ mode: 'snapshot', reason: 'always', cursor: 's.5.a', head: 's.5.a' });
  await tell('snapshot', { items: [item('ses_1', 'newest', 3)], done: true, cursor: 's.5.a' });
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_1', 2, 'older')] });
  await turns();
  expect(titles()).toEqual(['newest']);
});

it('sync resolves when it shows what was acknowledged before', async () => {
  const { view, titles, played, tell } = await shown();
  const synced = view.sync();
  const asked = await played.next('events/sync');
  expect(asked.params).toEqual({ subscription: 'sub_1' });
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_1', 2, 'new')] });
  await played.answer(asked, { cursor: 's.6.a' });
  await within('the fence', synced);
  expect(titles()).toEqual(['new', 'two']);
});

it('closed, it stays as it is', async () => {
  const { view, titles, tell, changes } = await shown();
  view.close();
  await tell('batch', { prev: 's.5.a', cursor: 's.6.a', events: [renamed(6, 'ses_1', 2, 'new')] });
  await turns();
  expect([titles(), changes]).toEqual([['one', 'two'], ['all']]);
});
