// Turns and blockers as clients live them, over the wire.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Result } from '../../protocol/methods.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import type { Part } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { connectTo, daemonInProcess, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';

const model = { providerId: 'anthropic', modelId: 'claude' };
const permission = { kind: 'permission' as const, request: { permission: 'bash', patterns: ['rm *'] } };
const question = {
  kind: 'question' as const,
  request: { questions: [{ question: 'Which?', header: 'Pick', options: [{ label: 'a' }, { label: 'b' }] }] },
};

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function inProcess() {
  const { daemon, connect } = daemonInProcess(home);
  const client = connect();
  await client.initialize('editor', '1');
  await client.call('session/create', { sessionId: 'ses_a', directory: '/work', agent: 'old' });
  return { daemon, connect, client };
}

const startTurn = (client: Client, more: object = {}) =>
  client.call('turn/start', {
    sessionId: 'ses_a',
    agent: 'claude-code',
    model,
    parts: [{ type: 'text', text: 'Mend the roof' }],
    ...more,
  });

async function sessionOf(client: Client): Promise<Result<'session/get'>> {
  return client.call('session/get', { sessionId: 'ses_a' });
}

async function refusal(call: Promise<unknown>): Promise<RpcError> {
  const outcome = await call.then(
    (result) => new Error(`answered with ${JSON.stringify(result)}`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof RpcError)) throw outcome;
  return outcome;
}

describe('a turn', () => {
  test('from its start to its end, as a subscriber sees it', async () => {
    const { client, connect } = await inProcess();
    const { collector } = await subscribe(connect(), {});
    const { ids } = await startTurn(client);
    const put = { sessionId: 'ses_a', messageId: 'msg_a' };
    await client.call('message/put', { ...put, role: 'assistant', turnId: ids.turnId });
    await client.call('part/put', { ...put, partId: 'prt_a', part: { type: 'text', text: '' } });
    await client.call('part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset: 0, text: 'Done.' });
    const finished = await client.call('turn/finish', { turnId: ids.turnId!, state: 'completed', finish: 'stop' });
    await collector.until(
      'the end of the turn',
      ({ events }) => events.at(-1)?.opId !== undefined && events.length >= 10,
    );
    expect(collector.events.map(({ type, data }) => [type, (data as { state?: string }).state])).toEqual([
      ['turn/updated', 'created'],
      ['message/updated', undefined],
      ['part/updated', undefined],
      ['message/updated', undefined],
      ['turn/updated', 'streaming'],
      ['part/updated', undefined],
      ['part/delta', undefined],
      ['part/updated', undefined],
      ['message/updated', undefined],
      ['turn/updated', 'completed'],
    ]);
    const [merged, , ended] = collector.events.slice(-3);
    expect(merged!.data).toMatchObject({ id: 'prt_a', text: 'Done.' });
    expect(collector.events.slice(-3).map(({ opId }) => opId)).toEqual(Array(3).fill(ended!.opId));
    expect(finished.seq).toBe(ended!.seq);
    const { items } = await client.call('turn/list', { sessionId: 'ses_a' });
    expect(items).toMatchObject([{ id: ids.turnId, state: 'completed', assistantMessageId: 'msg_a', finish: 'stop' }]);
  });

  test('makes its session busy, and routes the next turn by its own agent and model', async () => {
    const { client } = await inProcess();
    const { ids } = await startTurn(client);
    const open = await sessionOf(client);
    expect(open.session).toMatchObject({ status: 'busy', agent: 'claude-code', model });
    expect(open.turns).toMatchObject([{ id: ids.turnId, state: 'created' }]);
    expect((await client.call('session/list', { status: 'busy' })).items).toHaveLength(1);
    await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant', turnId: ids.turnId });
    await client.call('message/remove', { sessionId: 'ses_a', messageId: 'msg_a' });
    await client.call('turn/finish', { turnId: ids.turnId!, state: 'failed', error: { message: 'overloaded' } });
    const after = await sessionOf(client);
    expect(after.session).toMatchObject({ status: 'idle', agent: 'claude-code', model });
    expect(after.turns).toEqual([]);
    // The session as filters see it is still of the agent it was created with.
    expect((await client.call('session/list', { agent: 'claude-code' })).items).toHaveLength(1);
  });

  test('that ended takes nothing more, and says so', async () => {
    const { client } = await inProcess();
    const { ids } = await startTurn(client);
    await client.call('turn/finish', { turnId: ids.turnId!, state: 'aborted' });
    const late = client.call('message/put', { sessionId: 'ses_a', role: 'assistant', turnId: ids.turnId });
    expect(await refusal(late)).toMatchObject({ code: -32023, data: { from: 'aborted', to: 'streaming' } });
    expect(await refusal(client.call('turn/heartbeat', { turnId: ids.turnId! }))).toMatchObject({ code: -32023 });
    const again = await client.call('turn/finish', { turnId: ids.turnId!, state: 'aborted' });
    expect(again).toMatchObject({ duplicate: true, seq: null });
    const other = client.call('turn/finish', { turnId: ids.turnId!, state: 'completed' });
    expect(await refusal(other)).toMatchObject({ data: { from: 'aborted', to: 'completed' } });
  });

  test('a heartbeat has no event and is told once', async () => {
    const { client } = await inProcess();
    const { ids } = await startTurn(client);
    const { head } = await client.call('daemon/status', {});
    const beat = { turnId: ids.turnId!, opId: 'beat-1' };
    expect(await client.call('turn/heartbeat', beat)).toMatchObject({ seq: null, duplicate: false });
    expect(await client.call('turn/heartbeat', beat)).toMatchObject({ seq: null, duplicate: true });
    expect((await client.call('daemon/status', {})).head).toBe(head);
  });

  test('[P17] left open by a client that died is aborted once its lease ran out', async () => {
    await startDaemon(home);
    const client = await connectTo(home, 'agent');
    await client.call('session/create', { sessionId: 'ses_a' });
    const watcher = await connectTo(home, 'editor');
    const { collector } = await subscribe(watcher, { filter: { types: ['turn/*'] } });
    await startTurn(client, { leaseMs: 300 });
    client.close();
    await collector.until('the abort', ({ events }) => events.length === 2);
    expect(collector.events[1]).toMatchObject({
      actorId: 'system',
      data: { state: 'aborted', error: { kind: 'LeaseExpired' } },
    });
    expect((await sessionOf(watcher)).session.status).toBe('idle');
  });
});

describe('a blocker', () => {
  test('[P16] is seen by every subscriber, asked and resolved, and the loser of a race is told the winner', async () => {
    const { client, connect } = await inProcess();
    const [phone, laptop] = [connect(), connect()];
    await phone.initialize('phone', '1');
    await laptop.initialize('laptop', '1');
    const watching = await Promise.all([subscribe(phone), subscribe(laptop)]);
    const { ids } = await client.call('blocker/ask', { sessionId: 'ses_a', ...permission });
    expect((await sessionOf(client)).session).toMatchObject({ status: 'waiting', pendingBlockers: 1 });
    const blocker = { sessionId: 'ses_a', blockerId: ids.blockerId! };
    await phone.call('blocker/answer', { ...blocker, answer: { decision: 'once' } });
    const lost = await refusal(laptop.call('blocker/answer', { ...blocker, answer: { decision: 'deny' } }));
    expect(lost).toMatchObject({ code: -32024, kind: 'AlreadyResolved' });
    expect(lost.data).toMatchObject({ resolution: { decision: 'once' } });
    expect(lost.data.resolvedBy).toMatch(/^phone\/c\d+$/);
    for (const { collector } of watching) {
      await collector.until('the answer', ({ events }) => events.length === 2);
      expect(collector.events.map(({ data }) => (data as { state: string }).state)).toEqual(['pending', 'answered']);
    }
    expect((await sessionOf(client)).session).toMatchObject({ status: 'idle', pendingBlockers: 0 });
  });

  test('[P16] outlives its client and the daemon', async () => {
    const first = await startDaemon(home);
    const client = await connectTo(home, 'agent');
    await client.call('session/create', { sessionId: 'ses_a' });
    await client.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', ...question });
    client.close();
    await first.kill('SIGKILL');
    await startDaemon(home);
    const after = await connectTo(home, 'editor');
    const { items } = await after.call('blocker/list', { state: 'pending' });
    expect(items).toMatchObject([{ id: 'blk_a', kind: 'question', request: question.request }]);
    const waiting = after.call('blocker/wait', { blockerId: 'blk_a' });
    const other = await connectTo(home);
    await other.call('blocker/answer', { sessionId: 'ses_a', blockerId: 'blk_a', answer: { answers: [['b']] } });
    expect((await waiting).blocker).toMatchObject({ state: 'answered', resolution: { answers: [['b']] } });
  });

  test('expires with its turn, and an answer that comes after is told so', async () => {
    const { client } = await inProcess();
    const { ids } = await startTurn(client);
    const turnId = ids.turnId!;
    await client.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', turnId, ...permission });
    const waiting = client.call('blocker/wait', { blockerId: 'blk_a' });
    await client.call('turn/finish', { turnId, state: 'aborted' });
    expect((await waiting).blocker).toMatchObject({ state: 'expired', resolution: null });
    const late = { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'once' as const } };
    expect(await refusal(client.call('blocker/answer', late))).toMatchObject({
      data: { kind: 'AlreadyResolved', state: 'expired' },
    });
  });

  test('whose answer does not fit is still pending', async () => {
    const { client } = await inProcess();
    await client.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', ...question });
    const unfit = { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'once' as const } };
    expect(await refusal(client.call('blocker/answer', unfit))).toMatchObject({ code: -32602 });
    expect((await client.call('blocker/list', {})).items).toMatchObject([{ state: 'pending' }]);
  });

  test.each([
    ['none', { questions: [] }],
    ['five', { questions: Array(5).fill(question.request.questions[0]) }],
  ])('of %s questions is refused, naming the member', async (_name, request) => {
    const { client } = await inProcess();
    const asked = client.callRaw('blocker/ask', { sessionId: 'ses_a', kind: 'question', request });
    const error = await refusal(asked);
    expect(error.code).toBe(-32602);
    expect(error.message).toMatch(/^request\.questions: /);
  });
});

describe('blocker/wait', () => {
  test('answers with the blocker as it stands at the time-out', async () => {
    const { client } = await inProcess();
    await client.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', ...permission });
    const { blocker } = await client.call('blocker/wait', { blockerId: 'blk_a', timeoutMs: 20 });
    expect(blocker).toMatchObject({ id: 'blk_a', state: 'pending' });
  });

  test('ends with NotFound when the session is deleted, or when there is no such blocker', async () => {
    const { client, connect } = await inProcess();
    await client.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', ...permission });
    const waiting = refusal(connect().call('blocker/wait', { blockerId: 'blk_a' }));
    await client.call('session/delete', { sessionId: 'ses_a' });
    expect(await waiting).toMatchObject({ code: -32001, data: { what: 'blocker', id: 'blk_a' } });
    expect(await refusal(client.call('blocker/wait', { blockerId: 'blk_none' }))).toMatchObject({ code: -32001 });
  });

  test('[P18] holds nothing once its client is gone', async () => {
    const quiet = { info() {}, warn() {}, error() {} };
    const runtime = systemRuntime(quiet);
    let asleep = 0;
    const sleep: typeof runtime.sleep = async (ms, signal) => {
      if (ms < 3600_000) return runtime.sleep(ms, signal); // the sweep's
      asleep += 1;
      try {
        await runtime.sleep(ms, signal);
      } finally {
        asleep -= 1;
      }
    };
    const { daemon } = daemonInProcess(home, { runtime: { ...runtime, sleep } });
    await daemon.start();
    const observer = await connectTo(home);
    await observer.call('session/create', { sessionId: 'ses_a' });
    await observer.call('blocker/ask', { sessionId: 'ses_a', blockerId: 'blk_a', ...permission });
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(home)));
    const waits = clients.map((client) => client.call('blocker/wait', { blockerId: 'blk_a' }).catch(() => 'gone'));
    const until = async (count: number) => {
      while (asleep !== count) await nextTurn();
    };
    await within('the waits to begin', until(20), () => asleep);
    for (const client of clients) client.close();
    expect(await Promise.all(waits)).toEqual(Array(20).fill('gone'));
    await within('the waits to end with their clients', until(0), () => asleep);
  });
});

test('a response that was lost: sent again the op has one effect and is a duplicate', async () => {
  await startDaemon(home);
  const observer = await connectTo(home);
  await observer.call('session/create', { sessionId: 'ses_a' });
  const { collector } = await subscribe(observer, {});
  const ask = { sessionId: 'ses_a', blockerId: 'blk_a', opId: 'ask-1', ...permission };
  // The request leaves, and the connection goes before the reply can come.
  const dying = await connectSocket(home.paths.socket);
  await dying.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'blocker/ask', params: ask }));
  dying.close();
  await collector.until('the op to be committed', ({ events }) => events.length === 1);
  const again = await (await connectTo(home)).call('blocker/ask', ask);
  expect(again).toMatchObject({ duplicate: true, seq: collector.events[0]!.seq, ids: { blockerId: 'blk_a' } });
  expect((await observer.call('blocker/list', {})).items).toHaveLength(1);
  expect((await sessionOf(observer)).session.version).toBe(2);
});

test('[P13] a retried artifact is put by its key: one row, one event', async () => {
  const { client } = await inProcess();
  const put = { sessionId: 'ses_a', kind: 'diff', key: 'src/a.ts', data: { added: 3 } };
  expect(await client.call('artifact/put', put)).toMatchObject({ duplicate: false });
  expect(await client.call('artifact/put', put)).toMatchObject({ duplicate: true, seq: null });
  expect((await client.call('artifact/list', { sessionId: 'ses_a' })).items).toHaveLength(1);
  expect((await sessionOf(client)).session.version).toBe(2);
});

test('a reader that joins in the middle of a stream sees all text so far, and the deltas after that cursor fit', async () => {
  const { client, connect } = await inProcess();
  await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'assistant' });
  await client.call('part/put', {
    sessionId: 'ses_a',
    messageId: 'msg_a',
    partId: 'prt_a',
    part: { type: 'text', text: '' },
  });
  const words = Array.from({ length: 200 }, (_, index) => `wörd${index} 😀 `);
  const whole = words.join('');
  const stream = async () => {
    let offset = 0;
    for (const text of words) {
      await client.call('part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset, text });
      offset += text.length;
    }
  };
  const streaming = stream();
  const joins = Array.from({ length: 8 }, async (_, index) => {
    const reader = connect();
    for (let turn = 0; turn < index * 9; turn += 1) await nextTurn();
    const { items, cursor } = await reader.call('message/list', { sessionId: 'ses_a' });
    const { session } = await reader.call('session/get', { sessionId: 'ses_a' });
    const part = items[0]!.parts[0] as Part & { text: string };
    const { collector } = await subscribe(reader, { from: cursor });
    const last = whole.length;
    await collector.until('the end of the stream', ({ events }) => {
      const end = events.findLast(({ type }) => type === 'part/delta')?.data as
        | { offset: number; text: string }
        | undefined;
      return (end ? end.offset + end.text.length : part.text.length) === last;
    });
    let text = part.text;
    for (const { type, data } of collector.events) {
      if (type !== 'part/delta') continue;
      expect(data.offset).toBe(text.length);
      text += data.text;
    }
    expect(text).toBe(whole);
    expect(session.id).toBe('ses_a');
    return part.text.length;
  });
  const joined = await Promise.all(joins);
  await streaming;
  // They did join in the middle, not all of them before or behind it.
  expect(joined.some((length) => length > 0 && length < whole.length)).toBe(true);
});

test('every record and every event says whose it is: the client by its name and connection', async () => {
  const { client, connect } = await inProcess();
  const nameless = connect();
  const { ids } = await startTurn(client);
  await nameless.call('blocker/ask', { sessionId: 'ses_a', turnId: ids.turnId, ...permission });
  await client.call('artifact/put', { sessionId: 'ses_a', kind: 'k', key: 'a', data: 1 });
  const { events } = await client.call('events/read', { after: (await client.call('daemon/status', {})).earliest });
  const view = events.reduce(reduce, emptyView()).get('ses_a')!;
  const records = [
    view.session,
    ...view.turns.values(),
    ...[...view.messages.values()].flatMap(({ message, parts }) => [message, ...parts.values()]),
    ...view.artifacts.values(),
  ];
  expect(records).toHaveLength(5);
  for (const record of records) expect(record).toMatchObject({ actorId: 'editor/c1', schemaVersion: 1 });
  const [asked] = [...view.blockers.values()];
  expect(asked).toMatchObject({ actorId: 'local/c2', schemaVersion: 1 });
  expect(events.map(({ actorId }) => actorId)).toEqual(
    events.map(({ type }) => (type === 'blocker/updated' ? 'local/c2' : 'editor/c1')),
  );
});
