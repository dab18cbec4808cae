// What Chromium's own EventSource and WebSocket have of a daemon that dies, and of a network that fails: each event once, in
// order, or to be told that it cannot be, and why (P6, P30, P35).
import { describe, expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { parseCursor } from '../../protocol/cursor.ts';
import type { Params } from '../../protocol/methods.ts';
import type { Op } from '../../protocol/schema.ts';
import { hasChromium, needsChromium, openContext } from '../support/browser.ts';
import type { Follower } from './follower.ts';
import { openPage } from './follower.ts';
import { Relay } from './relay.ts';
import { readJournal, readTables, Stage } from './stage.ts';
import { Writer } from './writer.ts';

const sessionId = 'ses_a';
const model = { providerId: 'p', modelId: 'm' };
const request = {
  questions: [{ question: 'Deploy now?', header: 'Deploy', options: [{ label: 'yes' }, { label: 'no' }] }],
};
const answer = { answers: [['yes']] };

const seqOf = (cursor: string) => parseCursor(cursor)!.seq;

/** Events that others write while the pages are away. */
const missed = 50;

const socketOf = (origin: string) => origin.replace('http', 'ws');

/** Any path that the daemon serves nothing at: what it answers is a page of its origin all the same. */
const nowhere = '/nowhere';

/** Two pages that follow the session from the start: one by EventSource and cookie, one by WebSocket and token. */
async function openPages(origin: string, token: string): Promise<Follower[]> {
  const context = await openContext();
  const byEvents = await openPage(context, `${origin}${nowhere}`);
  await byEvents.login(token);
  await byEvents.call('followEvents', `${origin}/events?from=start&sessions=${sessionId}`);
  const bySocket = await openPage(await openContext(), `${origin}${nowhere}`);
  const subscribe = { from: 'start', filter: { sessions: [sessionId] } };
  await bySocket.call('followSocket', { url: `${socketOf(origin)}/ws`, token, subscribe });
  return [byEvents, bySocket];
}

const ask = (blockerId: string): Params<'blocker/ask'> => ({ sessionId, blockerId, kind: 'question', request });

/** One op after the other: as many journal entries, and no more at a time, as somebody makes who works. */
async function apply(client: Client, ops: [string, object][]): Promise<void> {
  for (const [method, params] of ops) await client.callRaw(method, { sessionId, ...params });
}

const blockerStates = async (page: Follower) =>
  Object.fromEntries((await page.held(sessionId))!.blockers.map(({ id, state }) => [id, state]));

/** Each notification begins where the one before it ended, from the cursor of its subscription on. */
function expectChain({ told }: Follower): void {
  let place: string | undefined;
  for (const { name, params } of told) {
    if (name === 'subscribed') place = params.cursor;
    if (name === 'snapshot' && params.done) place = params.cursor;
    if (!['batch', 'caughtUp', 'bookmark'].includes(name)) continue;
    expect(params.prev).toBe(place);
    place = params.cursor ?? place;
  }
}

describe.skipIf(!hasChromium)(`pages in Chromium (${needsChromium})`, () => {
  test(
    '[P6, P30] an EventSource and a WebSocket that are open while the daemon is killed twice and ops go on have every event ' +
      'once, in order, and are resumed each time',
    async () => {
      const stage = await Stage.open();
      const token = await stage.token();
      const relay = await Relay.open(stage.port);
      const { origin } = relay;
      const context = await openContext();
      const byEvents = await openPage(context, `${origin}${nowhere}`);
      await byEvents.login(token);
      await byEvents.call('followEvents', `${origin}/events?from=start`);
      const bySocket = await openPage(context, `${origin}${nowhere}`);
      // The cookie came with the upgrade.
      await bySocket.call('followSocket', { url: `${socketOf(origin)}/ws`, subscribe: { from: 'start' } });
      const pages = [byEvents, bySocket];

      const writer = new Writer(() => stage.client('writer'));
      const disturb = async () => {
        for (const kill of [1, 2]) {
          await writer.more(missed);
          await Promise.all(
            pages.map((page) => page.until('some events', ({ events }) => events.length > missed * kill)),
          );
          // It is the kill that ends the connections; the pages come back when others have written.
          relay.refuse();
          await stage.restart();
          await writer.more(missed);
          await relay.mend();
          await Promise.all(pages.map((page) => page.until('to be back', ({ starts }) => starts.length > kill)));
        }
      };
      await Promise.all([writer.run(), disturb().finally(() => writer.stop())]);

      const client = await stage.client();
      const journal = await readJournal(client);
      expect(journal.map(({ opId }) => opId)).toEqual(writer.opIds);
      expect(writer.again).toBe(2);
      const { seq: head } = journal.at(-1)!;
      for (const page of pages) {
        await page.until('the last event', ({ seq }) => seq === head);
        expect(page.starts.map(({ mode }) => mode)).toEqual(['resumed', 'resumed', 'resumed']);
        expect(page.events.map(({ seq }) => seq)).toEqual(journal.map(({ seq }) => seq));
        expect(page.events).toEqual(journal);
        expectChain(page);
        expect(page.of('snapshot')).toEqual([]);
        expect(page.of('closed')).toEqual([]);
        for (const id of ['ses_0', 'ses_1', 'ses_2']) expect(await page.held(id)).toEqual(await readTables(client, id));
        for (const { cursor, head } of page.starts.slice(1))
          expect(seqOf(head) - seqOf(cursor)).toBeGreaterThanOrEqual(missed);
      }
      // What the browser resumes from is the cursor of what it has.
      for (const { params, id } of byEvents.told) if (params.cursor) expect(id).toBe(params.cursor);
    },
  );

  test('[P30, P35] a page that retention passes while it is offline is told so, gets a snapshot, and what was answered stays so', async () => {
    const stage = await Stage.open('[retention]\nmaxEvents = 20');
    const relay = await Relay.open(stage.port);
    const client = await stage.client();
    await client.call('session/create', { sessionId });
    const pages = await openPages(relay.origin, await stage.token());
    const asked = { opId: 'ask-1', ...ask('blk_asked') };
    await client.call('blocker/ask', asked);
    for (const page of pages) {
      await page.until('the question', ({ seq }) => seq === 2);
      expect(await blockerStates(page)).toEqual({ blk_asked: 'pending' });
    }

    await relay.cut();
    for (const page of pages) await page.until('to be cut off', ({ told }) => told.at(-1)?.name === 'lost');
    const cursors = pages.map(({ cursor }) => cursor!);
    const turnId = 'trn_a';
    await apply(client, [
      ['blocker/answer', { blockerId: 'blk_asked', answer }],
      ['blocker/answer', { blockerId: 'blk_late', answer }],
      ['blocker/answer', { blockerId: 'blk_gone', answer }],
      ['blocker/ask', ask('blk_gone')],
      ['turn/start', { turnId, agent: 'x', model, parts: [{ type: 'text', text: 'go' }] }],
      ['message/put', { messageId: 'msg_a', turnId, role: 'assistant' }],
      ['part/put', { messageId: 'msg_a', partId: 'prt_a', part: { type: 'text', text: '' } }],
      ...Array.from({ length: 30 }, (_, at): [string, object] => [
        'part/delta',
        { partId: 'prt_a', field: 'text', offset: 2 * at, text: '😀' },
      ]),
      ['artifact/put', { kind: 'todo', key: 'k', data: ['one'] }],
    ]);
    for (const from of cursors) {
      const resumed = client.subscribe({ from, snapshot: 'never' }, () => {});
      await expect(resumed).rejects.toMatchObject({ kind: 'CursorExpired' });
    }

    await relay.mend();
    for (const page of pages) {
      await page.until(
        'to be caught up again',
        ({ told }) => told.at(-1)?.name === 'caughtUp' && page.starts.length === 2,
      );
      expect(page.starts).toMatchObject([{ mode: 'resumed' }, { mode: 'snapshot', reason: 'CursorExpired' }]);
      expect(page.of('snapshot').at(-1)!.params.done).toBe(true);
      expect(await page.held(sessionId)).toEqual(await readTables(client, sessionId));
    }

    // The ask that comes late, and one that is sent again since its answer was lost.
    await client.call('blocker/ask', ask('blk_late'));
    expect(await client.call('blocker/ask', asked)).toMatchObject({ duplicate: true });
    const { seq: last } = await client.call('turn/finish', { turnId, state: 'completed' });
    const tables = await readTables(client, sessionId);
    expect(tables.session).toMatchObject({ status: 'idle', pendingBlockers: 0 });
    for (const page of pages) {
      await page.until('the end of the turn', ({ seq }) => seq === last);
      expectChain(page);
      expect(await blockerStates(page)).toEqual({ blk_asked: 'answered', blk_late: 'answered', blk_gone: 'answered' });
      expect((await page.held(sessionId))!.blockers.map((blocker) => blocker.request)).toEqual([
        request,
        request,
        request,
      ]);
      expect(await page.held(sessionId)).toEqual(tables);
    }
  });

  test('[P30] a page that retention passes while its connection stalls is told by a reset, and gets a snapshot on it', async () => {
    const stage = await Stage.open('[retention]\nmaxEvents = 20');
    const relay = await Relay.open(stage.port);
    const client = await stage.client();
    await apply(client, [
      ['session/create', {}],
      ['message/put', { messageId: 'msg_a', role: 'assistant' }],
    ]);
    const pages = await openPages(relay.origin, await stage.token());
    for (const page of pages) await page.until('to be caught up', ({ told }) => told.at(-1)?.name === 'caughtUp');

    relay.stall();
    // More than sockets and daemon hold for a reader: from then on it stands still, until fewer events are kept than it lags.
    const op = (n: number): Op => ({
      opId: `bulk-${n}`,
      type: 'part/put',
      params: {
        sessionId,
        messageId: 'msg_a',
        partId: 'prt_a',
        part: { type: 'text', text: `${n}`.padEnd(200_000, '.') },
      },
    });
    let written = 0;
    const isPassed = async () => {
      const { connections, events } = await client.call('daemon/status', {});
      const readers = connections.filter(({ subscriptions }) => subscriptions > 0);
      expect(readers).toHaveLength(pages.length);
      return readers.every(({ lag }) => lag > events);
    };
    while (!(await isPassed())) {
      expect(written).toBeLessThan(1_000);
      for (let n = 0; n < 10; n += 1) await client.call('ops/append', { ops: [op(written++)] });
    }

    relay.flow();
    const tables = await readTables(client, sessionId);
    for (const page of pages) {
      const isBack = ({ told }: Follower) => told.at(-1)?.name === 'caughtUp' && page.of('reset').length > 0;
      await page.until('to be caught up after the reset', isBack);
      const names = page.told.map(({ name }) => name).filter((name, at, all) => name !== all[at - 1]);
      expect(names).toEqual(['subscribed', 'batch', 'caughtUp', 'batch', 'reset', 'snapshot', 'caughtUp']);
      expect(page.of('reset')[0]!.params).toMatchObject({ reason: 'CursorExpired' });
      expect(page.events.map(({ seq }) => seq)).toEqual(page.events.map((_, at) => at + 1));
      expect(page.seq).toBeLessThan(written);
      expect(await page.held(sessionId)).toEqual(tables);
    }
  });
});
