// A connection that lasts, against a daemon that is played by hand and a clock that is advanced by hand: when it tries again, what
// it tells, how it goes on.
import { describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../protocol/connection-state.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { News } from '../../protocol/lasting-subscription.ts';
import { methods } from '../../protocol/methods.ts';
import { DisconnectedError, repeatable } from '../../protocol/reconnect.ts';
import { within } from '../support/deadline.ts';
import { turns } from '../support/hand-clock.ts';
import { PlayedDaemon } from '../support/played-daemon.ts';

const failed = (promise: Promise<unknown>) =>
  within(
    'a rejection',
    promise.then(
      () => expect.unreachable(),
      (error: unknown) => error,
    ),
  );
const event = (seq: number, type = 'x/y') => ({
  seq,
  sessionId: 'ses_1',
  version: seq,
  type,
  at: 1,
  actorId: 'a',
  opId: `op${seq}`,
  data: {},
});
const seqsOf = (news: News[]) =>
  news.flatMap((each) => (each.type === 'events/batch' ? each.params.events.map(({ seq }) => seq) : []));

/** The waits before the tries that follow, where nobody listens. */
async function waitsOf(daemon: PlayedDaemon, states: ConnectionState[], tries: number): Promise<number[]> {
  const waits: number[] = [];
  for (let at = 0; at < tries; at += 1) {
    await turns();
    const state = states.at(-1)!;
    if (state.is !== 'offline' || state.nextTryAt === null) break;
    waits.push(state.nextTryAt - daemon.clock.now());
    await daemon.clock.advance(waits.at(-1)!);
  }
  return waits;
}

function nobody(options: object = {}, chance = 0.5) {
  const daemon = new PlayedDaemon();
  daemon.refusal = new Error('nobody listens');
  daemon.clock.chance = chance;
  const states: ConnectionState[] = [];
  const connection = daemon.connect(options);
  connection.onState((state) => states.push(state));
  return { daemon, connection, states };
}

describe('[P20] reconnect', () => {
  it('waits 100 ms, then twice as much each time, up to 10 s, each times what chance gives (full jitter)', async () => {
    const { daemon, states } = nobody();
    expect(await waitsOf(daemon, states, 9)).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(daemon.dials).toBe(10);
  });

  it('baseMs is the first wait, maxMs the longest', async () => {
    const { daemon, states } = nobody({ reconnect: { baseMs: 7, maxMs: 20, jitter: 0 } });
    expect(await waitsOf(daemon, states, 4)).toEqual([7, 14, 20, 20]);
  });

  it.each([
    [0, 0.25, 1000],
    [0.5, 0.25, 625],
    [1, 0.25, 250],
    [1, 0.75, 750],
  ])('jitter %d leaves of 1000 ms, where chance gives %d, %d ms', async (jitter, chance, wait) => {
    const { daemon, states } = nobody({ reconnect: { baseMs: 1000, jitter } }, chance);
    expect(await waitsOf(daemon, states, 1)).toEqual([wait]);
  });

  it.each([0, 1, 3])(
    'maxAttempts %d: so many tries more, then it is given up with the last error',
    async (maxAttempts) => {
      const { daemon, connection, states } = nobody({ reconnect: { maxAttempts } });
      expect(await waitsOf(daemon, states, 10)).toHaveLength(maxAttempts);
      expect(await within('the end', connection.closed)).toBe(daemon.refusal);
      expect(daemon.dials).toBe(maxAttempts + 1);
      expect(connection.state).toMatchObject({ is: 'offline', nextTryAt: null, error: daemon.refusal });
      expect(daemon.clock.pending).toBe(0);
    },
  );

  it('a connection that lasted maxMs begins the waits anew, a shorter one does not', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ reconnect: { baseMs: 100, maxMs: 1000, jitter: 0 } });
    const waits: number[] = [];
    for (const lastsMs of [0, 0, 1000, 0]) {
      const played = await daemon.greeted();
      await turns();
      await daemon.clock.advance(lastsMs);
      played.cut();
      await turns();
      const state = connection.state as ConnectionState & { is: 'offline' };
      waits.push(state.nextTryAt! - daemon.clock.now());
      await daemon.clock.advance(waits.at(-1)!);
    }
    expect(waits).toEqual([100, 200, 100, 200]);
  });

  it.each([{ baseMs: -1 }, { baseMs: 10, maxMs: 5 }, { jitter: 1.1 }, { jitter: Number.NaN }, { maxAttempts: -1 }])(
    'options that make no sense are refused at once: %j',
    (reconnect) => {
      expect(() => new PlayedDaemon().connect({ reconnect })).toThrow(RangeError);
    },
  );

  it('waits at least as long as a busy daemon asks for', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ reconnect: { jitter: 0 } });
    const played = await daemon.accept();
    await played.refuse(await played.next('initialize'), 'Overloaded', { retryAfterMs: 5_000 });
    await turns();
    expect(connection.state).toMatchObject({ is: 'offline', nextTryAt: daemon.clock.now() + 5_100 });
  });

  it('a try that is not answered ends after connectTimeoutMs, and the next one follows', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ connectTimeoutMs: 700, reconnect: { baseMs: 0 } });
    const silent = await daemon.accept();
    await silent.next('initialize');
    await daemon.clock.advance(699);
    expect(connection.state.is).toBe('connecting');
    await daemon.clock.advance(1);
    expect(silent.isClosed).toBe(true);
    await daemon.greeted();
    await turns();
    expect(connection.state.is).toBe('live');
  });
});

describe('who it is', () => {
  it('says its name and its token on each connection', async () => {
    const daemon = new PlayedDaemon();
    daemon.connect({ client: { name: 'me', version: '7' }, token: 'secret', reconnect: { baseMs: 0 } });
    const first = await daemon.accept();
    const said = { protocolVersion: 1, client: { name: 'me', version: '7' }, token: 'secret' };
    expect((await first.greet()).params).toEqual(said);
    first.cut();
    await turns();
    await daemon.clock.advance(1);
    expect((await (await daemon.accept()).greet()).params).toEqual(said);
  });

  it.each(['Unauthorized', 'UnsupportedVersion'])('%s ends the reconnecting, and all that waits', async (kind) => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ token: 'old' });
    const call = failed(connection.call('ping', {}));
    const subscription = failed(connection.subscribe({}, () => {}));
    const appended = failed(connection.append({ type: 'session/create', params: {} }));
    const played = await daemon.accept();
    await played.refuse(await played.next('initialize'), kind, { reason: 'revoked' });
    expect(await within('the end', connection.closed)).toMatchObject({ name: 'RpcError', kind });
    expect(await call).toMatchObject({ name: 'DisconnectedError', mayResend: true });
    expect(await subscription).toMatchObject({ kind });
    expect(await appended).toMatchObject({ name: 'UnacknowledgedError', isKept: false });
    expect(connection.state).toMatchObject({ is: 'offline', nextTryAt: null });
    expect([daemon.dials, daemon.clock.pending]).toEqual([1, 0]);
    expect(await failed(connection.subscribe({}, () => {}))).toBeInstanceOf(DisconnectedError);
  });

  it('a capability that is revoked while it is connected is found out by connecting once more', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ token: 'old', reconnect: { baseMs: 0 } });
    const started = connection.subscribe({}, () => {});
    const first = await daemon.greeted();
    const { tell } = await first.subscribed({ mode: 'live', cursor: 's.1.a', head: 's.1.a' });
    const { lasting } = await started;
    await tell('ended', { reason: 'revoked' });
    await first.refuse(await first.next('events/subscribe'), 'Unauthorized', { reason: 'revoked' });
    await turns();
    await daemon.clock.advance(1);
    const second = await daemon.accept();
    await second.refuse(await second.next('initialize'), 'Unauthorized', { reason: 'revoked' });
    expect(await within('the end', connection.closed)).toMatchObject({ kind: 'Unauthorized' });
    expect(await lasting.ended).toMatchObject({ reason: 'offline', error: { kind: 'Unauthorized' } });
  });
});

describe('state', () => {
  it('tells connecting, catchingUp with how far it is behind, live, and offline with when the next try is', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ reconnect: { jitter: 0 } });
    const states: ConnectionState[] = [connection.state];
    connection.onState((state) => states.push(state));
    const started = connection.subscribe({ from: 's.3.a' }, () => {});
    const since = daemon.clock.now();
    await daemon.clock.advance(10);
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'resumed', cursor: 's.3.a', head: 's.9.a' });
    await started;
    await daemon.clock.advance(5);
    await tell('batch', { prev: 's.3.a', cursor: 's.5.a', events: [event(4), event(5)] });
    await tell('batch', { prev: 's.5.a', cursor: 's.9.a', events: [event(9)] });
    await tell('caughtUp', { prev: 's.9.a', cursor: 's.9.a' });
    await turns();
    await daemon.clock.advance(7);
    played.cut();
    await turns();
    const lost = daemon.clock.now();
    expect(states.filter((state, at) => JSON.stringify(state) !== JSON.stringify(states[at - 1]))).toEqual([
      { is: 'connecting', since, attempt: 0 },
      { is: 'catchingUp', since: since + 10, behind: 0 },
      { is: 'catchingUp', since: since + 10, behind: 6 },
      { is: 'catchingUp', since: since + 10, behind: 4 },
      { is: 'catchingUp', since: since + 10, behind: 0 },
      { is: 'live', since: since + 15, behind: 0 },
      { is: 'offline', since: lost, nextTryAt: lost + 100, attempt: 1, error: expect.any(Error) },
    ]);
    await daemon.clock.advance(100);
    expect(connection.state).toEqual({ is: 'connecting', since: lost, attempt: 1 });
  });

  it('without subscriptions it is live as soon as the daemon has answered', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect();
    expect(connection.server).toBeUndefined();
    await daemon.greeted();
    await turns();
    expect(connection.state.is).toBe('live');
    expect(connection.server).toMatchObject({ storeId: 's' });
  });
});

describe('a silent connection', () => {
  it('is left after 3 bookmarks without a word, having been asked for one, and made anew', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ bookmarkMs: 1000, reconnect: { baseMs: 0 } });
    const played = await daemon.greeted();
    await turns();
    await daemon.clock.advance(2999);
    expect(connection.state.is).toBe('live');
    expect(played.isClosed).toBe(false);
    await daemon.clock.advance(1);
    expect(played.isClosed).toBe(true);
    await daemon.greeted();
    await turns();
    expect(connection.state.is).toBe('live');
  });

  it('is not left while it answers pings, and asks for bookmarks where it is subscribed', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ bookmarkMs: 1000 });
    const played = await daemon.greeted();
    await turns();
    for (let at = 0; at < 10; at += 1) {
      await daemon.clock.advance(1000);
      await played.answer(await played.next('ping'), {});
      await turns();
    }
    expect(connection.state.is).toBe('live');
    expect(daemon.dials).toBe(1);
    const started = connection.subscribe({}, () => {});
    const { params } = await played.subscribed({ mode: 'live', cursor: 's.1.a', head: 's.1.a' });
    await started;
    expect(params).toEqual({ bookmarkMs: 1000 });
  });

  it('is not left while it is our own listener that is slow', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ bookmarkMs: 1000 });
    let done!: () => void;
    const busy = new Promise<void>((resolve) => {
      done = resolve;
    });
    const started = connection.subscribe({}, ({ type }) => (type === 'events/caughtUp' ? busy : undefined));
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'live', cursor: 's.1.a', head: 's.1.a' });
    await started;
    await tell('caughtUp', { prev: 's.1.a', cursor: 's.1.a' });
    await turns();
    await daemon.clock.advance(60_000);
    expect(played.isClosed).toBe(false);
    done();
    await turns();
    expect(connection.state.is).toBe('live');
  });
});

describe('calls', () => {
  it('made while it connects wait for that try; made while it is offline they are rejected at once', async () => {
    const daemon = new PlayedDaemon();
    daemon.refusal = new Error('nobody listens');
    const connection = daemon.connect({ reconnect: { jitter: 0 } });
    expect(await failed(connection.call('ping', {}))).toMatchObject({ name: 'DisconnectedError', mayResend: true });
    expect(await failed(connection.call('ping', {}))).toMatchObject({ mayResend: true });
    daemon.refusal = undefined;
    await daemon.clock.advance(100);
    const call = connection.call('ping', {});
    const played = await daemon.greeted();
    await played.answer(await played.next('ping'), {});
    expect(await within('the reply', call)).toEqual({});
  });

  it.each([
    ['session/list', {}, true],
    ['message/put', { sessionId: 'ses_1', role: 'user', opId: 'mine' }, true],
    ['message/put', { sessionId: 'ses_1', role: 'user' }, false],
    ['ops/append', { ops: [] }, true],
    ['session/fork', { sessionId: 'ses_1', opId: 'mine' }, true],
    ['capability/grant', { label: 'x' }, false],
    ['unheard/of', {}, false],
  ])('%s with %j under way when the connection goes may be sent again: %s', async (method, params, mayResend) => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect();
    const call = failed(connection.callRaw(method, params));
    const played = await daemon.greeted();
    await played.next(method);
    played.cut();
    const error = await call;
    expect(error).toBeInstanceOf(DisconnectedError);
    expect(error).toMatchObject({ mayResend });
  });

  it('what is said to be repeatable changes nothing by the method table, or the same thing', () => {
    const changing = repeatable.filter((method) => !['open', 'read'].includes(methods[method].kind));
    expect(changing).toEqual(['ops/append', 'events/ack']);
    const harmful = repeatable.filter((method) => methods[method].right === ('admin' as string));
    expect(harmful.filter((method) => !method.endsWith('/list') && method !== 'capability/audit')).toEqual([]);
  });

  it('refusals come as they are', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect();
    const call = failed(connection.call('ping', {}));
    const played = await daemon.greeted();
    await played.refuse(await played.next('ping'), 'Overloaded', { retryAfterMs: 5 });
    expect(await call).toBeInstanceOf(RpcError);
  });
});

describe('close', () => {
  it('leaves nothing: no timer, no connection, no wait', async () => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ bookmarkMs: 1000 });
    const started = connection.subscribe({}, () => expect.unreachable());
    const view = connection.view();
    const played = await daemon.greeted();
    await turns();
    const call = failed(connection.call('ping', {}));
    const states: ConnectionState[] = [];
    connection.onState((state) => states.push(state));
    await within('close', connection.close());
    expect(await within('the end', connection.closed)).toBeUndefined();
    expect(await call).toBeInstanceOf(DisconnectedError);
    expect(await failed(started)).toBeInstanceOf(Error);
    expect(await failed(view.ready)).toBeInstanceOf(Error);
    expect(played.isClosed).toBe(true);
    expect(daemon.clock.pending).toBe(0);
    expect(states).toEqual([{ is: 'offline', since: daemon.clock.now(), nextTryAt: null, attempt: 0 }]);
    await daemon.clock.advance(100_000);
    expect(daemon.dials).toBe(1);
    expect(await failed(connection.call('ping', {}))).toBeInstanceOf(DisconnectedError);
    await connection.close();
  });

  it('ends the wait for the next try, and a try that hangs', async () => {
    const { daemon, connection } = nobody();
    await turns();
    await within('close', connection.close());
    expect(daemon.clock.pending).toBe(0);
    const hanging = new PlayedDaemon();
    const other = hanging.connect();
    const played = await hanging.accept();
    await played.next('initialize');
    await within('close', other.close());
    expect([played.isClosed, hanging.clock.pending]).toEqual([true, 0]);
  });
});

describe('a subscription over several connections', () => {
  const setUp = async (params: object = { from: 's.0.a' }) => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({ reconnect: { baseMs: 0 } });
    const news: News[] = [];
    const resets: string[] = [];
    connection.onReset(({ reason }) => resets.push(reason));
    const started = connection.subscribe(params, (each) => void news.push(each));
    const again = async () => {
      await turns();
      await daemon.clock.advance(0);
      return daemon.greeted();
    };
    return { daemon, connection, news, resets, started, again };
  };

  it('[P35] goes on from its last cursor; resumed, it asks for nothing more, and onReset stays silent', async () => {
    const { daemon, news, resets, started, again } = await setUp({ from: 's.0.a', filter: { types: ['x/*'] } });
    const first = await daemon.greeted();
    const one = await first.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.2.b' });
    const { lasting } = await started;
    await one.tell('batch', { prev: 's.0.a', cursor: 's.1.a', events: [event(1)] });
    await one.tell('bookmark', { prev: 's.1.a', cursor: 's.2.b', head: 's.2.b' });
    first.cut();
    const second = await again();
    const two = await second.subscribed({ mode: 'resumed', cursor: 's.2.b', head: 's.3.a' });
    expect(two.params).toEqual({ bookmarkMs: 15_000, from: 's.2.b', snapshot: 'onGap', filter: { types: ['x/*'] } });
    await two.tell('batch', { prev: 's.2.b', cursor: 's.3.a', events: [event(3)] });
    await two.tell('caughtUp', { prev: 's.3.a', cursor: 's.3.a' });
    await turns();
    expect(seqsOf(news)).toEqual([1, 3]);
    expect(lasting.cursor).toBe('s.3.a');
    expect(news.flatMap((each) => (each.type === 'started' ? [each.params.mode] : []))).toEqual(['resumed', 'resumed']);
    expect(resets).toEqual([]);
    expect(daemon.methods).toEqual(['initialize', 'events/subscribe', 'initialize', 'events/subscribe']);
  });

  it.each(['CursorExpired', 'StoreChanged', 'CursorInFuture', 'Diverged'])(
    'is sent the state after %s, and onReset is told so, once, also where the state is cut off',
    async (reason) => {
      const { daemon, news, resets, started, again } = await setUp();
      const first = await daemon.greeted();
      const one = await first.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.5.a' });
      await started;
      await one.tell('batch', { prev: 's.0.a', cursor: 's.5.a', events: [event(5)] });
      first.cut();
      const second = await again();
      const two = await second.subscribed({ mode: 'snapshot', reason, cursor: 't.2.a', head: 't.2.a' });
      expect(two.params).toMatchObject({ from: 's.5.a', snapshot: 'onGap' });
      await two.tell('snapshot', { items: [], done: false });
      await turns();
      second.cut();
      const third = await again();
      const three = await third.subscribed({ mode: 'snapshot', reason: 'always', cursor: 't.3.a', head: 't.3.a' });
      // What was told before it was cut off is worth nothing: it is asked for from its beginning.
      expect(three.params).toMatchObject({ snapshot: 'always', from: 'now' });
      await three.tell('snapshot', { items: [], done: true, cursor: 't.3.a' });
      // Of another store: its seqs are others.
      await three.tell('batch', { prev: 't.3.a', cursor: 't.4.a', events: [event(4)] });
      await turns();
      expect(resets).toEqual([reason]);
      expect(seqsOf(news)).toEqual([5, 4]);
      third.cut();
      const fourth = await again();
      expect((await fourth.subscribed({ mode: 'resumed', cursor: 't.4.a', head: 't.4.a' })).params).toMatchObject({
        from: 't.4.a',
        snapshot: 'onGap',
      });
    },
  );

  it('tells onReset too when retention passes it while it is connected', async () => {
    const { daemon, resets, started } = await setUp();
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.1.a' });
    const { lasting } = await started;
    await tell('reset', { reason: 'CursorExpired', earliest: 's.5.a', head: 's.9.a' });
    await tell('snapshot', { items: [], done: true, cursor: 's.9.a' });
    await tell('caughtUp', { prev: 's.9.a', cursor: 's.9.a' });
    await turns();
    expect(resets).toEqual(['CursorExpired']);
    expect([lasting.cursor, lasting.isCaughtUp]).toEqual(['s.9.a', true]);
  });

  it('hands on each event of an op in pieces once, when it is cut between them', async () => {
    const { daemon, news, started, again } = await setUp();
    const first = await daemon.greeted();
    const one = await first.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.4.a' });
    await started;
    await one.tell('batch', { prev: 's.0.a', events: [event(1), event(2)], more: true });
    await turns();
    first.cut();
    const second = await again();
    const two = await second.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.4.a' });
    expect(two.params.from).toBe('s.0.a');
    await two.tell('batch', { prev: 's.0.a', events: [event(1)], more: true });
    await two.tell('batch', { prev: 's.0.a', events: [event(2), event(3)], more: true });
    await two.tell('batch', { prev: 's.0.a', cursor: 's.4.a', events: [event(4)] });
    await turns();
    expect(seqsOf(news)).toEqual([1, 2, 3, 4]);
  });

  it('leaves a connection on which something is missing, and goes on from where it was', async () => {
    const { daemon, news, started, again } = await setUp();
    const first = await daemon.greeted();
    const one = await first.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.4.a' });
    await started;
    await one.tell('batch', { prev: 's.0.a', cursor: 's.1.a', events: [event(1)] });
    await one.tell('batch', { prev: 's.2.a', cursor: 's.3.a', events: [event(3)] });
    await turns();
    expect(first.isClosed).toBe(true);
    const second = await again();
    const two = await second.subscribed({ mode: 'resumed', cursor: 's.1.a', head: 's.4.a' });
    expect(two.params.from).toBe('s.1.a');
    await two.tell('batch', { prev: 's.1.a', cursor: 's.3.a', events: [event(2), event(3)] });
    await turns();
    expect(seqsOf(news)).toEqual([1, 2, 3]);
  });

  it('under `never` ends with the daemon’s error, and the connection lives on', async () => {
    const { daemon, connection, resets, started, again } = await setUp({ from: 's.0.a', snapshot: 'never' });
    const first = await daemon.greeted();
    await first.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.0.a' });
    const { lasting } = await started;
    first.cut();
    const second = await again();
    const asked = await second.next('events/subscribe');
    expect(asked.params).toMatchObject({ from: 's.0.a', snapshot: 'never' });
    await second.refuse(asked, 'CursorExpired', { earliest: 's.9.a', head: 's.9.a' });
    expect(await within('the end', lasting.ended)).toMatchObject({
      reason: 'refused',
      error: { kind: 'CursorExpired' },
    });
    expect(resets).toEqual([]);
    expect(connection.state.is).toBe('live');
  });

  it('under `never` is sent no state, also where retention passes it while it is connected', async () => {
    const { daemon, resets, started } = await setUp({ from: 's.0.a', snapshot: 'never' });
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'resumed', cursor: 's.0.a', head: 's.0.a' });
    const { lasting } = await started;
    await tell('reset', { reason: 'CursorExpired', earliest: 's.5.a', head: 's.9.a' });
    await tell('ended', { reason: 'expired' });
    const asked = await played.next('events/subscribe');
    expect(asked.params).toMatchObject({ from: 's.0.a', snapshot: 'never' });
    await played.refuse(asked, 'CursorExpired', { earliest: 's.5.a', head: 's.9.a' });
    expect(await within('the end', lasting.ended)).toMatchObject({ reason: 'refused' });
    expect(resets).toEqual([]);
  });

  it('[P18] closed before the daemon answered, it is ended there when the answer comes', async () => {
    const { daemon, connection } = await setUp();
    const played = await daemon.greeted();
    await played.subscribed({ mode: 'live', cursor: 's.0.a', head: 's.0.a' });
    const view = connection.view();
    await turns();
    view.close();
    await played.subscribed({ mode: 'snapshot', reason: 'always', cursor: 's.0.a', head: 's.0.a' });
    expect((await played.next('events/unsubscribe')).params).toEqual({ subscription: 'sub_2' });
  });

  it.each([
    ['never returns', () => new Promise<void>(() => {})],
    ['awaits a call of the same connection', (call: () => Promise<unknown>) => call().then(() => {})],
  ])('close ends it also while its listener %s', async (_, wait) => {
    const daemon = new PlayedDaemon();
    const connection = daemon.connect({});
    const listener = () => wait(() => connection.call('ping', {}).catch(() => {}));
    const starting = connection.subscribe({}, listener);
    starting.catch(() => {});
    await (await daemon.greeted()).subscribed({ mode: 'live', cursor: 's.0.a', head: 's.0.a' });
    await turns();
    await within('it to be closed', connection.close());
  });

  it.each(['takenOver', 'unsubscribed'])('ends when the daemon says %s, and is not begun anew', async (reason) => {
    const { daemon, started, again } = await setUp();
    const first = await daemon.greeted();
    const { tell } = await first.subscribed({ mode: 'live', cursor: 's.0.a', head: 's.0.a' });
    const { lasting } = await started;
    await tell('ended', { reason });
    expect(await within('the end', lasting.ended)).toEqual({ reason });
    first.cut();
    await again();
    await turns();
    expect(daemon.methods).toEqual(['initialize', 'events/subscribe', 'initialize']);
  });

  it('is refused as the daemon says, and rejects', async () => {
    const { daemon, started } = await setUp({ from: 'nonsense' });
    const played = await daemon.greeted();
    await played.refuse(await played.next('events/subscribe'), 'InvalidParams', {}, -32602);
    expect(await failed(started)).toMatchObject({ code: -32602 });
  });

  it('close ends it at once and tells the daemon', async () => {
    const { daemon, connection, news, started } = await setUp();
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'live', cursor: 's.0.a', head: 's.0.a' });
    const { lasting } = await started;
    lasting.close();
    await tell('batch', { prev: 's.0.a', cursor: 's.1.a', events: [event(1)] });
    expect((await played.next('events/unsubscribe')).params).toEqual({ subscription: 'sub_1' });
    await turns();
    expect(seqsOf(news)).toEqual([]);
    expect(await within('the end', lasting.ended)).toEqual({ reason: 'closed' });
    expect(connection.state.is).toBe('live');
  });

  it('[P21] goes on over notifications and event types that it does not know', async () => {
    const { daemon, news, started } = await setUp();
    const played = await daemon.greeted();
    const { tell } = await played.subscribed({ mode: 'live', cursor: 's.0.a', head: 's.0.a' });
    const { lasting } = await started;
    await tell('weather', { prev: 's.0.a', cursor: 's.1.a', is: 'fine' });
    await tell('batch', { prev: 's.1.a', cursor: 's.2.a', events: [event(2, 'weather/changed')] });
    await turns();
    expect(lasting.cursor).toBe('s.2.a');
    expect(seqsOf(news)).toEqual([2]);
  });
});
