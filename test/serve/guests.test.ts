// Guests at a host: what they do goes to the home of the session, and comes back with its events (PROTOCOL.md 7).
import { describe, expect, it } from 'vitest';
import type { Limits } from '../../daemon/serve/limits.ts';
import type { GuestOp } from '../../protocol/outbox.ts';
import type { Op } from '../../protocol/schema.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';
import { batchOf, itemsOf, snapshotOf } from '../support/replica.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { request, wireInMemory } from '../support/wire.ts';

const ok = async (wire: Wire, method: string, params: object = {}): Promise<Anything> => {
  const { result, error } = await wire.call(method, params);
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
};
const refusal = async (wire: Wire, method: string, params: object = {}) =>
  (await wire.call(method, params)).error?.data;
const answer = (name = 'a', decision: 'once' | 'deny' = 'once') =>
  op('blocker/answer', { sessionId: `ses_${name}`, blockerId: `blk_${name}`, answer: { decision } });

/** A host with replicas of two sessions, their home's connection to it, and one that a guest has. */
async function setUp(limits: Partial<Limits> = {}) {
  const home = openRecords(testHome().paths.data);
  const place = testHome();
  const { daemon } = daemonInProcess(place, { limits });
  const host = wireInMemory(daemon);
  await ok(host, 'session/create', { sessionId: 'ses_own' });
  const { capability, token } = await ok(host, 'capability/grant', {
    ...{ label: 'home', rights: ['read', 'append', 'answer', 'share'], sessions: '*' },
  });
  const connect = async (shown: string) => {
    const wire = wireInMemory(daemon);
    await ok(wire, 'capability/redeem', { token: shown });
    return wire;
  };
  const sender = await connect(token);
  const guestOf = async (given: object = {}) => {
    const asked = { label: 'guest', token, rights: ['read', 'append', 'answer'], sessions: ['ses_a'], ...given };
    const made = await ok(host, 'capability/attenuate', asked);
    return { wire: await connect(made.token), capability: made.capability, connect: () => connect(made.token) };
  };
  for (const name of ['a', 'b']) {
    const sessionId = `ses_${name}`;
    await home.writer.appendOne(owner, op('session/create', { sessionId }));
    const request = { permission: 'p' };
    await home.writer.appendOne(
      owner,
      op('blocker/ask', { sessionId, blockerId: `blk_${name}`, kind: 'permission', request }),
    );
  }
  const { storeId: origin } = home.journal;
  let sent = 0;
  /** What the home has now goes to the host. */
  const flow = async () => {
    await ok(sender, 'replica/append', batchOf(home, itemsOf(home, sent)));
    sent = home.journal.head.seq;
  };
  await flow();
  const take = async (given: object = {}) =>
    (await ok(sender, 'guest/take', { origin, waitMs: 10_000, ...given })).items as GuestOp[];
  /** Applies at home what guests sent, and tells of it. */
  const serve = async (items: GuestOp[]) => {
    const results = [];
    for (const { guestOpId, principal, actorId, op } of items) {
      const done = await home.writer.append({ principal, actorId }, [op as Op]);
      const { applied, duplicates, rejected } = done;
      const [entry, again, no] = [applied[0], duplicates[0], rejected[0]];
      results.push({
        guestOpId,
        ...(entry && { applied: entry }),
        ...(again && { duplicate: again }),
        ...(no && { rejected: no }),
      });
    }
    await ok(sender, 'guest/ack', { origin, results });
    return results;
  };
  const { wire: guest, capability: held } = await guestOf();
  return {
    home,
    host,
    daemon,
    place,
    capability,
    sender,
    guest,
    held,
    guestOf,
    origin,
    flow,
    take,
    serve,
    connect,
    token,
  };
}

describe('guest/append', () => {
  it('[P16] hands an answer to the home, and returns when it is back', async () => {
    const { home, guest, held, flow, take, serve } = await setUp();
    await ok(guest, 'events/subscribe', { from: 'now' });
    const asked = answer();
    guest.send(request('asked', 'guest/append', { ops: [asked] }));
    const items = await take();
    expect(items).toEqual([
      { guestOpId: expect.stringMatching(/^gop_/), principal: held.id, actorId: `${held.id}/c3`, op: asked },
    ]);
    await serve(items);
    await flow();
    const { result } = await guest.reply('asked');
    expect(result).toEqual({
      ...{ cursor: expect.any(String), duplicates: [], rejected: [] },
      applied: [{ opId: asked.opId, seq: home.journal.head.seq, version: 3, ids: expect.anything() }],
    });
    await guest.until('the event', () => guest.seqs.length === 1);
    const [event] = guest.notifications('events/batch').flatMap(({ params }) => params.events);
    expect(event.data).toMatchObject({ id: 'blk_a', state: 'answered', resolvedBy: `${held.id}/c3` });
    expect(await take({ waitMs: 0 })).toEqual([]);
  });

  it('waits for the result and for the events, whichever is last', async () => {
    const { home, guest, flow, take, serve, sender, origin } = await setUp();
    guest.send(request('first', 'guest/append', { ops: [answer()] }));
    await serve(await take());
    // A read behind it is not held up.
    expect((await guest.call('session/get', { sessionId: 'ses_a' })).result.session.version).toBe(2);
    expect(guest.received.some(({ id }) => id === 'first')).toBe(false);
    await flow();
    expect((await guest.reply('first')).result.applied).toHaveLength(1);

    const put = op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' });
    guest.send(request('second', 'guest/append', { ops: [put] }));
    const [item] = await take();
    const done = await home.writer.appendOne({ principal: item!.principal, actorId: item!.actorId }, item!.op);
    await flow();
    await ok(guest, 'ping');
    expect(guest.received.some(({ id }) => id === 'second')).toBe(false);
    const { opId, seq, version, ids } = done;
    await ok(sender, 'guest/ack', {
      origin,
      results: [{ guestOpId: item!.guestOpId, applied: { opId, seq, version, ids } }],
    });
    expect((await guest.reply('second')).result.applied).toEqual([{ opId, seq, version, ids }]);
  });

  it('returns what is known by then, with pending, and the same op sent again goes on waiting', async () => {
    const { guest, take, serve, flow } = await setUp({ guestWaitMs: 1 });
    const ops = [answer(), op('message/put', { sessionId: 'ses_own', role: 'user' })];
    const first = await ok(guest, 'guest/append', { ops });
    expect(first).toMatchObject({ pending: true, applied: [], duplicates: [] });
    expect(first.rejected.map(({ opId }: Anything) => opId)).toEqual([ops[1]!.opId]);
    expect(await ok(guest, 'guest/append', { ops: ops.slice(0, 1) })).toMatchObject({ pending: true, duplicates: [] });
    const items = await take();
    expect(items).toHaveLength(1);
    await serve(items);
    // Its result is there, and its event is not.
    const half = await ok(guest, 'guest/append', { ops: ops.slice(0, 1) });
    expect([half.pending, half.duplicates.length]).toEqual([true, 1]);
    await flow();
    const { pending, duplicates } = await ok(guest, 'guest/append', { ops: ops.slice(0, 1) });
    expect([pending, duplicates.length]).toEqual([undefined, 1]);
  });

  it('tells the loser of a race who was first, as the home says it', async () => {
    const { home, guest, take, serve } = await setUp();
    await home.writer.appendOne({ principal: 'owner', actorId: 'me/c1' }, answer('a', 'deny'));
    guest.send(request('late', 'guest/append', { ops: [answer()] }));
    await serve(await take());
    const { result } = await guest.reply('late');
    expect(result.rejected[0]).toMatchObject({
      kind: 'AlreadyResolved',
      data: { resolution: { decision: 'deny' }, resolvedBy: 'me/c1', state: 'answered' },
    });
  });

  it('asks again for what was rejected, since that leaves no trace', async () => {
    const { guest, take, serve, flow, home } = await setUp();
    const put = op('part/put', { sessionId: 'ses_a', messageId: 'msg_a', part: { type: 'text', text: 'x' } });
    guest.send(request('early', 'guest/append', { ops: [put] }));
    await serve(await take());
    expect((await guest.reply('early')).result.rejected[0].kind).toBe('NotFound');
    await home.writer.appendOne(owner, op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' }));
    guest.send(request('again', 'guest/append', { ops: [put] }));
    await serve(await take());
    await flow();
    expect((await guest.reply('again')).result.applied).toHaveLength(1);
  });

  it('[P14] refuses an op id with other content, and keeps the ids of guests apart', async () => {
    const { guest, guestOf, take } = await setUp({ guestWaitMs: 1 });
    await ok(guest, 'guest/append', { ops: [{ ...answer(), opId: 'mine' }] });
    const { rejected } = await ok(guest, 'guest/append', { ops: [{ ...answer('a', 'deny'), opId: 'mine' }] });
    expect(rejected[0]).toMatchObject({ kind: 'OpIdReused', data: { opId: 'mine' } });
    const { wire: other } = await guestOf();
    await ok(other, 'guest/append', { ops: [{ ...answer('a', 'deny'), opId: 'mine' }] });
    expect((await take()).map(({ principal }) => principal)).toHaveLength(2);
  });

  it('[P10] keeps what it took over a restart, and tells the result of before', async () => {
    const { guest, take, serve, daemon, place, held, home, sender } = await setUp({ guestWaitMs: 1 });
    const [first, second] = [answer(), op('message/put', { sessionId: 'ses_a', role: 'user' })];
    await ok(guest, 'guest/append', { ops: [first] });
    await serve(await take());
    await ok(guest, 'guest/append', { ops: [second] });
    sender.close();
    await daemon.stop();
    const records = openRecords(place.paths.data);
    const rows = records.db
      .prepare('SELECT op_id, principal, result IS NULL AS waits FROM guest_op ORDER BY key')
      .all();
    expect(rows).toEqual([
      { op_id: first.opId, principal: held.id, waits: 0 },
      { op_id: second.opId, principal: held.id, waits: 1 },
    ]);
    expect(home.journal.head.seq).toBe(5);
  });

  it('is for what a guest holds, of sessions that are replicas here', async () => {
    const { guest, guestOf, host } = await setUp({ guestWaitMs: 1 });
    const kinds = async (wire: Wire, ops: Op[]) =>
      (await ok(wire, 'guest/append', { ops })).rejected.map(({ kind, data }: Anything) => [
        kind,
        data.right ?? data.what,
      ]);
    const update = (sessionId: string) => op('session/update', { sessionId, title: 'x' });
    expect(await kinds(guest, [update('ses_b'), update('ses_none'), update('ses_own')])).toEqual([
      ['NotFound', 'session'],
      ['NotFound', 'session'],
      ['NotFound', 'session'],
    ]);
    expect(
      await kinds(guest, [
        op('session/delete', { sessionId: 'ses_a' }),
        op('session/create', { sessionId: 'ses_new' }),
        op('turn/heartbeat', { turnId: 'trn_none' }),
        op('turn/finish', { turnId: 'trn_none', state: 'completed' }),
      ]),
    ).toEqual([
      ['Forbidden', 'append'],
      ['Forbidden', 'append'],
      ['Forbidden', 'append'],
      ['NotFound', 'turn'],
    ]);
    const { wire: reader } = await guestOf({ rights: ['read'] });
    expect(await kinds(reader, [answer(), update('ses_a')])).toEqual([
      ['Forbidden', 'answer'],
      ['Forbidden', 'append'],
    ]);
    const { wire: narrow } = await guestOf({ ops: ['message/*'] });
    expect(await kinds(narrow, [update('ses_a'), answer()])).toEqual([
      ['Forbidden', 'append'],
      ['Forbidden', 'answer'],
    ]);
    const { rejected } = await ok(host, 'guest/append', { ops: [update('ses_own')] });
    expect(rejected[0]).toMatchObject({ kind: 'InvalidParams', message: expect.stringContaining('ops/append') });
  });

  it('counts versions as the home does, whatever was left out or sent anew', async () => {
    const { home, guest, take, sender } = await setUp({ guestWaitMs: 1 });
    await home.writer.appendOne(owner, op('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' }));
    await home.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'x' }));
    const follows = { ...itemsOf(home).at(-1)!, prevVersion: 2 };
    expect((await ok(sender, 'replica/append', batchOf(home, [follows]))).rejected).toEqual([]);
    const { session } = await ok(guest, 'session/get', { sessionId: 'ses_a' });
    expect(session.version).toBe(3);
    const stale = { ...answer(), expectedVersion: 4 };
    expect((await ok(guest, 'guest/append', { ops: [stale] })).rejected[0]).toMatchObject({
      kind: 'VersionConflict',
      data: { expected: 4, actual: 3 },
    });
    await ok(guest, 'guest/append', { ops: [{ ...answer(), expectedVersion: 3, capabilityEpoch: 1 }] });
    const [{ op: sent }] = (await take()) as [GuestOp];
    expect(sent.expectedVersion).toBe(4);
    expect(sent.capabilityEpoch).toBeUndefined();
  });

  it('keeps no more than fits', async () => {
    const { guest, host } = await setUp({
      guestWaitMs: 1,
      maxSessionGuestOps: 2,
      maxGuestOps: 3,
      maxGuestUnits: 2_000,
    });
    const update = (sessionId: string, title = 'x') => op('session/update', { sessionId, title });
    const what = async (wire: Wire, ops: Op[]) =>
      (await ok(wire, 'guest/append', { ops })).rejected.map(({ kind, data }: Anything) => [kind, data.limit]);
    expect(await what(guest, [update('ses_a', 'x'.repeat(2_000))])).toEqual([['LimitExceeded', 2_000]]);
    const kept = [update('ses_a'), update('ses_a')];
    expect(await what(guest, [...kept, update('ses_a')])).toEqual([['LimitExceeded', 2]]);
    expect(await what(guest, kept)).toEqual([]);
    expect(await what(host, [update('ses_b'), update('ses_b')])).toEqual([['LimitExceeded', 3]]);
  });

  it('has room for the guests of one home beside those of another', async () => {
    const small = { maxSessionGuestUnits: 600, maxHomeGuestOps: 3, maxHomeGuestUnits: 1_200 };
    const { home, guest, host, guestOf, connect } = await setUp({ guestWaitMs: 1, ...small });
    const update = (sessionId: string, units = 1) => op('session/update', { sessionId, title: 'x'.repeat(units) });
    const what = async (wire: Wire, ops: Op[]) =>
      (await ok(wire, 'guest/append', { ops })).rejected.map(({ kind, data }: Anything) => [kind, data.limit]);
    const { wire: both } = await guestOf({ sessions: ['ses_a', 'ses_b'] });
    expect(await what(guest, [update('ses_a', 400), update('ses_a', 400)])).toEqual([['LimitExceeded', 600]]);
    expect(await what(both, [update('ses_b', 300), update('ses_b'), update('ses_a')])).toEqual([['LimitExceeded', 3]]);
    // Another home, of another capability that the owner gave: all that came of that is one.
    const { token } = await ok(host, 'capability/grant', {
      ...{ label: 'other', rights: ['read', 'append', 'share'], sessions: '*' },
    });
    const share = async (sessionId: string) => {
      const made = await ok(host, 'capability/attenuate', { label: 's', token, sessions: [sessionId] });
      await home.writer.appendOne(owner, op('session/create', { sessionId }));
      const sent = await ok(await connect(made.token), 'replica/append', batchOf(home, itemsOf(home).slice(-1)));
      expect(sent.rejected).toEqual([]);
    };
    for (const id of ['ses_c', 'ses_d', 'ses_e']) await share(id);
    expect(await what(host, [update('ses_c', 400), update('ses_d', 400)])).toEqual([]);
    expect(await what(host, [update('ses_e', 400), update('ses_e')])).toEqual([['LimitExceeded', 1_200]]);
    await ok(host, 'session/delete', { sessionId: 'ses_c' });
    expect(await what(host, [update('ses_e', 200), update('ses_e')])).toEqual([['LimitExceeded', 3]]);
  });

  it('[P18] ends with its connection and with its capability, and what was kept is still kept', async () => {
    const { guest, host, held, take, guestOf } = await setUp();
    const { wire: gone } = await guestOf();
    gone.send(request('gone', 'guest/append', { ops: [answer()] }));
    const [item] = await take();
    gone.close();
    await gone.closed;
    guest.send(request('over', 'guest/append', { ops: [answer('a', 'deny')] }));
    while ((await take({ waitMs: 0 })).length < 2) await ok(host, 'ping');
    await ok(host, 'capability/revoke', { capabilityId: held.id, mode: 'revoke' });
    expect((await guest.reply('over')).error?.data).toEqual({ kind: 'Unauthorized', reason: 'revoked' });
    expect((await take({ waitMs: 0 })).map(({ guestOpId }) => guestOpId)).toContain(item!.guestOpId);
  });

  it('[P7] is counted among the waits of its connection', async () => {
    const { guest } = await setUp({ maxInFlight: 2 });
    for (const id of ['one', 'two', 'three'])
      guest.send(request(id, 'guest/append', { ops: [{ ...answer(), opId: id }] }));
    expect((await guest.reply('three')).error?.data).toMatchObject({ kind: 'LimitExceeded', limit: 2 });
    expect((await guest.call('ping')).result).toEqual({});
  });

  it('is in the audit with each op, and does not hold up mutations behind it', async () => {
    const { guest, host, held } = await setUp();
    guest.send(request('wait', 'guest/append', { ops: [answer(), op('session/update', { sessionId: 'ses_own' })] }));
    expect(await refusal(guest, 'session/update', { sessionId: 'ses_a', title: 'x' })).toMatchObject({
      kind: 'Forbidden',
    });
    const { items } = await ok(host, 'capability/audit', { capabilityId: held.id });
    expect(items.map(({ method, sessionId, outcome }: Anything) => [method, sessionId, outcome]).slice(0, 3)).toEqual([
      ['session/update', 'ses_a', 'Forbidden'],
      ['guest/append', 'ses_own', 'NotFound'],
      ['guest/append', 'ses_a', 'ok'],
    ]);
  });
});

describe('guest/take and guest/ack', () => {
  it('are for who sends the session, and for nobody else', async () => {
    const { guest, guestOf, host, sender, origin, connect } = await setUp({ guestWaitMs: 1 });
    await ok(guest, 'guest/append', { ops: [answer()] });
    const { token } = await ok(host, 'capability/grant', { label: 's', rights: ['append', 'read'], sessions: '*' });
    const taken = async (wire: Wire, of = origin) => (await ok(wire, 'guest/take', { origin: of })).items;
    const { wire: otherGuest } = await guestOf();
    for (const wire of [guest, otherGuest, await connect(token)]) {
      expect(await taken(wire)).toEqual([]);
      const [{ guestOpId }] = await taken(sender);
      const rejected = { opId: 'x', code: -1, kind: 'NotFound', message: '', data: {} };
      await ok(wire, 'guest/ack', { origin, results: [{ guestOpId, rejected }] });
      await ok(wire, 'guest/ack', { origin: 'elsewhere', results: [{ guestOpId, rejected }] });
    }
    expect(await taken(sender, 'elsewhere')).toEqual([]);
    expect(await taken(host)).toHaveLength(1);
    expect(await taken(sender)).toHaveLength(1);
    const { wire: reader } = await guestOf({ rights: ['read'] });
    expect(await refusal(reader, 'guest/take', { origin })).toEqual({ kind: 'Forbidden', right: 'append' });
  });

  it('are refused to what is narrowed to some ops, as guests of a share are', async () => {
    const { guest, guestOf, origin, take } = await setUp({ guestWaitMs: 1 });
    await ok(guest, 'guest/append', { ops: [answer()] });
    const [{ guestOpId }] = (await take()) as [GuestOp];
    const { wire: narrow } = await guestOf({ ops: ['message/*', 'blocker/*'] });
    const results = [{ guestOpId, duplicate: { opId: 'x', seq: null, version: 1, ids: {} } }];
    const forbidden = { kind: 'Forbidden', right: 'append' };
    expect(await refusal(narrow, 'guest/take', { origin })).toEqual(forbidden);
    expect(await refusal(narrow, 'guest/take', { origin, waitMs: 60_000 })).toEqual(forbidden);
    expect(await refusal(narrow, 'guest/ack', { origin, results })).toEqual(forbidden);
    expect(await take()).toHaveLength(1);
  });

  it('are for a guest who played home no longer than until the home has sent', async () => {
    const { home, host, sender, guestOf, take, origin, connect, token } = await setUp({ guestWaitMs: 1 });
    await home.writer.appendOne(owner, op('session/create', { sessionId: 'ses_c', title: 'true' }));
    const { wire: thief } = await guestOf({ sessions: ['ses_c'] });
    const [last] = itemsOf(home).slice(-1);
    expect((await ok(thief, 'replica/append', batchOf(home, [last!]))).applied).toHaveLength(1);
    expect((await ok(sender, 'replica/append', batchOf(home, [last!]))).rejected[0].kind).toBe('VersionConflict');
    expect((await ok(sender, 'replica/append', batchOf(home, snapshotOf(home, 'ses_c', 's')))).rejected).toEqual([]);
    const { wire: other } = await guestOf({ sessions: ['ses_c'] });
    await ok(other, 'guest/append', { ops: [op('session/update', { sessionId: 'ses_c', title: 'secret' })] });
    const taken = async (wire: Wire) => (await ok(wire, 'guest/take', { origin })).items as GuestOp[];
    expect(await taken(thief)).toEqual([]);
    const [{ guestOpId }] = (await take()) as [GuestOp];
    const duplicate = { opId: 'x', seq: null, version: 1, ids: {} };
    await ok(thief, 'guest/ack', { origin, results: [{ guestOpId, duplicate }] });
    for (const wire of [sender, host, await connect(token)]) expect(await taken(wire)).toHaveLength(1);
  });

  it('hand out the oldest first, up to a limit, until they are acknowledged; the first result stands', async () => {
    const { guest, take, sender, origin } = await setUp({ guestWaitMs: 1 });
    const ops = ['1', '2', '3'].map((opId) => ({ ...answer(), opId }));
    await ok(guest, 'guest/append', { ops });
    expect((await take({ limit: 2 })).map(({ op }) => op.opId)).toEqual(['1', '2']);
    const [{ guestOpId }] = (await take()) as [GuestOp];
    const entry = (seq: number | null) => ({ opId: '1', seq, version: 1, ids: {} });
    const ack = (...results: object[]) => sender.call('guest/ack', { origin, results });
    await ack({ guestOpId, duplicate: entry(null) }, { guestOpId: 'gop_unknown', applied: entry(1) });
    await ack({ guestOpId, applied: entry(1) });
    expect((await take()).map(({ op }) => op.opId)).toEqual(['2', '3']);
    const { duplicates } = await ok(guest, 'guest/append', { ops: ops.slice(0, 1) });
    expect(duplicates).toEqual([entry(null)]);
    for (const wrong of [{ guestOpId }, { guestOpId, applied: entry(1), duplicate: entry(1) }]) {
      expect((await ack(wrong)).error?.code).toBe(-32602);
    }
  });

  it('wait for the first, and end at their time or with their connection', async () => {
    const { guest, sender, take, host, origin, token, connect } = await setUp({ guestWaitMs: 1 });
    expect(await take({ waitMs: 1 })).toEqual([]);
    sender.send(request('wait', 'guest/take', { origin, waitMs: 60_000 }));
    expect((await sender.call('ping')).result).toEqual({});
    await ok(guest, 'guest/append', { ops: [answer()] });
    expect((await sender.reply('wait')).result.items).toHaveLength(1);
    const leaving = await connect(token);
    leaving.send(request('never', 'guest/take', { origin: 'elsewhere', waitMs: 60_000 }));
    await ok(leaving, 'ping');
    leaving.close();
    await leaving.closed;
    await ok(host, 'daemon/status');
  });

  it('are in the audit once a connection, however often the home asks', async () => {
    const { host, sender, origin, capability } = await setUp();
    for (let asked = 0; asked < 3; asked += 1) await ok(sender, 'guest/take', { origin });
    const { items } = await ok(host, 'capability/audit', { capabilityId: capability.id });
    expect(items.filter(({ method }: Anything) => method === 'guest/take')).toHaveLength(1);
  });

  it('pass over what went with a session that was thrown away here', async () => {
    const { guest, host, take } = await setUp({ guestWaitMs: 1 });
    const asked = answer();
    await ok(guest, 'guest/append', { ops: [asked] });
    await ok(host, 'session/delete', { sessionId: 'ses_a' });
    expect(await take({ waitMs: 0 })).toEqual([]);
    expect((await ok(guest, 'guest/append', { ops: [asked] })).rejected[0].kind).toBe('NotFound');
  });
});
