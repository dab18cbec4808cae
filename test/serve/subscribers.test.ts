// Named subscribers (PROTOCOL.md 5): the daemon keeps how far each has come, over restarts and beyond retention.
import { beforeEach, describe, expect, it } from 'vitest';
import type { DaemonOptions } from '../../daemon/daemon.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import type { Wire } from '../support/wire.ts';
import { request, wireInMemory } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

async function open(options: Partial<DaemonOptions> = {}) {
  const { daemon } = daemonInProcess(home, options);
  await daemon.start();
  return { daemon, wire: wireInMemory(daemon) };
}

const keepAll = { maxEvents: 1e9, maxAgeMs: 1e12, maxLagEvents: 1e9 };

async function create(wire: Wire, count: number): Promise<string[]> {
  const cursors: string[] = [];
  for (let at = 0; at < count; at += 1) cursors.push((await wire.call('session/create', {})).result.cursor);
  return cursors;
}

const seqOf = (cursor: string) => Number(cursor.split('.')[1]);
const kindOf = async (wire: Wire, method: string, params: object) => (await wire.call(method, params)).error?.data.kind;
const ended = (wire: Wire) => wire.notifications('events/ended').map(({ params }) => params);
const listed = async (wire: Wire) => (await wire.call('subscriber/list')).result.items;

describe('a named subscriber', () => {
  it('goes on from what it acknowledged, after a restart too', async () => {
    const first = await open();
    const { result } = await first.wire.call('events/subscribe', { name: 'editor' });
    expect(result.mode).toBe('live');
    const cursors = await create(first.wire, 5);
    expect((await first.wire.call('events/ack', { name: 'editor', cursor: cursors[1] })).result).toEqual({
      cursor: cursors[1],
    });
    await first.daemon.stop();
    const { wire } = await open();
    const again = await wire.call('events/subscribe', { name: 'editor', snapshot: 'never' });
    expect(again.result).toMatchObject({ mode: 'resumed', cursor: cursors[1] });
    await wire.until('what it missed', () => wire.seqs.length === 3);
    expect(wire.seqs).toEqual([3, 4, 5]);
  });

  it('misses nothing from its first call on, though it acknowledged nothing', async () => {
    const { wire, daemon } = await open();
    await create(wire, 2);
    const gone = wireInMemory(daemon);
    await gone.call('events/subscribe', { name: 'editor' });
    gone.close();
    await create(wire, 1);
    const again = await wire.call('events/subscribe', { name: 'editor' });
    expect(again.result).toMatchObject({ mode: 'resumed' });
    await wire.until('what it missed', () => wire.seqs.length === 1);
    expect(wire.seqs).toEqual([3]);
  });

  it('that was gone before its first snapshot was done is not resumed from behind it', async () => {
    const { wire, daemon } = await open({ retention: { ...keepAll, maxEvents: 1, maxLagEvents: 1 } });
    await create(wire, 5);
    const gone = wireInMemory(daemon);
    const started = await gone.call('events/subscribe', { name: 'editor', snapshot: 'always' });
    expect(started.result.mode).toBe('snapshot');
    gone.close();
    const again = await wire.call('events/subscribe', { name: 'editor' });
    expect(again.result).toMatchObject({ mode: 'snapshot', reason: 'CursorExpired' });
    const { cursor } = again.result;
    await wire.call('events/ack', { name: 'editor', cursor });
    expect((await wire.call('events/subscribe', { name: 'editor' })).result).toMatchObject({ mode: 'resumed', cursor });
  });

  it('may say where it begins, which is not an acknowledgement', async () => {
    const { wire } = await open();
    const cursors = await create(wire, 4);
    await wire.call('events/subscribe', { name: 'editor', from: cursors[2] });
    await wire.call('events/subscribe', { name: 'editor', from: cursors[0] });
    expect(await listed(wire)).toMatchObject([{ name: 'editor', cursor: cursors[2], lag: 1 }]);
    await wire.call('events/ack', { name: 'editor', cursor: cursors[3] });
    await wire.call('events/ack', { name: 'editor', cursor: cursors[1] });
    expect(await listed(wire)).toMatchObject([{ name: 'editor', cursor: cursors[3], lag: 0, connectionId: 'c1' }]);
  });

  it('keeps the furthest of acknowledgements that were sent at once', async () => {
    const { wire, daemon } = await open();
    const cursors = await create(wire, 3);
    await wire.call('events/subscribe', { name: 'editor', from: cursors[0] });
    wire.send(
      request('far', 'events/ack', { name: 'editor', cursor: cursors[2] }),
      request('near', 'events/ack', { name: 'editor', cursor: cursors[1] }),
    );
    expect((await wire.reply('near')).result).toEqual({ cursor: cursors[2] });
    await daemon.stop();
    const { wire: later } = await open();
    expect(await listed(later)).toMatchObject([{ cursor: cursors[2], connectionId: null }]);
  });

  it('is taken over by who names it last; the other is told and acknowledges no more', async () => {
    const { wire, daemon } = await open();
    const first = (await wire.call('events/subscribe', { name: 'editor' })).result.subscription;
    const other = wireInMemory(daemon);
    const second = (await other.call('events/subscribe', { name: 'editor' })).result.subscription;
    await wire.until('its end', () => ended(wire).length === 1);
    expect(ended(wire)).toEqual([{ subscription: first, reason: 'takenOver' }]);
    const [cursor] = await create(wire, 1);
    await other.until('the event', () => other.seqs.length === 1);
    expect(wire.seqs).toEqual([]);
    expect(await kindOf(wire, 'events/ack', { name: 'editor', cursor })).toBe('Forbidden');
    expect(await kindOf(other, 'events/ack', { name: 'editor', cursor })).toBeUndefined();
    // By the same connection too.
    await other.call('events/subscribe', { name: 'editor' });
    await other.until('its end', () => ended(other).length === 1);
    expect(ended(other)).toEqual([{ subscription: second, reason: 'takenOver' }]);
  });

  it('acknowledges only what it could resume from, and only by the name it holds', async () => {
    const { wire } = await open({ retention: { ...keepAll, maxEvents: 2, maxLagEvents: 2 } });
    const cursors = await create(wire, 5);
    await wire.call('events/subscribe', { name: 'editor' });
    const ack = (cursor: string, name = 'editor') => kindOf(wire, 'events/ack', { name, cursor });
    expect(await ack(cursors[0]!)).toBe('CursorExpired');
    expect(await ack(cursors[4]!.replace('.5.', '.9.'))).toBe('CursorInFuture');
    expect(await ack(`${cursors[4]}x`)).toBe('Diverged');
    expect(await ack(cursors[4]!.replace(/^[^.]+/, 'f'.repeat(16)))).toBe('StoreChanged');
    expect(await ack(cursors[4]!, 'nobody')).toBe('NotFound');
    expect((await wire.call('events/ack', { name: 'editor', cursor: 'nonsense' })).error!.code).toBe(-32602);
    expect(await ack(cursors[4]!)).toBeUndefined();
    const { subscription } = (await wire.call('events/subscribe', { name: 'editor' })).result;
    await wire.call('events/unsubscribe', { subscription });
    await wire.until('its end', () => ended(wire).length === 2);
    expect(await ack(cursors[4]!)).toBe('Forbidden');
  });

  it('is forgotten on request, and its subscription ends', async () => {
    const { wire } = await open();
    await wire.call('events/subscribe', { name: 'editor' });
    expect((await wire.call('subscriber/remove', { name: 'editor' })).result).toEqual({});
    await wire.until('its end', () => ended(wire).length === 1);
    expect(ended(wire)[0].reason).toBe('unsubscribed');
    expect(await listed(wire)).toEqual([]);
    expect(await kindOf(wire, 'subscriber/remove', { name: 'editor' })).toBe('NotFound');
  });

  it('is one of no more than the limit, and listed in pages', async () => {
    const { wire } = await open({ limits: { maxNames: 3 } });
    for (const name of ['c', 'a', 'b']) await wire.call('events/subscribe', { name });
    expect(await kindOf(wire, 'events/subscribe', { name: 'd' })).toBe('LimitExceeded');
    expect((await wire.call('daemon/status')).result.connections[0].subscriptions).toBe(3);
    const { items, nextPageToken } = (await wire.call('subscriber/list', { limit: 2 })).result;
    expect(items.map(({ name }: { name: string }) => name)).toEqual(['a', 'b']);
    const rest = (await wire.call('subscriber/list', { limit: 2, pageToken: nextPageToken })).result;
    expect(rest.items.map(({ name }: { name: string }) => name)).toEqual(['c']);
    expect(rest.nextPageToken).toBeUndefined();
  });
});

describe('retention', () => {
  it('keeps what a named subscriber has not acknowledged, up to maxLagEvents', async () => {
    const { wire } = await open({ retention: { ...keepAll, maxEvents: 2, maxLagEvents: 6 } });
    const [first] = await create(wire, 1);
    await wire.call('events/subscribe', { name: 'editor' });
    const earliest = async () => seqOf((await wire.call('daemon/status')).result.earliest);
    await create(wire, 5);
    expect(await earliest()).toBe(1);
    await create(wire, 5);
    expect(await earliest()).toBe(5);
    expect(await kindOf(wire, 'events/subscribe', { from: first, snapshot: 'never' })).toBe('CursorExpired');
    const { cursor } = (await wire.call('session/create', {})).result;
    await wire.call('events/ack', { name: 'editor', cursor });
    expect(await earliest()).toBe(10);
    await wire.call('subscriber/remove', { name: 'editor' });
    await create(wire, 5);
    expect(await earliest()).toBe(15);
  });

  it('removes a name that was not used for 30 days, and none that is held', async () => {
    const clock = { ahead: 0 };
    const quiet = { info() {}, warn() {}, error() {} };
    const real = systemRuntime(quiet);
    const runtime = { ...real, now: () => Date.now() + clock.ahead, monotonic: () => real.monotonic() + clock.ahead };
    const { wire, daemon } = await open({ runtime });
    const gone = wireInMemory(daemon);
    await gone.call('events/subscribe', { name: 'gone' });
    await wire.call('events/subscribe', { name: 'held' });
    const names = async () => (await listed(wire)).map(({ name }: { name: string }) => name);
    const untilListed = async (expected: string[]) => {
      while (JSON.stringify(await names()) !== JSON.stringify(expected)) await new Promise((r) => setImmediate(r));
    };
    const day = 24 * 3600_000;
    clock.ahead = 29 * day;
    // Held until a moment ago, it counts as used until then.
    const used = async () =>
      (await listed(wire)).every(({ usedAt }: { usedAt: number }) => usedAt > Date.now() + 28 * day);
    while (!(await used())) await new Promise((r) => setImmediate(r));
    gone.close();
    const isGone = async () => (await listed(wire))[0].connectionId === null;
    while (!(await isGone())) await new Promise((r) => setImmediate(r));
    clock.ahead = 58 * day;
    await untilListed(['gone', 'held']);
    clock.ahead = 60 * day;
    await untilListed(['held']);
  });
});

it('is not taken over by a connection that is gone when its turn comes', async () => {
  const { wire, daemon } = await open();
  const ghost = wireInMemory(daemon);
  ghost.send(request(1, 'session/create', {}), request(2, 'events/subscribe', { name: 'editor' }));
  ghost.close();
  const { result } = await wire.call('events/subscribe', { name: 'editor' });
  await wire.call('session/create', {});
  await wire.call('events/sync', { subscription: result.subscription });
  expect(await listed(wire)).toMatchObject([{ name: 'editor', connectionId: 'c1' }]);
  expect(ended(wire)).toEqual([]);
});

it('what one connection asks of a name happens in the order it was sent', async () => {
  const { wire } = await open();
  await wire.call('events/subscribe', { name: 'editor' });
  const [cursor] = await create(wire, 1);
  wire.send(
    request('ack', 'events/ack', { name: 'editor', cursor }),
    request('remove', 'subscriber/remove', { name: 'editor' }),
    request('again', 'events/subscribe', { name: 'editor' }),
  );
  expect((await wire.reply('ack')).result).toEqual({ cursor });
  expect((await wire.reply('again')).result.mode).toBe('live');
  expect(await listed(wire)).toMatchObject([{ name: 'editor', connectionId: 'c1' }]);
});

it('a name that can never be resumed from holds nothing back', async () => {
  const { wire } = await open({ retention: { ...keepAll, maxEvents: 2, maxLagEvents: 100 } });
  await create(wire, 10);
  const isCut = async () => (await wire.call('daemon/status')).result.events === 2;
  while (!(await isCut())) await new Promise((r) => setImmediate(r));
  await wire.call('events/subscribe', { name: 'editor', snapshot: 'always' });
  await create(wire, 10);
  expect(seqOf((await wire.call('daemon/status')).result.earliest)).toBe(18);
});
