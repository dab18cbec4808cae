// What waits on a connection ends with it (PROTOCOL.md 1; P18): events/read, events/sync, subscriptions.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Limits } from '../../daemon/serve/limits.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

const inMemory = (limits: Partial<Limits> = {}) => {
  const { daemon } = daemonInProcess(home, { limits });
  return { daemon, wire: wireInMemory(daemon) };
};
const onSocket = async (limits: Partial<Limits> = {}) => {
  const { daemon } = daemonInProcess(home, { limits });
  await daemon.start();
  return { daemon, wire: await wireTo(home.paths.socket) };
};

/** Asks until only the asking connection is left. In memory all is answered in one turn of the loop: sockets get theirs. */
async function aloneAgain(observer: Wire): Promise<void> {
  let last: unknown;
  const ask = async () => {
    do {
      await new Promise((resolve) => setImmediate(resolve));
      last = (await observer.call('daemon/status')).result.connections;
    } while ((last as unknown[]).length > 1);
  };
  await within('the other connections to be gone', ask(), () => last, 5_000);
}

async function headOf(wire: Wire): Promise<string> {
  return (await wire.call('daemon/status')).result.head;
}

describe('events/read', () => {
  it('waits for the first event and answers with it', async () => {
    const { wire, daemon } = inMemory();
    wire.send(request('read', 'events/read', { after: await headOf(wire), waitMs: 60_000 }));
    await wireInMemory(daemon).call('session/create', { sessionId: 'ses_1' });
    const { result } = await wire.reply('read');
    expect(result).toMatchObject({ events: [{ type: 'session/created' }], more: false });
    const next = await wire.call('events/read', { after: result.cursor });
    expect(next.result).toEqual({ events: [], cursor: result.cursor, more: false });
  });

  it('goes on waiting past events that do not match, and tells how far it looked at the time-out', async () => {
    const { wire } = inMemory();
    const after = await headOf(wire);
    wire.send(request('read', 'events/read', { after, filter: { types: ['artifact/*'] }, waitMs: 300 }));
    await wire.call('session/create', {});
    expect(wire.received.some((message) => message.id === 'read')).toBe(false);
    const { result } = await wire.reply('read');
    expect(result).toEqual({ events: [], cursor: await headOf(wire), more: false });
  });

  it('answers at once where waitMs is 0 or left out, and refuses more than 60,000', async () => {
    const { wire } = inMemory();
    const after = await headOf(wire);
    expect((await wire.call('events/read', { after })).result.events).toEqual([]);
    expect((await wire.call('events/read', { after, waitMs: 0 })).result.events).toEqual([]);
    expect((await wire.call('events/read', { after, waitMs: 60_001 })).error?.code).toBe(-32602);
  });

  it('tells by more that there is more, page by page, none missing and none twice', async () => {
    const { wire } = inMemory();
    let after = await headOf(wire);
    for (let at = 0; at < 25; at++) wire.send(request(at, 'session/create', {}));
    const seqs: number[] = [];
    for (let more = true; more; ) {
      const { result } = await wire.call('events/read', { after, limit: 10 });
      seqs.push(...result.events.map((event: { seq: number }) => event.seq));
      ({ cursor: after, more } = result);
    }
    expect(seqs).toEqual(Array.from({ length: 25 }, (_, at) => at + 1));
  });

  it('does not hold up the other calls of its connection', async () => {
    const { wire } = inMemory();
    wire.send(
      request('read', 'events/read', { after: await headOf(wire), filter: { types: ['part/*'] }, waitMs: 60_000 }),
    );
    expect((await wire.call('session/create', {})).result.seq).toBe(1);
  });
});

describe('[P18] a connection that closes', () => {
  it.each(['destroy', 'end'] as const)('ends its waits and subscriptions, by %s of its socket', async (how) => {
    const { wire, daemon } = await onSocket();
    const observer = wireInMemory(daemon);
    const { subscription } = (await wire.call('events/subscribe', {})).result;
    await wire.call('events/subscribe', { from: 'start' });
    wire.send(request(null, 'events/read', { after: await headOf(wire), waitMs: 60_000 }));
    wire.send(request(null, 'events/sync', { subscription }));
    const { connections } = (await observer.call('daemon/status')).result;
    expect(connections.map((each: { subscriptions: number }) => each.subscriptions).sort()).toEqual([0, 2]);
    wire.socket![how]();
    await aloneAgain(observer);
  });

  it('is noticed also where all of its calls under way wait, up to the limit of those', async () => {
    const { wire, daemon } = await onSocket({ maxInFlight: 1 });
    const observer = wireInMemory(daemon);
    const after = await headOf(wire);
    for (let at = 0; at < 3; at++) wire.send(request(null, 'events/read', { after, waitMs: 60_000 }));
    expect((await observer.call('daemon/status')).result.connections).toHaveLength(2);
    wire.socket!.destroy();
    await aloneAgain(observer);
  });

  it('may not hold more waits than its limit: the next one is refused, and other calls go on', async () => {
    const { wire } = inMemory({ maxInFlight: 2 });
    const after = await headOf(wire);
    for (let at = 0; at < 3; at++) wire.send(request(`read ${at}`, 'events/read', { after, waitMs: 60_000 }));
    expect((await wire.reply('read 2')).error).toMatchObject({ data: { kind: 'LimitExceeded', limit: 2 } });
    expect((await wire.call('session/create', {})).result.seq).toBe(1);
    await Promise.all([wire.reply('read 0'), wire.reply('read 1')]);
  });

  it('still gets the replies that it half-closed for, although a batch of its waits', async () => {
    const { wire } = await onSocket();
    const after = await headOf(wire);
    const wait = (id: number) => request(id, 'events/read', { after, filter: { types: ['part/*'] }, waitMs: 60_000 });
    wire.send([wait(1), wait(2), wait(3)], request('create', 'session/create', {}));
    wire.socket!.end();
    expect((await wire.reply('create')).result.seq).toBe(1);
    await within('the end', wire.closed, () => '', 5_000);
  });

  it('ends its subscription although it was told nothing in the midst of a replay', async () => {
    const { wire, daemon } = await onSocket();
    const observer = wireInMemory(daemon);
    for (let at = 0; at < 200; at++) observer.send(request(at, 'session/create', { title: 'x'.repeat(10_000) }));
    await observer.reply(199);
    await wire.call('events/subscribe', { from: 'start' });
    wire.socket!.pause();
    wire.socket!.destroy();
    await aloneAgain(observer);
  });
});

describe('events/unsubscribe', () => {
  it('ends the subscription and tells so; its id is then NotFound', async () => {
    const { wire } = inMemory();
    const { subscription } = (await wire.call('events/subscribe', {})).result;
    expect((await wire.call('events/unsubscribe', { subscription })).result).toEqual({});
    await wire.until('the end', () => wire.notifications('events/ended').length === 1);
    expect(wire.notifications('events/ended')[0]!.params).toEqual({ subscription, reason: 'unsubscribed' });
    await wire.call('session/create', {});
    expect(wire.seqs).toEqual([]);
    for (const method of ['events/unsubscribe', 'events/sync']) {
      expect((await wire.call(method, { subscription })).error).toMatchObject({
        data: { kind: 'NotFound', id: subscription },
      });
    }
  });

  it('does not reach the subscriptions of another connection', async () => {
    const { wire, daemon } = inMemory();
    const { subscription } = (await wire.call('events/subscribe', {})).result;
    const other = wireInMemory(daemon);
    expect((await other.call('events/unsubscribe', { subscription })).error?.data.kind).toBe('NotFound');
  });

  it('takes as many subscriptions as the limit, and another after one has ended', async () => {
    const { wire } = inMemory({ maxSubscriptions: 1 });
    const { subscription } = (await wire.call('events/subscribe', {})).result;
    expect((await wire.call('events/subscribe', {})).error).toMatchObject({
      data: { kind: 'LimitExceeded', limit: 1 },
    });
    await wire.call('events/unsubscribe', { subscription });
    await wire.until('the end', () => wire.notifications('events/ended').length === 1);
    expect((await wire.call('events/subscribe', {})).result.mode).toBe('live');
  });
});

describe('a daemon that stops', () => {
  it('ends subscriptions by shuttingDown, answers what it took, and closes', async () => {
    const { wire, daemon } = await onSocket();
    await wire.call('events/subscribe', {});
    wire.send(request(1, 'session/create', {}), request(2, 'daemon/shutdown', {}));
    expect((await wire.reply(2)).result).toEqual({});
    expect((await wire.reply(1)).result.seq).toBe(1);
    await within('the end', wire.closed);
    expect(wire.notifications('events/ended')).toMatchObject([{ params: { reason: 'shuttingDown' } }]);
    expect(await within('the daemon', daemon.ended)).toEqual({ kind: 'stopped' });
  });
});
