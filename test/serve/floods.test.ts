// Requests that come faster than they are answered: of one connection no more is read, and beyond what all of them may have under
// way they are refused with Overloaded (PROTOCOL.md 1, 11; P7, P8).
import { beforeEach, describe, expect, it } from 'vitest';
import type { Limits } from '../../daemon/serve/limits.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { Wire, WireDialect } from '../support/wire.ts';
import { frame, request, wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function setUp(limits: Partial<Limits>) {
  const { daemon } = daemonInProcess(home, { limits });
  await daemon.start();
  const owner = wireInMemory(daemon);
  await owner.call('session/create', { sessionId: 'ses_1' });
  await owner.call('blocker/ask', {
    sessionId: 'ses_1',
    blockerId: 'blk_1',
    kind: 'question',
    request: { questions: [{ question: '?', header: '', options: [] }] },
  });
  return { daemon, owner };
}

const wait = (id: unknown, more: object = {}) => request(id, 'blocker/wait', { blockerId: 'blk_1', ...more });
const refusals = (wire: Wire) => wire.received.filter(({ error }) => error?.data?.kind === 'Overloaded');
const overloaded = { code: -32006, data: { kind: 'Overloaded', retryAfterMs: 1_000 } };

describe('[P7] a flood of requests', () => {
  it('of one connection is read no further than it is answered, and all of it is answered in the end', async () => {
    await setUp({ maxInFlight: 8, maxAllInFlight: 16 });
    const wire = await wireTo(home.paths.socket);
    const count = 10_000;
    wire.send(...Array.from({ length: count }, (_, at) => request(at, 'session/get', { sessionId: 'ses_1' })));
    await wire.until('all answers', () => wire.received.length === count);
    expect(refusals(wire)).toEqual([]);
  });

  it('of many is refused beyond what all may have under way, but not who asks for one thing at a time', async () => {
    const { owner } = await setUp({ maxAllInFlight: 10 });
    const flood = await wireTo(home.paths.socket);
    flood.send(...Array.from({ length: 10 }, (_, at) => wait(at)));
    flood.send(
      wait('beyond'),
      [wait('one'), wait('two'), { jsonrpc: '2.0', method: 'session/create' }],
      request('read', 'session/list'),
    );
    await flood.until('the refusals', () => flood.received.length === 3);
    expect(flood.received.flat()).toEqual(
      ['beyond', 'one', 'two', 'read'].map((id) => ({
        jsonrpc: '2.0',
        id,
        error: expect.objectContaining(overloaded),
      })),
    );
    // Nothing of it was done, and each of others is.
    const other = await wireTo(home.paths.socket);
    expect((await other.call('session/list')).result.items).toHaveLength(1);
    other.send(wait('held'), request('second', 'session/list'));
    expect((await other.reply('second')).error).toMatchObject(overloaded);
    // What is answered makes room.
    await owner.call('blocker/answer', { sessionId: 'ses_1', blockerId: 'blk_1', answer: { answers: [['yes']] } });
    await other.reply('held');
    await flood.reply(9);
    other.send(request(1, 'session/list'), request(2, 'session/list'));
    for (const id of [1, 2]) expect((await other.reply(id)).result.items).toHaveLength(1);
  });

  it('is measured by its text too, of which a small frame alone is always taken', async () => {
    await setUp({ maxAllInFlightUnits: 300_000 });
    const [flood, other] = [await wireTo(home.paths.socket), await wireTo(home.paths.socket)];
    flood.send(wait('large', { _meta: { text: 'x'.repeat(250_000) } }), request('next', 'ping'));
    await flood.reply('next');
    other.send(request('large', 'ping', { _meta: { text: 'x'.repeat(100_000) } }));
    expect((await other.reply('large')).error).toMatchObject(overloaded);
    expect((await other.call('ping')).result).toEqual({});
  });
});

describe('[P7] frames that are begun and not ended', () => {
  it.each<WireDialect>(['line', 'header'])(
    'have so much room in all, and give it back: dialect %s',
    async (dialect) => {
      await setUp({ maxUnfinishedBytes: 400_000 });
      const { socket: path } = home.paths;
      const text = JSON.stringify(request(1, 'session/create', { title: 'x'.repeat(200_000) }));
      const whole = frame(text, dialect);
      const [first, second, small] = [
        await wireTo(path, dialect),
        await wireTo(path, dialect),
        await wireTo(path, dialect),
      ];
      const ping = async (wire: Wire) => expect((await wire.call('ping')).result).toEqual({});
      for (const wire of [first, second, small]) await ping(wire);
      // Its reply tells that what stands before it was read: of its own connection none comes before its frame has ended.
      const taken = async (wire: Wire, bytes: string) => {
        wire.socket!.write(bytes);
        await new Promise((resolve) => setImmediate(resolve));
        for (let at = 0; at < 5; at += 1) await ping(await wireTo(path, dialect));
      };
      await taken(first, whole.slice(0, 150_000));
      await taken(first, whole.slice(150_000, -10));
      second.socket!.write(whole.slice(0, 200_000));
      await within('the end', second.closed);
      expect(second.received.at(-1)).toMatchObject({ id: null, error: overloaded });
      // A small one has its place beside them, and what has come whole makes room.
      await taken(small, frame(JSON.stringify(request(2, 'ping')), dialect).slice(0, -5));
      first.socket!.write(whole.slice(-10));
      expect((await first.reply(1)).result).toBeDefined();
      const third = await wireTo(path, dialect);
      third.socket!.write(whole.slice(0, 200_000));
      third.socket!.write(whole.slice(200_000));
      expect((await third.reply(1)).result).toBeDefined();
    },
  );
});
