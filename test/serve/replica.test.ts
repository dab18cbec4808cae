// replica/append over the wire: who may send what, and how a reader of the host sees it (PROTOCOL.md 7).
import { describe, expect, it } from 'vitest';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';
import { batchOf, itemsOf, snapshotOf } from '../support/replica.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { wireInMemory } from '../support/wire.ts';

const ok = async (wire: Wire, method: string, params: object = {}): Promise<Anything> => {
  const { result, error } = await wire.call(method, params);
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
};
const refusal = async (wire: Wire, method: string, params: object = {}) =>
  (await wire.call(method, params)).error?.data;

/** A home with two sessions, and a host whose owner hands out capabilities. */
async function setUp() {
  const home = openRecords(testHome().paths.data);
  for (const id of ['ses_a', 'ses_b']) {
    const name = id.slice(4);
    const ops = [
      op('session/create', { sessionId: id, title: `title of ${id}`, directory: '/work', agent: 'x' }),
      op('message/put', { sessionId: id, messageId: `msg_${name}`, role: 'user' }),
      op('part/put', {
        ...{ sessionId: id, messageId: `msg_${name}`, partId: `prt_${name}` },
        part: { type: 'text', text: `words of ${id}` },
      }),
      op('blocker/ask', {
        ...{ sessionId: id, blockerId: `blk_${name}`, kind: 'permission', request: { permission: 'p' } },
      }),
    ];
    for (const each of ops) await home.writer.appendOne(owner, each);
  }
  const { daemon } = daemonInProcess(testHome());
  const host = wireInMemory(daemon);
  const hold = async (given: object = { rights: ['read', 'append', 'answer', 'share'], sessions: '*' }) => {
    const { capability, token } = await ok(host, 'capability/grant', { label: 'x', ...given });
    const wire = wireInMemory(daemon);
    const redeemed = await ok(wire, 'capability/redeem', { token });
    return { wire, token, capability, redeemed };
  };
  return { home, daemon, host, hold };
}

describe('replica/append', () => {
  it('takes sessions of another store by a capability, which finds them like any', async () => {
    const { home, host, hold } = await setUp();
    const { wire } = await hold();
    const sent = await ok(wire, 'replica/append', batchOf(home, itemsOf(home)));
    expect(sent.applied).toHaveLength(8);
    for (const reader of [wire, host]) {
      const { items } = await ok(reader, 'session/list');
      expect(items.map(({ id, title }: Anything) => [id, title])).toEqual([
        ['ses_b', 'title of ses_b'],
        ['ses_a', 'title of ses_a'],
      ]);
      const got = await ok(reader, 'session/get', { sessionId: 'ses_a' });
      expect([got.replica, got.blockers.length, got.session.id]).toEqual([true, 1, 'ses_a']);
      const found = await ok(reader, 'session/search', { query: '"words of ses_a"' });
      expect(found.items.map(({ partId }: Anything) => partId)).toEqual(['prt_a']);
      const { text } = await ok(reader, 'session/export', { sessionId: 'ses_b', format: 'json' });
      expect(JSON.parse(text).messages).toHaveLength(1);
    }
  });

  it('reaches who follows the host, as events of its own journal', async () => {
    const { home, host, hold } = await setUp();
    const { wire } = await hold();
    await ok(host, 'events/subscribe', { from: 'start' });
    await ok(wire, 'replica/append', batchOf(home, itemsOf(home)));
    await host.until('all events', () => host.seqs.length === 8);
    const events = host.notifications('events/batch').flatMap(({ params }) => params.events);
    expect(events.map(({ seq, sessionId, version }: Anything) => [seq, sessionId, version])).toEqual(
      itemsOf(home).map(({ sessionId, version }, at) => [at + 1, sessionId, version]),
    );
  });

  it('needs the right to append, and no narrower one', async () => {
    const { home, hold } = await setUp();
    const batch = batchOf(home, itemsOf(home));
    const { wire: reader } = await hold({ rights: ['read'], sessions: '*' });
    expect(await refusal(reader, 'replica/append', batch)).toEqual({ kind: 'Forbidden', right: 'append' });
    const { wire: narrow } = await hold({ rights: ['append'], sessions: '*', ops: ['part/*'] });
    expect(await refusal(narrow, 'replica/append', batch)).toEqual({ kind: 'Forbidden', right: 'append' });
  });

  it('is refused by an older epoch, and at once when the capability is revoked', async () => {
    const { home, host, hold } = await setUp();
    const { wire, token, capability } = await hold();
    const items = itemsOf(home);
    const stale = batchOf(home, items, { capabilityEpoch: 0 });
    expect(await refusal(wire, 'replica/append', stale)).toEqual({ kind: 'Unauthorized', reason: 'staleEpoch' });
    await ok(host, 'capability/revoke', { capabilityId: capability.id, mode: 'bumpEpoch' });
    expect(await refusal(wire, 'replica/append', batchOf(home, items))).toMatchObject({ reason: 'staleEpoch' });
    const { capability: now } = await ok(wire, 'capability/redeem', { token });
    const sent = await ok(wire, 'replica/append', batchOf(home, items, { capabilityEpoch: now.epoch }));
    expect(sent.applied).toHaveLength(8);
    await ok(host, 'capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    expect(await refusal(wire, 'replica/append', batchOf(home, []))).toMatchObject({ reason: 'revoked' });
  });

  it('finds at redeem the cursor to go on from', async () => {
    const { home, daemon, hold } = await setUp();
    const { wire, token, redeemed } = await hold();
    expect(redeemed.cursor).toBeUndefined();
    const through = `${home.journal.storeId}.8.abc`;
    expect((await ok(wire, 'replica/append', batchOf(home, itemsOf(home), { through }))).cursor).toBe(through);
    const later = wireInMemory(daemon);
    expect((await ok(later, 'capability/redeem', { token })).cursor).toBe(through);
    const { redeemed: other } = await hold();
    expect(other.cursor).toBeUndefined();
  });

  it('makes the sessions that a capability names, and tells nothing of others', async () => {
    const { home, host, hold } = await setUp();
    await ok(host, 'session/create', { sessionId: 'ses_b' });
    const { wire } = await hold({ rights: ['append', 'read'], sessions: ['ses_a'] });
    const { applied, rejected } = await ok(wire, 'replica/append', batchOf(home, itemsOf(home)));
    expect(new Set(applied.map(({ ids }: Anything) => ids.sessionId))).toEqual(new Set(['ses_a']));
    const none = batchOf(
      home,
      itemsOf(home).map((item) => ({ ...item, sessionId: 'ses_none' })),
    );
    const unknown = (await ok(wire, 'replica/append', none)).rejected;
    expect(new Set([...rejected, ...unknown].map(({ kind }: Anything) => kind))).toEqual(new Set(['NotFound']));
  });

  it('is for what brought the session, what that was made out of, and the owner', async () => {
    const { home, host, hold, daemon } = await setUp();
    const top = await hold();
    const of = async (token: string, given: object = {}) => {
      const made = await ok(host, 'capability/attenuate', { label: 'y', token, ...given });
      const wire = wireInMemory(daemon);
      await ok(wire, 'capability/redeem', { token: made.token });
      return { wire, token: made.token as string };
    };
    const bringer = await of(top.token);
    const guest = await of(bringer.token, { rights: ['read', 'append'], sessions: ['ses_a'] });
    const stranger = await hold();
    const items = itemsOf(home);
    await ok(bringer.wire, 'replica/append', batchOf(home, items.slice(0, 1)));
    const next = async (wire: Wire, at: number) => {
      const { applied, rejected } = await ok(wire, 'replica/append', batchOf(home, [items[at]!]));
      return applied.length === 1 ? 'applied' : [rejected[0].kind, rejected[0].data.sessionId ?? rejected[0].data.id];
    };
    expect(await next(guest.wire, 1)).toEqual(['Forbidden', 'ses_a']);
    expect(await next(stranger.wire, 1)).toEqual(['AlreadyExists', 'ses_a']);
    // Nothing says that what came of theirs told the truth.
    expect(await next(top.wire, 1)).toEqual(['VersionConflict', 'ses_a']);
    expect(await next(host, 1)).toEqual(['VersionConflict', 'ses_a']);
    expect(await next(bringer.wire, 1)).toBe('applied');
    expect(await refusal(guest.wire, 'session/update', { sessionId: 'ses_a', title: 'mine' })).toMatchObject({
      kind: 'Forbidden',
    });
    const pieces = snapshotOf(home, 'ses_a', 'snap', 3);
    const whole = await ok(top.wire, 'replica/append', batchOf(home, pieces));
    expect(whole.applied).toHaveLength(pieces.length);
    await home.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'two' }));
    const [last] = itemsOf(home).slice(-1);
    items.push(last!);
    expect(await next(bringer.wire, items.length - 1)).toEqual(['Forbidden', 'ses_a']);
    expect(await next(top.wire, items.length - 1)).toBe('applied');
    expect((await ok(host, 'replica/append', batchOf(home, snapshotOf(home, 'ses_a', 'own')))).rejected).toEqual([]);
    expect(await next(top.wire, items.length - 1)).toEqual(['AlreadyExists', 'ses_a']);
  });

  /** What somebody makes up of a session: that it is far ahead of its home. */
  const forged = (home: Awaited<ReturnType<typeof setUp>>['home'], more: Partial<ReplicaItem> = {}): ReplicaItem => {
    const [piece] = snapshotOf(home, 'ses_a', 'forged', 1);
    Object.assign(piece!.events[0]!.data, { title: 'FORGED' });
    return { ...piece!, version: 1_000_000, snapshot: { id: 'forged', index: 0, done: true }, ...more };
  };
  const [whole, begun] = [true, false].map((done) => ({ snapshot: { id: 'forged', index: 0, done } }));

  for (const [origin, what, more] of [
    ['the same', 'whole', whole],
    ['another', 'whole', whole],
    ['the same', 'begun', begun],
    ['the same', 'deleted', 'deleted'],
  ] as const) {
    it(`is the home's, whatever came before by what was made of its own (origin: ${origin}, ${what})`, async () => {
      const { home, host, hold, daemon } = await setUp();
      const mine = await hold();
      const made = await ok(host, 'capability/attenuate', {
        ...{ label: 'guest', token: mine.token, rights: ['read', 'append'], sessions: ['ses_a'] },
      });
      const guest = wireInMemory(daemon);
      await ok(guest, 'capability/redeem', { token: made.token });
      const forge = (id: string) => {
        const items = [forged(home, what === 'deleted' ? whole : more)];
        if (what === 'deleted') {
          const data = { sessionId: 'ses_a' };
          const deletion = { ...items[0]!.events[0]!, type: 'session/deleted', data };
          items.push({ ...forged(home), snapshot: { id: 'gone', index: 0, done: true }, events: [deletion] as never });
        }
        const given = { batchId: id, ...(origin === 'another' && { origin: 'elsewhere' }) };
        return ok(guest, 'replica/append', batchOf(home, items, given));
      };
      expect((await forge('first')).rejected).toEqual([]);
      const items = itemsOf(home).filter(({ sessionId }) => sessionId === 'ses_a');
      const { applied, duplicates, rejected } = await ok(mine.wire, 'replica/append', batchOf(home, items));
      expect([applied, duplicates]).toEqual([[], []]);
      expect(rejected.map(({ kind, data }: Anything) => [kind, data.sessionId, data.actual])).toEqual(
        items.map(() => ['VersionConflict', 'ses_a', 0]),
      );
      // Under the forged id too: one that is sent whole is never there already.
      const [piece, ...rest] = snapshotOf(home, 'ses_a', 'forged', 3);
      expect((await ok(mine.wire, 'replica/append', batchOf(home, [piece!]))).applied).toHaveLength(1);
      expect((await forge('between')).rejected[0]).toMatchObject({ kind: 'Forbidden', data: { sessionId: 'ses_a' } });
      // While it arrives nothing is there already, whatever version was made up.
      expect((await ok(mine.wire, 'replica/append', batchOf(home, items))).duplicates).toEqual([]);
      expect((await ok(mine.wire, 'replica/append', batchOf(home, rest))).rejected).toEqual([]);
      expect((await forge('again')).rejected[0].kind).toBe('Forbidden');
      await home.writer.appendOne(owner, op('session/update', { sessionId: 'ses_a', title: 'true' }));
      const sent = await ok(mine.wire, 'replica/append', batchOf(home, itemsOf(home).slice(-1)));
      expect(sent.applied).toHaveLength(1);
      const { session } = await ok(host, 'session/get', { sessionId: 'ses_a' });
      expect([session.title, session.messageCount]).toEqual(['true', 1]);
    });
  }

  it('is taken over by another capability when that which brought it is over', async () => {
    const { home, host, hold } = await setUp();
    const [first, second, third] = [await hold(), await hold(), await hold()];
    const items = itemsOf(home);
    await ok(first.wire, 'replica/append', batchOf(home, items.slice(0, 2)));
    await ok(host, 'capability/revoke', { capabilityId: first.capability.id, mode: 'revoke' });
    const other = { ...batchOf(home, items.slice(0, 4)), origin: 'elsewhere' };
    expect((await ok(third.wire, 'replica/append', other)).rejected[0].kind).toBe('AlreadyExists');
    const { applied, duplicates } = await ok(second.wire, 'replica/append', batchOf(home, items));
    expect([applied.length, duplicates.length]).toEqual([6, 2]);
    expect((await ok(third.wire, 'replica/append', batchOf(home, items))).rejected[0].kind).toBe('AlreadyExists');
  });

  it('is in the audit, once for each session of a batch and what became of it', async () => {
    const { home, host, hold } = await setUp();
    const { wire, capability } = await hold();
    await ok(host, 'session/create', { sessionId: 'ses_b' });
    const batch = batchOf(home, itemsOf(home));
    await ok(wire, 'replica/append', batch);
    await ok(wire, 'replica/append', batch);
    await refusal(wire, 'replica/append', batchOf(home, [], { capabilityEpoch: 0 }));
    const { items } = await ok(host, 'capability/audit', { capabilityId: capability.id });
    const told = items.filter(({ method }: Anything) => method === 'replica/append').reverse();
    expect(told.map(({ sessionId, outcome }: Anything) => [sessionId, outcome])).toEqual([
      ['ses_a', 'ok'],
      ['ses_b', 'AlreadyExists'],
      ['ses_a', 'duplicate'],
      ['ses_b', 'AlreadyExists'],
      [null, 'Unauthorized'],
    ]);
  });

  it('[P25] stays at the host when the home is gone, and can be forked into a session of its own', async () => {
    const { home, host, hold } = await setUp();
    const { wire } = await hold();
    await ok(wire, 'replica/append', batchOf(home, itemsOf(home)));
    home.close();
    const { ids } = await ok(host, 'session/fork', { sessionId: 'ses_a' });
    await ok(host, 'session/update', { sessionId: ids.sessionId, title: 'mine' });
    expect('replica' in (await ok(host, 'session/get', { sessionId: ids.sessionId }))).toBe(false);
    const { items } = await ok(host, 'message/list', { sessionId: ids.sessionId });
    expect(items[0].parts[0].text).toBe('words of ses_a');
  });

  it('takes a snapshot that replaces a session out of what a search finds', async () => {
    const { home, host, hold } = await setUp();
    const { wire } = await hold();
    await ok(wire, 'replica/append', batchOf(home, itemsOf(home)));
    const count = async () => (await ok(host, 'session/search', { query: 'words' })).items.length;
    expect(await count()).toBe(2);
    await home.writer.appendOne(owner, op('message/remove', { sessionId: 'ses_a', messageId: 'msg_a' }));
    await ok(wire, 'replica/append', batchOf(home, snapshotOf(home, 'ses_a', 'snap')));
    expect(await count()).toBe(1);
    const put = { sessionId: 'ses_a', title: 'three' };
    await home.writer.appendOne(owner, op('session/update', put));
    await ok(wire, 'replica/append', batchOf(home, itemsOf(home).slice(-1)));
    expect((await ok(host, 'session/get', { sessionId: 'ses_a' })).session).toMatchObject({ title: 'three' });
  });
});
