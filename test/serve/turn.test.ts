// Reads share the one thread: so much of them in a turn of its loop, whoever asked for however much (P8).
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { Turn } from '../../daemon/serve/turn.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { request, wireInMemory } from '../support/wire.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** A turn whose reads take as long as they say. */
function setUp() {
  let now = 0;
  const turn = new Turn(() => now);
  const done: string[] = [];
  const read = (by: object, name: string, ms: number) =>
    turn.run(by, () => {
      now += ms;
      done.push(name);
      return name;
    });
  return { turn, done, read };
}

describe('a turn', () => {
  it('runs reads at once while there is time left, and the rest in the next turns of the loop', async () => {
    const { done, read } = setUp();
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => read({}, name, 5));
    expect(done).toEqual(['a', 'b']);
    await nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('lets those who wait take turns, each in the order that they asked in', async () => {
    const { done, read } = setUp();
    const [much, little] = [{}, {}];
    const all = ['m1', 'm2', 'm3', 'm4'].map((name) => read(much, name, 10));
    all.push(read(little, 'l1', 10));
    // Whoever waits is not overtaken by what there would be time for.
    all.push(read(little, 'l2', 0));
    await Promise.all(all);
    expect(done).toEqual(['m1', 'm2', 'l1', 'm3', 'l2', 'm4']);
  });

  it('counts a turn anew although its reads began behind its beginning', async () => {
    const { done, read } = setUp();
    void read({}, 'a', 10);
    void read({}, 'b', 10);
    await nextTurn();
    void read({}, 'c', 10);
    expect(done).toEqual(['a', 'b']);
    await nextTurn();
    await nextTurn();
    void read({}, 'd', 10);
    expect(done).toEqual(['a', 'b', 'c', 'd']);
  });

  it('rejects with what a read throws, and goes on', async () => {
    const { turn, read } = setUp();
    const fails = () => {
      throw new Error('no');
    };
    await expect(turn.run({}, fails)).rejects.toThrow('no');
    void read({}, 'a', 10);
    await expect(turn.run({}, fails)).rejects.toThrow('no');
    expect(await turn.run({}, async () => 'b')).toBe('b');
  });
});

describe.each(['in one batch', 'in frames of one write'])('[P8] many slow reads of one connection, %s', (way) => {
  it('are answered in order, and hold up nobody else until all of them are done', async () => {
    let now = 0;
    const quiet = { info() {}, warn() {}, error() {} };
    // Each look at the clock is 5 ms later: a read takes so long.
    const runtime = { ...systemRuntime(quiet), monotonic: () => (now += 5) };
    const { daemon } = daemonInProcess(testHome(), { runtime });
    const [guest, owner] = [wireInMemory(daemon), wireInMemory(daemon)];
    await owner.call('session/create', { sessionId: 'ses_a' });
    const told = () => guest.received.flat().map(({ id }) => id);
    const asked = Array.from({ length: 200 }, (_, at) => request(at, 'session/get', { sessionId: 'ses_a' }));
    if (way === 'in one batch') guest.send(asked);
    else guest.send(...asked);
    // Sent behind them; each is answered behind some of them at most.
    for (let at = 0; at < 10; at += 1) expect((await owner.call('session/list')).result.items).toHaveLength(1);
    expect(told().length).toBeLessThan(100);
    await guest.until('the answers', () => told().length === 200);
    expect(told()).toEqual(Array.from({ length: 200 }, (_, at) => at));
  });

  it('see what was written before them, and a connection that is gone waits for none of them', async () => {
    let now = 0;
    const quiet = { info() {}, warn() {}, error: (fields: object) => expect.fail(JSON.stringify(fields)) };
    const runtime = { ...systemRuntime(quiet), monotonic: () => (now += 5) };
    const { daemon } = daemonInProcess(testHome(), { runtime });
    const [guest, owner] = [wireInMemory(daemon), wireInMemory(daemon)];
    await owner.call('session/create', { sessionId: 'ses_a', title: '-1' });
    const asked = Array.from({ length: 100 }, (_, at) => [
      request(`update ${at}`, 'session/update', { sessionId: 'ses_a', title: String(at) }),
      request(at, 'session/get', { sessionId: 'ses_a' }),
    ]).flat();
    if (way === 'in one batch') guest.send(asked);
    else guest.send(...asked);
    await guest.until('the answers', () => guest.received.flat().some(({ id }) => id === 99));
    for (const { id, result } of guest.received.flat()) {
      if (typeof id === 'number') expect(Number(result.session.title)).toBeGreaterThanOrEqual(id);
    }
    guest.send(...Array.from({ length: 100 }, (_, at) => request(at, 'session/list')));
    guest.close();
    await guest.closed;
    await owner.call('session/list');
  });
});

it('[P8] what many waits of one connection read when something happens holds up nobody else', async () => {
  let now = 0;
  const quiet = { info() {}, warn() {}, error() {} };
  const runtime = { ...systemRuntime(quiet), monotonic: () => (now += 5) };
  const { daemon } = daemonInProcess(testHome(), { runtime });
  const [guest, owner] = [wireInMemory(daemon), wireInMemory(daemon)];
  const { head } = (await owner.call('daemon/status')).result;
  const ask = (at: number) => request(at, 'events/read', { after: head, waitMs: 60_000 });
  guest.send(...Array.from({ length: 200 }, (_, at) => ask(at)));
  // All have read once, and wait.
  for (let at = 0; at < 250; at += 1) await nextTurn();
  expect(guest.received).toEqual([]);
  await owner.call('session/create', { sessionId: 'ses_a' });
  await guest.until('the first answer', () => guest.received.length > 0);
  for (let at = 0; at < 5; at += 1) await nextTurn();
  // So many others would have been answered between them.
  expect(guest.received.length).toBeLessThan(100);
  await guest.until('the answers', () => guest.received.length === 200);
});
