// The client's outbox against a daemon that is played by hand: what it sends when, what it keeps, what it hands back.
import { describe, expect, it } from 'vitest';
import type { ConnectOptions } from '../../protocol/connect.ts';
import type { Acknowledged } from '../../protocol/intents.ts';
import type { HandedBack } from '../../protocol/intents-back.ts';
import { HandedBackError, IntentsFullError, OpIdTakenError, UnacknowledgedError } from '../../protocol/intents-back.ts';
import type { IntentStore } from '../../protocol/intents-store.ts';
import { memoryIntents } from '../../protocol/intents-store.ts';
import type { Op } from '../../protocol/schema.ts';
import { within } from '../support/deadline.ts';
import { turns } from '../support/hand-clock.ts';
import type { Asked, Played } from '../support/played-daemon.ts';
import { greeting, PlayedDaemon } from '../support/played-daemon.ts';

const put = (opId: string, more: object = {}): Op =>
  ({ opId, type: 'message/put', params: { sessionId: 'ses_1', role: 'user' }, ...more }) as Op;
const create = (opId: string): Op => ({ opId, type: 'session/create', params: { sessionId: 'ses_1' } });
const entry = (opId: string) => ({ opId, seq: 1, version: 1, ids: {} });
const rejection = (opId: string, kind: string, data: object = {}) => ({
  ...{ opId, code: -32001, kind, message: `no: ${kind}`, data: { kind, ...data } },
});
const failed = (promise: Promise<unknown>) =>
  within(
    'a rejection',
    promise.then(
      () => expect.unreachable(),
      (error: unknown) => error,
    ),
  );
const idsOf = ({ params }: Asked) => params.ops.map(({ opId }: Op) => opId);

function setUp(options: ConnectOptions = {}) {
  const daemon = new PlayedDaemon();
  const backs: HandedBack[] = [];
  const onHandedBack = (back: HandedBack) => void backs.push(back);
  const connection = daemon.connect({
    reconnect: { baseMs: 0 },
    ...options,
    intents: { onHandedBack, ...(options.intents as object) },
  });
  const acknowledged: string[] = [];
  const append = (op: Op): Promise<Acknowledged> => {
    const done = connection.append(op);
    done.then(
      ({ opId }) => acknowledged.push(opId),
      () => {},
    );
    return done;
  };
  const again = async () => {
    await turns();
    await daemon.clock.advance(0);
    return daemon.greeted();
  };
  return { daemon, connection, append, acknowledged, backs, again };
}

/** Takes the next batch: `applied` of it, `rejected` as told. */
async function take(played: Played, rejected: object[] = [], duplicates: string[] = []): Promise<Asked> {
  const asked = await played.next('ops/append');
  const bad = new Set(rejected.map((each) => (each as { opId: string }).opId));
  const applied = idsOf(asked).filter((id: string) => !bad.has(id) && !duplicates.includes(id));
  await played.answer(asked, {
    ...{ cursor: 's.1.a', applied: applied.map(entry), duplicates: duplicates.map(entry), rejected },
  });
  await turns();
  return asked;
}

describe('append', () => {
  it('sends what is handed over in order, together, and resolves when it is acknowledged', async () => {
    const { daemon, append, acknowledged, connection } = setUp();
    const [first, second] = [append(put('a')), append(put('b'))];
    const played = await daemon.greeted();
    expect(connection.intents.size).toBe(2);
    const asked = await take(played, [], ['b']);
    expect(idsOf(asked)).toEqual(['a', 'b']);
    expect(asked.params).toEqual({ ops: [put('a'), put('b')], batchId: expect.any(String) });
    expect(await within('the first', first)).toEqual({ ...entry('a'), duplicate: false });
    expect(await within('the second', second)).toEqual({ ...entry('b'), duplicate: true });
    expect([acknowledged, connection.intents.size]).toEqual([['a', 'b'], 0]);
  });

  it('gives an op an id where it has none', async () => {
    const { daemon, connection } = setUp();
    const done = connection.append({ type: 'session/create', params: {} });
    const [id] = idsOf(await take(await daemon.greeted()));
    expect(id).toMatch(/^.+$/);
    expect(await within('the acknowledgement', done)).toMatchObject({ opId: id });
  });

  it('[P12] sends again until it is acknowledged, the same ops under the same batchId, and removes them only then', async () => {
    const { daemon, append, again, acknowledged, connection } = setUp();
    void append(put('a'));
    const first = await daemon.greeted();
    const asked = await first.next('ops/append');
    // It must not join what may have been applied.
    void append(put('b'));
    await turns();
    first.cut();
    const second = await again();
    const repeated = await second.next('ops/append');
    expect(repeated.params).toEqual(asked.params);
    expect([acknowledged, connection.intents.size]).toEqual([[], 2]);
    second.cut();
    const third = await again();
    expect((await take(third, [], ['a'])).params).toEqual(asked.params);
    expect(idsOf(await take(third))).toEqual(['b']);
    expect([acknowledged, connection.intents.size]).toEqual([['a', 'b'], 0]);
  });

  it.each(['StoreUnavailable', 'Overloaded', 'ShuttingDown'])(
    '%s: keeps them and tries again, later each time',
    async (kind) => {
      const { daemon, append, acknowledged } = setUp({ reconnect: { baseMs: 100, jitter: 0 } });
      void append(put('a'));
      const played = await daemon.greeted();
      for (const waitMs of [100, 200, 400]) {
        await played.refuse(await played.next('ops/append'), kind, kind === 'Overloaded' ? { retryAfterMs: 1000 } : {});
        await turns();
        // More to send is no reason to ask sooner.
        void append(put(`b${waitMs}`));
        const asks = daemon.log.length;
        await daemon.clock.advance(waitMs + (kind === 'Overloaded' ? 1000 : 0) - 1);
        expect(daemon.log.length).toBe(asks);
        await daemon.clock.advance(1);
      }
      await take(played);
      await take(played);
      expect(acknowledged).toEqual(['a', 'b100', 'b200', 'b400']);
    },
  );

  it('an op that the store had no room for is tried again, the others are done', async () => {
    const { daemon, append, acknowledged } = setUp({ reconnect: { baseMs: 100, jitter: 0 } });
    for (const id of ['a', 'b', 'c']) void append(put(id));
    const played = await daemon.greeted();
    const { batchId } = (await take(played, [rejection('b', 'StoreUnavailable', { reason: 'full' })])).params;
    expect(acknowledged).toEqual(['a', 'c']);
    await daemon.clock.advance(100);
    const asked = await take(played);
    expect(idsOf(asked)).toEqual(['b']);
    expect(asked.params.batchId).not.toBe(batchId);
    expect(acknowledged).toEqual(['a', 'c', 'b']);
  });

  it('batches hold at most 1,000 ops and 256 KiB, and at least one op', async () => {
    const { daemon, append } = setUp();
    for (let n = 0; n < 1_001; n += 1) void append(put(`n${n}`));
    const played = await daemon.greeted();
    expect(idsOf(await take(played))).toHaveLength(1_000);
    expect(idsOf(await take(played))).toEqual(['n1000']);
    const large = (id: string) =>
      put(id, { params: { sessionId: 'ses_1', role: 'user', metadata: { text: 'x'.repeat(150_000) } } });
    for (const id of ['a', 'b']) void append(large(id));
    expect(idsOf(await take(played))).toEqual(['a']);
    expect(idsOf(await take(played))).toEqual(['b']);
  });

  it('is bounded: what does not fit is refused with a clear error, and the rest goes on', async () => {
    const { daemon, connection, append, acknowledged } = setUp({ intents: { maxOps: 2, maxBytes: 1_000 } });
    void append(put('a'));
    const large = put('large', { params: { sessionId: 'ses_1', role: 'user', metadata: { text: 'x'.repeat(1_000) } } });
    expect(await failed(append(large))).toMatchObject({ name: 'IntentsFullError', what: 'bytes', limit: 1_000 });
    void append(put('b'));
    const full = await failed(append(put('c')));
    expect(full).toBeInstanceOf(IntentsFullError);
    expect(full).toMatchObject({ what: 'ops', limit: 2 });
    expect((full as Error).message).toBe('the outbox is full: its limit is 2 ops');
    expect(await failed(connection.intents.kept())).toBeInstanceOf(IntentsFullError);
    await take(await daemon.greeted());
    expect(acknowledged).toEqual(['a', 'b']);
    void append(put('c'));
    await within('room again', connection.intents.kept());
  });

  it('the same op handed over twice is kept once; another with its id is refused', async () => {
    const { daemon, append } = setUp();
    const both = [append(put('a')), append(put('a'))];
    const other = append({ ...put('a'), params: { sessionId: 'ses_2', role: 'user' } } as Op);
    expect(await failed(other)).toBeInstanceOf(OpIdTakenError);
    expect(idsOf(await take(await daemon.greeted()))).toEqual(['a']);
    await within('both', Promise.all(both));
  });

  it('closed, what was not acknowledged is told so', async () => {
    const { connection, append } = setUp();
    const waiting = append(put('a'));
    await turns();
    await connection.close();
    expect(await failed(waiting)).toMatchObject({ name: 'UnacknowledgedError', opId: 'a', isKept: false });
    expect(await failed(append(put('b')))).toBeInstanceOf(UnacknowledgedError);
  });
});

describe('what is handed back', () => {
  it('who is told may hand over another op of the session, and wait for it', async () => {
    const applied: string[] = [];
    const onHandedBack = async ({ op }: HandedBack) => {
      if (op.opId !== 'cr') return;
      applied.push((await connection.append(put('instead'))).opId);
    };
    const { daemon, connection, append } = setUp({ intents: { onHandedBack } });
    const refused = append(create('cr'));
    const played = await daemon.greeted();
    await take(played, [rejection('cr', 'AlreadyExists')]);
    expect(await failed(refused)).toBeInstanceOf(HandedBackError);
    const asked = await take(played);
    expect(asked.params.ops).toEqual([put('instead')]);
    expect(applied).toEqual(['instead']);
  });

  it('who is told may end the connection, and wait for that', async () => {
    let isClosed = false;
    const onHandedBack = async () => {
      await connection.close();
      isClosed = true;
    };
    const { daemon, connection, append } = setUp({ intents: { onHandedBack } });
    void append(put('a')).catch(() => {});
    await take(await daemon.greeted(), [rejection('a', 'NotFound')]);
    await within('it to be closed', connection.closed);
    await turns();
    expect(isClosed).toBe(true);
  });

  it('a refused op, with its reason; the rest goes on', async () => {
    const { daemon, append, acknowledged, backs } = setUp();
    const [, refused] = [append(put('a')), append(put('b')), append(put('c'))];
    const played = await daemon.greeted();
    await take(played, [rejection('b', 'VersionConflict', { expected: 1 })]);
    const error = (await failed(refused)) as HandedBackError;
    expect(error).toBeInstanceOf(HandedBackError);
    expect(error.back).toMatchObject({ op: put('b'), why: 'refused', error: { kind: 'VersionConflict' } });
    expect(backs).toEqual([error.back]);
    expect(acknowledged).toEqual(['a', 'c']);
  });

  it('what depends on it with it, also what depends on that, in the batch and behind it', async () => {
    const { daemon, append, acknowledged, backs } = setUp();
    void append(put('a'));
    void append(put('b', { dependsOn: ['a'] }));
    const played = await daemon.greeted();
    const asked = await played.next('ops/append');
    for (const [id, on] of [
      ['c', 'b'],
      ['d', 'other'],
      ['e', 'c'],
    ])
      void append(put(id!, { dependsOn: [on!] }));
    void append(put('f'));
    await turns();
    const rejected = [rejection('a', 'NotFound'), rejection('b', 'DependencyMissing', { missing: ['a'] })];
    await played.answer(asked, { cursor: 's.1.a', applied: [], duplicates: [], rejected });
    expect(idsOf(await take(played))).toEqual(['d', 'f']);
    expect(backs.map(({ op, why, ...more }) => [op.opId, why, (more as { because?: string }).because])).toEqual([
      ['a', 'refused', undefined],
      ['b', 'dependsOnHandedBack', 'a'],
      ['c', 'dependsOnHandedBack', 'b'],
      ['e', 'dependsOnHandedBack', 'c'],
    ]);
    expect(acknowledged).toEqual(['d', 'f']);
  });

  it('the ops of a session whose creation waits depend on it, and come back with it', async () => {
    const { daemon, append, acknowledged, backs } = setUp();
    void append(create('new'));
    void append(put('a'));
    void append(put('other', { params: { sessionId: 'ses_2', role: 'user' } }));
    const played = await daemon.greeted();
    const asked = await played.next('ops/append');
    expect(asked.params.ops.map(({ dependsOn }: Op) => dependsOn)).toEqual([undefined, ['new'], undefined]);
    void append(put('b'));
    await turns();
    const rejected = [rejection('new', 'AlreadyExists'), rejection('a', 'DependencyMissing', { missing: ['new'] })];
    await played.answer(asked, { cursor: 's.1.a', applied: [entry('other')], duplicates: [], rejected });
    await turns();
    expect(backs.map(({ op, why }) => [op.opId, why])).toEqual([
      ['new', 'refused'],
      ['a', 'dependsOnHandedBack'],
      ['b', 'dependsOnHandedBack'],
    ]);
    // Created by now, or never: it is for the daemon to say.
    void append(put('c'));
    expect((await take(played)).params.ops).toEqual([put('c')]);
    expect(acknowledged).toEqual(['other', 'c']);
  });

  it('of a batch that is refused as a whole, the op that it is refused for alone', async () => {
    const { daemon, append, acknowledged, backs } = setUp();
    for (const id of ['a', 'b', 'bad', 'c', 'd']) void append(put(id));
    const played = await daemon.greeted();
    for (let asked = await played.next('ops/append'); ; asked = await played.next('ops/append')) {
      if (idsOf(asked).includes('bad')) await played.refuse(asked, 'InvalidParams', {}, -32602);
      else {
        await played.answer(asked, { cursor: 's.1.a', applied: idsOf(asked).map(entry), duplicates: [], rejected: [] });
        if (idsOf(asked).includes('d')) break;
      }
    }
    await turns();
    expect(acknowledged).toEqual(['a', 'b', 'c', 'd']);
    expect(backs.map(({ op }) => op.opId)).toEqual(['bad']);
  });

  it('what is older than the daemon’s ledger, and is not sent', async () => {
    const { daemon, append, acknowledged, backs } = setUp({ reconnect: { baseMs: 10_000, jitter: 0 } });
    void append(put('a'));
    const first = await daemon.greeted();
    await first.next('ops/append');
    first.cut();
    await turns();
    daemon.refusal = new Error('away');
    await daemon.clock.advance(greeting.ledgerMaxAgeMs + 1);
    daemon.refusal = undefined;
    void append(put('b'));
    await daemon.clock.advance(10_000);
    expect(idsOf(await take(await daemon.greeted()))).toEqual(['b']);
    expect(backs).toMatchObject([{ op: { opId: 'a' }, why: 'tooOld', ledgerMaxAgeMs: greeting.ledgerMaxAgeMs }]);
    expect(acknowledged).toEqual(['b']);
  });
});

describe('over restarts of the client', () => {
  /** A store that outlives who uses it, as a file does. */
  const lasting = (): IntentStore => ({ ...memoryIntents(), lasts: true });

  it('[P12] the queue goes on, with the batch that may have been sent as it was', async () => {
    const store = lasting();
    const onHandedBack = () => {};
    const one = setUp({ intents: { store, onHandedBack } });
    const waiting = one.append(put('a'));
    const first = await one.daemon.greeted();
    const asked = await first.next('ops/append');
    void one.append(put('b'));
    await turns();
    await one.connection.close();
    expect(await failed(waiting)).toMatchObject({ isKept: true });

    const two = setUp({ intents: { store, onHandedBack } });
    await turns();
    expect(two.connection.intents.size).toBe(2);
    // Who does not know how far it came hands it over again.
    const again = two.append(put('a'));
    const third = two.append(put('c'));
    const played = await two.daemon.greeted();
    expect((await take(played, [], ['a'])).params).toEqual(asked.params);
    expect(await within('the first', again)).toMatchObject({ opId: 'a', duplicate: true });
    expect(idsOf(await take(played))).toEqual(['b', 'c']);
    await within('the third', third);
    await two.connection.close();
    expect((await store.open(() => '')).intents).toEqual([]);
  });

  it('[P12] what was handed over right before it is closed is kept', async () => {
    const store = lasting();
    const { connection, append } = setUp({ intents: { store, onHandedBack: () => {} } });
    const waiting = append(put('a'));
    await connection.close();
    expect(await failed(waiting)).toMatchObject({ isKept: true });
    expect((await store.open(() => '')).intents.map(({ op }) => op)).toEqual([put('a')]);
  });

  it('an op that a former process handed over is handed back to onHandedBack, and removed when that has returned', async () => {
    const store = lasting();
    const one = setUp({ intents: { store, onHandedBack: () => {} } });
    void one.append(put('a'));
    await within('it to be kept', one.connection.intents.kept());
    await one.connection.close();
    const held: number[] = [];
    const onHandedBack = async () => {
      held.push((await store.open(() => '')).intents.length);
    };
    const two = setUp({ intents: { store, onHandedBack } });
    await take(await two.daemon.greeted(), [rejection('a', 'NotFound')]);
    expect(held).toEqual([1]);
    expect((await store.open(() => '')).intents).toEqual([]);
  });

  it('who it is and the cursor that was kept are there again', async () => {
    const store = lasting();
    const one = setUp({ intents: { store, onHandedBack: () => {} } });
    const { clientId } = await one.connection.intents.opened();
    await one.connection.intents.keepCursor('s.7.a');
    await one.connection.close();
    const two = setUp({ intents: { store, onHandedBack: () => {} } });
    expect(await two.connection.intents.opened()).toEqual({ clientId, cursor: 's.7.a' });
  });

  it('what the store cannot keep is rejected with its error, and never sent', async () => {
    const store = lasting();
    const full = new Error('no space left on device');
    const { daemon, append, connection, acknowledged } = setUp({
      intents: {
        store: { ...store, add: (intent) => (intent.op.opId === 'b' ? Promise.reject(full) : store.add(intent)) },
        onHandedBack: () => {},
      },
    });
    void append(put('a'));
    expect(await failed(append(put('b')))).toBe(full);
    expect(await failed(connection.intents.kept())).toBe(full);
    void append(put('c'));
    expect(idsOf(await take(await daemon.greeted()))).toEqual(['a', 'c']);
    expect(acknowledged).toEqual(['a', 'c']);
  });

  it('a store that cannot be opened is told to whoever hands something over; the connection is there', async () => {
    const locked = new Error('held by another');
    const { daemon, append, connection } = setUp({
      intents: { store: { ...lasting(), open: () => Promise.reject(locked) }, onHandedBack: () => {} },
    });
    expect(await failed(append(put('a')))).toBe(locked);
    const call = connection.call('ping', {});
    const played = await daemon.greeted();
    await played.answer(await played.next('ping'), {});
    await within('the reply', call);
  });
});
