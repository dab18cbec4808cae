// The order of a connection (PROTOCOL.md 1 and 5), pipelined: nothing here waits for one reply before it sends the next.
import { beforeEach, describe, expect, it } from 'vitest';
import { daemonInProcess, startDaemon, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import type { Message, Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

let home: Home;
beforeEach(() => {
  home = testHome();
});

const ways: [string, () => Promise<Wire>][] = [
  ['in memory', async () => wireInMemory(daemonInProcess(home).daemon)],
  [
    'over the socket',
    async () => {
      await startDaemon(home);
      return wireTo(home.paths.socket);
    },
  ],
];

/** The place of the first message that fits, among all that came. */
const placeOf = (wire: Wire, fits: (message: Message) => boolean) => wire.received.findIndex(fits);
const placeOfSeq = (wire: Wire, seq: number) =>
  placeOf(
    wire,
    ({ method, params }) => method === 'events/batch' && params.events.some((e: { seq: number }) => e.seq === seq),
  );

describe.each(ways)('%s', (_way, open) => {
  it('mutations apply in the order they were sent', async () => {
    const wire = await open();
    const titles = Array.from({ length: 200 }, (_, at) => `title ${at}`);
    wire.send(request('create', 'session/create', { sessionId: 'ses_1' }));
    wire.send(...titles.map((title, at) => request(at, 'session/update', { sessionId: 'ses_1', title })));
    await wire.reply(199);
    const seqs = titles.map((_, at) => wire.received.find((message) => message.id === at)!.result.seq);
    expect(seqs).toEqual(titles.map((_, at) => at + 2));
    expect((await wire.call('session/get', { sessionId: 'ses_1' })).result.session.title).toBe('title 199');
  });

  it('mutations of all kinds share one order: direct calls, ops/append, notifications and batches', async () => {
    const wire = await open();
    const update = (title: string) => ({ sessionId: 'ses_1', title });
    const op = (opId: string) => ({ opId, type: 'session/update', params: update(opId) });
    wire.send(
      request(1, 'session/create', { sessionId: 'ses_1' }),
      request(2, 'ops/append', { ops: [op('a'), op('b')] }),
      { jsonrpc: '2.0', method: 'session/update', params: update('notified') },
      [request(3, 'session/update', update('batched')), request(4, 'ops/append', { ops: [op('c')], atomic: true })],
      request(5, 'events/read', { after: await startOf(wire) }),
    );
    const { result } = await wire.reply(5);
    expect(result.events.map((event: { data: { title: string } }) => event.data.title)).toEqual([
      null,
      'a',
      'b',
      'notified',
      'batched',
      'c',
    ]);
  });

  it('a read observes every mutation sent before it, and none sent after it', async () => {
    const wire = await open();
    wire.send(request('create', 'session/create', { sessionId: 'ses_1' }));
    for (let at = 0; at < 100; at++) {
      wire.send(
        request(`update ${at}`, 'session/update', { sessionId: 'ses_1', title: `${at}` }),
        request(`get ${at}`, 'session/get', { sessionId: 'ses_1' }),
      );
    }
    await wire.reply('get 99');
    for (let at = 0; at < 100; at++) {
      expect(Number((await wire.reply(`get ${at}`)).result.session.title)).toBeGreaterThanOrEqual(at);
    }
  });

  it('a read observes what was acknowledged on another connection before it was sent', async () => {
    const first = await open();
    const second = _way === 'in memory' ? first : await wireTo(home.paths.socket);
    for (let at = 0; at < 20; at++) {
      const { result } = await first.call('session/create', { title: `${at}` });
      const got = await second.call('session/get', { sessionId: result.ids.sessionId });
      expect(got.result.session.title).toBe(`${at}`);
    }
  });

  it("a mutation's reply precedes its events on that connection", async () => {
    const wire = await open();
    await wire.call('events/subscribe', { from: 'start', maxBatch: 1 });
    wire.send(...Array.from({ length: 300 }, (_, at) => request(at, 'session/create', {})));
    await wire.until('all events', () => wire.seqs.length === 300, 5_000);
    for (let at = 0; at < 300; at++) {
      const reply = placeOf(wire, (message) => message.id === at);
      expect(reply).toBeGreaterThan(-1);
      expect(reply).toBeLessThan(placeOfSeq(wire, wire.received[reply]!.result.seq));
    }
  });

  it("a batch's reply precedes the events of its mutations", async () => {
    const wire = await open();
    await wire.call('events/subscribe', { from: 'start' });
    for (let round = 0; round < 20; round++) {
      wire.send(
        [request(1, 'session/create', {}), request(2, 'session/list', {}), request(3, 'session/create', {})],
        request(`alone ${round}`, 'session/create', {}),
      );
    }
    await wire.until('all events', () => wire.seqs.length === 60);
    for (const [place, message] of wire.received.entries()) {
      if (!Array.isArray(message)) continue;
      for (const { result } of message.filter((each) => each.result.seq !== undefined)) {
        expect(place).toBeLessThan(placeOfSeq(wire, result.seq));
      }
    }
    expect(wire.seqs).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
  });

  it("a subscribe's response precedes its notifications", async () => {
    const wire = await open();
    wire.send(
      request(1, 'session/create', {}),
      request(2, 'events/subscribe', { from: 'start' }),
      request(3, 'session/create', {}),
      request(4, 'events/subscribe', { from: 'start', maxBatch: 1 }),
    );
    await wire.until('both to have all', () => wire.seqs.length === 4);
    for (const id of [2, 4]) {
      const place = placeOf(wire, (message) => message.id === id);
      const { subscription } = wire.received[place]!.result;
      expect(placeOf(wire, (message) => message.params?.subscription === subscription)).toBeGreaterThan(place);
    }
  });

  it("in a batch, the notifications of a subscription come after the batch's reply", async () => {
    const wire = await open();
    wire.send(request(0, 'session/create', {}));
    wire.send([
      request(1, 'events/subscribe', { from: 'start' }),
      request(2, 'session/create', {}),
      request(3, 'events/subscribe', { from: 'start' }),
    ]);
    await wire.until('both to have all', () => wire.seqs.length === 4);
    const batch = placeOf(wire, (message) => Array.isArray(message));
    expect(batch).toBeGreaterThan(-1);
    expect(batch).toBeLessThan(placeOf(wire, (message) => message.method !== undefined));
  });

  it('events/sync is a fence: its reply stands behind all events up to the head of that moment', async () => {
    const wire = await open();
    const { subscription } = (await wire.call('events/subscribe', { from: 'start', maxBatch: 3 })).result;
    for (let round = 1; round <= 30; round++) {
      wire.send(
        ...Array.from({ length: 10 }, () => request(null, 'session/create', {})),
        request(`sync ${round}`, 'events/sync', { subscription }),
      );
    }
    await wire.reply('sync 30');
    for (let round = 1; round <= 30; round++) {
      const place = placeOf(wire, (message) => message.id === `sync ${round}`);
      expect(place, `sync ${round}`).toBeGreaterThan(placeOfSeq(wire, round * 10));
      expect(Number(wire.received[place]!.result.cursor.split('.')[1])).toBeGreaterThanOrEqual(round * 10);
    }
  });

  it('events/sync answers at once where nothing is left to send, and in a batch behind a mutation', async () => {
    const wire = await open();
    const { subscription } = (await wire.call('events/subscribe', {})).result;
    const first = await wire.call('events/sync', { subscription });
    expect(first.result.cursor).toMatch(/\.0\./);
    wire.send([request(1, 'session/create', {}), request(2, 'events/sync', { subscription })]);
    await wire.until('the answer', () => wire.received.some((message) => Array.isArray(message)));
    expect(wire.seqs).toEqual([1]);
  });

  it('events/sync of a subscription that the same batch asks for, its id guessed, is refused and does not wait for ever', async () => {
    const wire = await open();
    await wire.call('session/create', {});
    wire.send([
      request(1, 'events/subscribe', { from: 'start' }),
      ...[1, 2, 3].map((at) => request(at + 1, 'events/sync', { subscription: `sub_${at}` })),
    ]);
    await wire.until('the answer', () => wire.received.some((message) => Array.isArray(message)));
    const answers = wire.received.find((message) => Array.isArray(message)) as unknown as Message[];
    expect(answers.map(({ id, result, error }) => [id, result?.mode ?? error!.data.kind])).toEqual([
      ...[[1, 'resumed'], ...[2, 3, 4].map((id) => [id, 'NotFound'])],
    ]);
    await wire.until('the event', () => wire.seqs.length === 1);
  });

  it('prev and cursor of the notifications form one chain from the response on', async () => {
    const wire = await open();
    wire.send(...Array.from({ length: 50 }, () => request(null, 'session/create', {})));
    const { cursor } = (await wire.call('events/subscribe', { from: 'start', maxBatch: 7 })).result;
    wire.send(...Array.from({ length: 50 }, () => request(null, 'session/create', {})));
    await wire.until('all events', () => wire.seqs.length === 100, 5_000);
    let told = cursor;
    for (const { params } of wire.notifications()) {
      expect(params.prev).toBe(told);
      told = params.cursor;
    }
    expect(wire.notifications('events/caughtUp')).toHaveLength(1);
  });
});

async function startOf(wire: Wire): Promise<string> {
  return (await wire.call('daemon/status')).result.earliest;
}
