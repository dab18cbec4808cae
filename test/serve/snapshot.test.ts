// The state in place of events that are gone (PROTOCOL.md 5, "Snapshots"): whoever cannot resume is told why, gets each
// session whole at its own version, and goes on from the snapshot's cursor.
import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DaemonOptions } from '../../daemon/daemon.ts';
import type { Event } from '../../protocol/schema.ts';
import type { View } from '../../protocol/view.ts';
import { addSnapshotItem, emptyView, reduce } from '../../protocol/view.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import type { Listed } from '../support/records.ts';
import { viewTables } from '../support/records.ts';
import type { Anything, Message, Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function setUp(options: Partial<DaemonOptions> = {}) {
  const { daemon } = daemonInProcess(home, options);
  await daemon.start();
  return { wire: wireInMemory(daemon), daemon };
}

const keepAll = { maxEvents: 1e9, maxAgeMs: 1e12, maxLagEvents: 1e9 };
const model = { providerId: 'p', modelId: 'm' };

/** A session with one of everything. */
async function fill(wire: Wire, id: string, params: object = {}): Promise<void> {
  const at = { sessionId: `ses_${id}` };
  const calls: [string, object][] = [
    ['session/create', { ...at, title: id, ...params }],
    ['turn/start', { ...at, turnId: `trn_${id}`, agent: 'x', model, parts: [{ type: 'text', text: 'go' }] }],
    ['message/put', { ...at, messageId: `msg_${id}`, turnId: `trn_${id}`, role: 'assistant' }],
    ['part/put', { ...at, messageId: `msg_${id}`, partId: `prt_${id}`, part: { type: 'text', text: '' } }],
    ['part/delta', { ...at, partId: `prt_${id}`, field: 'text', offset: 0, text: 'streamed' }],
    [
      'blocker/ask',
      { ...at, blockerId: `blk_${id}`, turnId: `trn_${id}`, kind: 'permission', request: { permission: 'p' } },
    ],
    ['artifact/put', { ...at, kind: 'todo', key: 'k', data: [id] }],
  ];
  for (const [method, given] of calls) expect((await wire.call(method, given)).error).toBeUndefined();
}

/** What a subscription was sent, folded: a snapshot takes the place of all before it. */
function fold(messages: Message[], before: View = emptyView()): View {
  let view = before;
  let next = emptyView();
  for (const { method, params } of messages) {
    if (method === 'events/reset') next = emptyView();
    if (method === 'events/snapshot') {
      next = (params.items as Anything[]).reduce(addSnapshotItem, next);
      if (params.done) [view, next] = [next, emptyView()];
    }
    if (method === 'events/batch') view = (params.events as Event[]).reduce(reduce, view);
  }
  return view;
}

/** What the tables hold, over the wire; without messages and what follows from them where a view has none. */
async function tables(wire: Wire, withMessages: boolean, ids?: string[]): Promise<Map<string, Listed>> {
  const list = async (method: string, params: object) => {
    const items: Anything[] = [];
    let pageToken: string | undefined;
    do {
      const { result } = await wire.call(method, { ...params, ...(pageToken && { pageToken }) });
      items.push(...result.items);
      pageToken = result.nextPageToken;
    } while (pageToken);
    return items;
  };
  const held = new Map<string, Listed>();
  for (const session of await list('session/list', {})) {
    if (ids && !ids.includes(session.id)) continue;
    const { id: sessionId } = session;
    held.set(sessionId, {
      session: withMessages ? session : withoutMessages(session),
      turns: await list('turn/list', { sessionId }),
      blockers: await list('blocker/list', { sessionId }),
      messages: withMessages ? await list('message/list', { sessionId }) : [],
      artifacts: await list('artifact/list', { sessionId }),
    });
  }
  return held;
}

function withoutMessages({ messageCount, usage, ...session }: Anything): Anything {
  return session;
}

function withoutDerived(listed: Map<string, Listed>): Map<string, Listed> {
  return new Map([...listed].map(([id, held]) => [id, { ...held, session: withoutMessages(held.session) }]));
}

const pages = (wire: Wire) => wire.notifications('events/snapshot').map(({ params }) => params);
const isDone = (wire: Wire) => pages(wire).some(({ done }) => done);
const caughtUp = (wire: Wire) => wire.notifications('events/caughtUp').length > 0;

describe('a cursor that cannot be resumed', () => {
  const cases: [string, (cursor: string) => string][] = [
    ['StoreChanged', (cursor) => cursor.replace(/^[^.]+/, 'f'.repeat(16))],
    ['CursorInFuture', (cursor) => cursor.replace(/\.\d+\./, '.1000000.')],
    ['Diverged', (cursor) => `${cursor}x`],
  ];
  it.each(cases)('[P1] [P2] is told as %s under never, and else answered by the state', async (kind, spoil) => {
    const { wire } = await setUp();
    await fill(wire, 'a');
    const { head } = (await wire.call('daemon/status')).result;
    const from = spoil(head);
    const refused = await wire.call('events/subscribe', { from, snapshot: 'never' });
    expect(refused.error!.data).toMatchObject({ kind, head });
    const { result } = await wire.call('events/subscribe', { from });
    expect(result).toEqual({ subscription: result.subscription, mode: 'snapshot', reason: kind, cursor: head, head });
    await wire.until('to be caught up', () => caughtUp(wire));
    expect(wire.notifications().map(({ method }) => method)).toEqual(['events/snapshot', 'events/caughtUp']);
    expect(pages(wire)).toMatchObject([{ items: [{ session: { id: 'ses_a' } }], done: true, cursor: head }]);
    await wire.call('session/update', { sessionId: 'ses_a', title: 'after' });
    await wire.until('the event', () => wire.seqs.length === 1);
    expect(wire.notifications('events/batch')[0]!.params.prev).toBe(head);
    expect(withoutDerived(viewTables(fold(wire.notifications())))).toEqual(await tables(wire, false));
  });

  it('[P3] earliest - 1 is CursorExpired; earliest, earliest + 1 and head resume; head + 1 is CursorInFuture', async () => {
    const runtime = { maxEvents: 3, maxAgeMs: 1e12, maxLagEvents: 1 };
    const { wire } = await setUp({ retention: runtime });
    const cursors: string[] = [];
    for (let at = 0; at < 10; at += 1) cursors.push((await wire.call('session/create', {})).result.cursor);
    const { earliest, head } = (await wire.call('daemon/status')).result;
    const at = cursors.indexOf(earliest);
    expect(at).toBe(6);
    const start = async (from: string, snapshot: string) => {
      const { result, error } = await wire.call('events/subscribe', { from, snapshot });
      return error ? error.data.kind : [result.mode, result.reason];
    };
    expect(await start(cursors[at - 1]!, 'never')).toBe('CursorExpired');
    expect(await start(cursors[at - 1]!, 'onGap')).toEqual(['snapshot', 'CursorExpired']);
    for (const snapshot of ['never', 'onGap']) {
      expect(await start(earliest, snapshot)).toEqual(['resumed', undefined]);
      expect(await start(cursors[at + 1]!, snapshot)).toEqual(['resumed', undefined]);
      expect(await start(head, snapshot)).toEqual(['resumed', undefined]);
    }
    const future = head.replace('.10.', '.11.');
    expect(await start(future, 'never')).toBe('CursorInFuture');
    expect(await start(future, 'onGap')).toEqual(['snapshot', 'CursorInFuture']);
    for (const after of [cursors[at - 1]!, future]) {
      expect((await wire.call('events/read', { after })).error).toBeDefined();
    }
  });

  it('is refused where it is no cursor at all, whatever is asked for', async () => {
    const { wire } = await setUp();
    for (const snapshot of ['never', 'onGap', 'always']) {
      expect((await wire.call('events/subscribe', { from: 'nonsense', snapshot })).error!.code).toBe(-32602);
    }
  });
});

describe('a snapshot', () => {
  it('comes always where that is asked for, also of an empty store', async () => {
    const { wire } = await setUp();
    const { result } = await wire.call('events/subscribe', { snapshot: 'always' });
    expect(result).toMatchObject({ mode: 'snapshot', reason: 'always' });
    await wire.until('it', () => caughtUp(wire));
    expect(pages(wire)).toEqual([{ subscription: result.subscription, items: [], done: true, cursor: result.cursor }]);
    await fill(wire, 'a');
    await wire.call('events/sync', { subscription: result.subscription });
    // Created under its eyes: it has the messages too.
    expect(viewTables(fold(wire.notifications()))).toEqual(await tables(wire, true));
  });

  it('holds the sessions that match, with messages only where sessions are named', async () => {
    const { wire, daemon } = await setUp();
    await fill(wire, 'a', { directory: '/d', agent: 'one' });
    await fill(wire, 'b', { directory: '/e', agent: 'one' });
    await fill(wire, 'c', { directory: '/d', agent: 'two' });
    await wire.call('session/delete', { sessionId: 'ses_b' });
    const shown = async (filter: object) => {
      const reader = wireInMemory(daemon);
      await reader.call('events/subscribe', { snapshot: 'always', filter });
      await reader.until('the snapshot', () => isDone(reader));
      return pages(reader).flatMap(({ items }) => items) as Anything[];
    };
    const ids = async (filter: object) => (await shown(filter)).map(({ session }) => session.id);
    expect(await ids({})).toEqual(['ses_a', 'ses_c']);
    expect(await ids({ directory: '/d' })).toEqual(['ses_a', 'ses_c']);
    expect(await ids({ agents: ['two', 'three'] })).toEqual(['ses_c']);
    expect(await ids({ sessions: ['ses_b', 'ses_a', 'ses_nobody'] })).toEqual(['ses_a']);
    const [plain] = await shown({ directory: '/d' });
    expect(Object.keys(plain)).toEqual(['session', 'turns', 'blockers', 'artifacts']);
    const [whole] = await shown({ sessions: ['ses_a'] });
    expect(whole.messages.map(({ parts }: Anything) => parts[0].text)).toEqual(['go', 'streamed']);
  });

  it('comes in pages of 256 KiB, and shows each session once', async () => {
    const { wire } = await setUp();
    const metadata = { note: 'x'.repeat(10_000) };
    const create = (at: number) => request(at, 'session/create', { sessionId: `ses_${at}`, metadata });
    wire.send(...Array.from({ length: 100 }, (_, at) => create(at)));
    await wire.reply(99);
    await wire.call('events/subscribe', { snapshot: 'always' });
    await wire.until('the snapshot', () => isDone(wire));
    const sizes = wire.notifications('events/snapshot').map((page) => JSON.stringify(page).length);
    expect(sizes.length).toBeGreaterThan(3);
    expect(Math.max(...sizes)).toBeLessThan(257 * 1024);
    expect(pages(wire).map(({ done }) => done)).toEqual([...sizes.slice(1).map(() => false), true]);
    const ids = pages(wire).flatMap(({ items }) => items.map(({ session }: Anything) => session.id));
    expect(ids).toEqual(Array.from({ length: 100 }, (_, at) => `ses_${at}`));
  });

  it('[P6] shows a long session at one version, however it changes while a slow reader takes it', async () => {
    const { wire } = await setUp();
    const reader = await wireTo(home.paths.socket);
    await fill(wire, 'a');
    const at = { sessionId: 'ses_a' };
    const put = (id: number, fillers: string) => {
      const messageId = `msg_${id}`;
      wire.send(request(`put ${id}`, 'message/put', { ...at, messageId, role: 'user' }));
      wire.send(request(`part ${id}`, 'part/put', { ...at, messageId, part: { type: 'text', text: fillers } }));
    };
    for (let id = 0; id < 300; id += 1) put(id, `${id} `.padEnd(10_000, 'é'));
    await wire.reply('part 299');
    const { version } = (await wire.call('session/get', at)).result.session;
    await reader.call('ping');
    reader.socket!.pause();
    reader.send(request('sub', 'events/subscribe', { snapshot: 'always', filter: { sessions: ['ses_a'] } }));
    const asked = async () => {
      const { connections } = (await wire.call('daemon/status')).result;
      return connections.find((each: Anything) => each.subscriptions === 1 && each.bufferedBytes > 100_000);
    };
    while (!(await asked())) await new Promise((resolve) => setImmediate(resolve));
    // Changed, removed and added, behind the reader's back and before it.
    await wire.call('message/remove', { ...at, messageId: 'msg_299' });
    await wire.call('message/remove', { ...at, messageId: 'msg_1' });
    await wire.call('message/put', { ...at, messageId: 'msg_298', metadata: { changed: true }, role: 'user' });
    await wire.call('part/delta', { ...at, partId: 'prt_a', field: 'text', offset: 8, text: ' on' });
    await wire.call('turn/finish', { turnId: 'trn_a', state: 'completed' });
    put(300, 'new');
    await wire.reply('part 300');
    expect(readdirSync(home.paths.data).filter((name) => name.startsWith('spool'))).toEqual([]);
    reader.socket!.resume();
    await reader.until('the snapshot', () => isDone(reader));
    const items = pages(reader).flatMap((page) => page.items) as Anything[];
    expect(items.length).toBeGreaterThan(5);
    expect(new Set(items.map(({ session }) => session.version))).toEqual(new Set([version]));
    const messages = items.flatMap((item) => item.messages);
    expect(messages.map(({ message }) => message.id).slice(2)).toEqual(
      Array.from({ length: 300 }, (_, id) => `msg_${id}`),
    );
    await reader.until('to be caught up', () => caughtUp(reader));
    expect(viewTables(fold(reader.notifications()))).toEqual(await tables(wire, true));
  });

  it('is not in the way of who unsubscribes in the midst of it', async () => {
    const { wire } = await setUp();
    await fill(wire, 'a');
    for (let id = 0; id < 100; id += 1) {
      const message = { sessionId: 'ses_a', messageId: `msg_${id}`, role: 'user' };
      await wire.call('message/put', { ...message, metadata: { note: 'x'.repeat(20_000) } });
    }
    const reader = await wireTo(home.paths.socket);
    await reader.call('ping');
    reader.socket!.pause();
    reader.send(request('sub', 'events/subscribe', { snapshot: 'always', filter: { sessions: ['ses_a'] } }));
    reader.send(request('un', 'events/unsubscribe', { subscription: 'sub_1' }));
    reader.socket!.resume();
    await reader.until('its end', () => reader.notifications('events/ended').length === 1);
    expect(isDone(reader)).toBe(false);
    expect(reader.notifications('events/ended')[0]!.params.reason).toBe('unsubscribed');
  });
});

describe('[P7] a stalled reader that retention passes', () => {
  it('is told, and sent the state, and goes on behind it with nothing twice', async () => {
    const { wire } = await setUp({ retention: { ...keepAll, maxEvents: 50, maxLagEvents: 1 } });
    const reader = await wireTo(home.paths.socket);
    await fill(wire, 'a');
    await reader.call('events/subscribe', { from: 'start', bookmarkMs: 1 });
    await reader.until('to be live', () => caughtUp(reader));
    reader.socket!.pause();
    const note = 'x'.repeat(5_000);
    // As long as it takes until the sweep has cut off what the reader did not take.
    const isPassed = async () => {
      const { connections, events } = (await wire.call('daemon/status')).result;
      return connections.find(({ subscriptions }: Anything) => subscriptions === 1).lag > events;
    };
    for (let id = 0; !(await isPassed()); id += 1) {
      await wire.call('artifact/put', { sessionId: 'ses_a', kind: 'diff', key: `${id % 100}`, data: [id, note] });
    }
    reader.socket!.resume();
    await reader.until('the snapshot', () => isDone(reader));
    await wire.call('session/update', { sessionId: 'ses_a', title: 'after' });
    const last = (await wire.call('session/get', { sessionId: 'ses_a' })).result.session.version;
    await reader.until('the last event', () =>
      reader.notifications('events/batch').some(({ params }) => params.events.at(-1)?.version === last),
    );
    const told = reader.notifications().map(({ method }) => method);
    expect(told.indexOf('events/reset')).toBeLessThan(told.indexOf('events/snapshot'));
    const reset = reader.notifications('events/reset')[0]!.params;
    expect(reset).toMatchObject({ reason: 'CursorExpired' });
    expect(new Set(reader.seqs).size).toBe(reader.seqs.length);
    expect(reader.seqs).toEqual(reader.seqs.toSorted((a, b) => a - b));
    expect(withoutDerived(viewTables(fold(reader.notifications())))).toEqual(await tables(wire, false));
  });
});
