// Capabilities as they are kept: in memory as on disk whatever fails, within bounds, and what is over goes after as long as its
// audit, or where its place is wanted.
import { describe, expect, test, vi } from 'vitest';
import { Capabilities } from '../../daemon/engine/capabilities.ts';
import type { CapabilityLimits } from '../../daemon/engine/capability-tree.ts';
import { unauthorized } from '../../daemon/engine/grant.ts';
import { AuditRows } from '../../daemon/store/audit-rows.ts';
import { CapabilityRows } from '../../daemon/store/capability-rows.ts';
import { testHome } from '../support/daemon.ts';
import { fillDisk } from '../support/full-disk.ts';
import type { Records } from '../support/records.ts';
import { openRecords, owner } from '../support/records.ts';

const open = ({ db, writer, runtime }: Records, maxEntries = 1_000, limits: Partial<CapabilityLimits> = {}) => {
  const rows = new CapabilityRows(db);
  const audit = new AuditRows(db);
  const auditRule = { maxAgeMs: 1_000, maxEntries };
  return new Capabilities({ rows, audit, auditRule, onEnded: () => {}, writer, runtime, limits });
};
const fresh = () => openRecords(testHome().paths.data);
const reading = { label: 'x', rights: ['read' as const], sessions: '*' as const };
const running = new AbortController().signal;
const ids = (capabilities: Capabilities) => capabilities.list(undefined).map(({ id }) => id);
const audited = (capabilities: Capabilities) =>
  capabilities
    .readAudit(undefined, undefined, 100, undefined)
    .items.map(({ method, outcome }) => `${method} ${outcome}`);

test('what is over goes when it was so for as long as the audit is kept, and with it its audit; what is not stays', async () => {
  const records = openRecords(testHome().paths.data);
  const { runtime } = records;
  const capabilities = open(records);
  const given = { label: 'x', rights: ['read' as const], sessions: '*' as const };
  const kept = await capabilities.grant(owner, given);
  const expiring = await capabilities.grant(owner, { ...given, expiresAt: runtime.time + 10 });
  await capabilities.attenuate(owner, expiring.token, { label: 'less' });
  const revoked = await capabilities.grant(owner, given);
  await capabilities.revoke(owner, revoked.capability.id, 'revoke');
  const listed = (from: Capabilities) => from.list(undefined).map(({ id }) => id);
  const prune = async () => {
    capabilities.expire(runtime.time);
    await capabilities.prune(2, running);
  };
  runtime.time += 1_000;
  await prune();
  expect(listed(capabilities)).toHaveLength(4);
  runtime.time += 11;
  await prune();
  expect(listed(capabilities)).toEqual([kept.capability.id]);
  expect(listed(open(records))).toEqual([kept.capability.id]);
  expect(capabilities.readAudit(undefined, undefined, 100, undefined).items).toEqual([]);
  expect(() => capabilities.redeem(revoked.token)).toThrow('not known');
  expect(capabilities.redeem(kept.token).capability.label).toBe('x');
});

test('of a store that is opened again each capability is what it was, and its token good', async () => {
  const records = openRecords(testHome().paths.data);
  const first = open(records);
  const { token, capability } = await first.grant(owner, {
    ...{ label: 'x', rights: ['append'], sessions: ['ses_a'], ops: ['part/*'], expiresAt: records.runtime.time + 10 },
  });
  await first.revoke(owner, capability.id, 'bumpEpoch');
  const again = open(records);
  expect(again.list(undefined)).toEqual([{ ...capability, epoch: 2 }]);
  expect(again.redeem(token).epoch).toBe(2);
});

test('so many are kept at most, however many are asked for at once', async () => {
  const capabilities = open(openRecords(testHome().paths.data));
  const given = { label: 'x', rights: ['read' as const], sessions: '*' as const };
  const all = await Promise.allSettled(Array.from({ length: 10_005 }, () => capabilities.grant(owner, given)));
  const refused = all.flatMap((each) => (each.status === 'rejected' ? [each.reason.refusal] : []));
  expect(refused).toHaveLength(5);
  expect(refused[0]).toMatchObject({ refused: 'LimitExceeded', data: { limit: 10_000, what: 'capabilities' } });
  expect(capabilities.list(undefined)).toHaveLength(10_000);
});

test('of the audit of one capability the newest are kept: who fills it pushes out nothing of others', async () => {
  const capabilities = open(openRecords(testHome().paths.data), 3);
  const given = { label: 'x', rights: ['read' as const], sessions: '*' as const };
  const [first, second] = [await capabilities.grant(owner, given), await capabilities.grant(owner, given)];
  const ask = async (token: string, method: string) => {
    const author = { principal: 'x', actorId: 'x', grant: capabilities.redeem(token) };
    await capabilities.audit(author, { method, sessionId: null, outcome: 'ok' });
  };
  await ask(first.token, 'turn/list');
  for (let at = 0; at < 10; at += 1) await ask(second.token, `m${at}`);
  await capabilities.prune(2, running);
  const kept = capabilities.readAudit(undefined, undefined, 100, undefined).items;
  expect(kept.map(({ method }) => method)).toEqual(['m9', 'm8', 'm7', 'turn/list', 'capability/grant']);
});

describe('what cannot be written', () => {
  test.each(['revoke', 'bumpEpoch'] as const)(
    '%s leaves all as it was, in memory and on disk, and can be asked for again',
    async (mode) => {
      const records = fresh();
      const capabilities = open(records);
      const first = await capabilities.grant(owner, reading);
      const second = await capabilities.attenuate(owner, first.token, { label: 'y' });
      const before = structuredClone(capabilities.list(undefined));
      const makeRoom = fillDisk(records.db);
      const { id } = first.capability;
      const asked = [capabilities.revoke(owner, id, mode), capabilities.revoke(owner, id, mode)];
      for (const each of await Promise.allSettled(asked)) {
        expect(each).toMatchObject({ status: 'rejected', reason: { refusal: { refused: 'StoreUnavailable' } } });
      }
      expect(capabilities.list(undefined)).toEqual(before);
      for (const { token } of [first, second]) expect(capabilities.redeem(token).invalid()).toBeUndefined();
      makeRoom();
      expect(open(records).list(undefined)).toEqual(before);
      await capabilities.revoke(owner, id, mode);
      const after = capabilities.list(undefined);
      expect(after.map(({ epoch, revokedAt }) => [epoch, revokedAt !== null])).toEqual(
        Array(2).fill(mode === 'revoke' ? [1, true] : [2, false]),
      );
      expect(open(records).list(undefined)).toEqual(after);
    },
  );

  test('does not count as used, nor as made, and takes no place', async () => {
    const records = fresh();
    const capabilities = open(records, 1_000, { maxCapabilities: 2 });
    const { token, capability } = await capabilities.grant(owner, reading);
    const over = await capabilities.grant(owner, reading);
    await capabilities.revoke(owner, over.capability.id, 'revoke');
    const makeRoom = fillDisk(records.db);
    records.runtime.time += 10;
    await expect(capabilities.begin(owner, capabilities.redeem(token))).rejects.toThrow('full');
    await expect(capabilities.grant(owner, reading)).rejects.toThrow('full');
    expect(capability.lastUsedAt).toBeNull();
    expect(ids(capabilities)).toEqual([capability.id, over.capability.id]);
    makeRoom();
    expect(open(records).list(undefined)).toEqual(capabilities.list(undefined));
    const made = await capabilities.grant(owner, reading);
    expect(ids(capabilities)).toEqual([capability.id, made.capability.id]);
    expect(ids(open(records))).toEqual(ids(capabilities));
  });

  test('since another write of the same turn failed is done once when it is done again', async () => {
    const records = fresh();
    const capabilities = open(records);
    const { capability } = await capabilities.grant(owner, reading);
    const bump = () => capabilities.revoke(owner, capability.id, 'bumpEpoch');
    const fails = records.writer.write(() => {
      throw new Error('a bug');
    });
    await Promise.allSettled([bump(), bump(), fails]);
    expect(capability.epoch).toBe(3);
    expect(open(records).list(undefined)[0]!.epoch).toBe(3);
  });
});

test('what was revoked is not written again, nor found by looking through all', async () => {
  const records = fresh();
  const capabilities = open(records);
  const { capability, token } = await capabilities.grant(owner, reading);
  for (let made = 0; made < 3; made += 1) await capabilities.attenuate(owner, token, { label: 'y' });
  await capabilities.grant(owner, reading);
  const update = vi.spyOn(CapabilityRows.prototype, 'update');
  await capabilities.revoke(owner, capability.id, 'bumpEpoch');
  expect(update).toHaveBeenCalledTimes(4);
  await capabilities.revoke(owner, capability.id, 'revoke');
  expect(update).toHaveBeenCalledTimes(8);
  for (const mode of ['revoke', 'bumpEpoch'] as const) await capabilities.revoke(owner, capability.id, mode);
  expect(update).toHaveBeenCalledTimes(8);
  update.mockRestore();
});

test('a revocation of many takes as much of a transaction as it writes', async () => {
  const records = fresh();
  const capabilities = open(records);
  const { capability, token } = await capabilities.grant(owner, reading);
  await Promise.all(Array.from({ length: 1_000 }, () => capabilities.attenuate(owner, token, { label: 'y' })));
  const exec = vi.spyOn(records.db, 'exec');
  await Promise.all(Array.from({ length: 6 }, () => capabilities.revoke(owner, capability.id, 'bumpEpoch')));
  expect(exec.mock.calls.filter(([sql]) => sql === 'COMMIT')).toHaveLength(6);
});

describe('the bounds', () => {
  const full = (what: string, limit: number) => ({
    refusal: { refused: 'LimitExceeded', data: { what, limit } },
  });

  test('of what comes of one that the owner gave leave the places of others alone', async () => {
    const capabilities = open(fresh(), 1_000, { maxBelow: 2 });
    const { token } = await capabilities.grant(owner, { ...reading, rights: ['read', 'share'] });
    const child = await capabilities.attenuate(owner, token, { label: 'y' });
    const by = { principal: 'x', actorId: 'x', grant: capabilities.redeem(child.token) };
    await capabilities.grant(by, reading);
    for (const refused of [
      () => capabilities.attenuate(owner, token, { label: 'z' }),
      () => capabilities.attenuate(owner, child.token, { label: 'z' }),
      () => capabilities.grant(by, reading),
    ]) {
      await expect(refused()).rejects.toMatchObject(full('capabilities that come of one', 2));
    }
    const other = await capabilities.grant(owner, reading);
    await capabilities.attenuate(owner, other.token, { label: 'z' });
    expect(ids(capabilities)).toHaveLength(5);
  });

  test('of the text of scopes hold for what comes of one, and for all, with what was there before', async () => {
    const records = fresh();
    const unit = JSON.stringify({ rights: ['read'], sessions: ['ses_a'] }).length;
    const scope = { label: 'x', rights: ['read' as const], sessions: ['ses_a'] };
    const limits = { maxScopeUnits: 4 * unit, maxBelowScopeUnits: 2 * unit };
    const first = open(records, 1_000, limits);
    const { token } = await first.grant(owner, scope);
    await first.attenuate(owner, token, { label: 'y' });
    const capabilities = open(records, 1_000, limits);
    await expect(capabilities.attenuate(owner, token, { label: 'y' })).rejects.toMatchObject(
      full('the text of the scopes of capabilities that come of one', 2 * unit),
    );
    await capabilities.grant(owner, scope);
    await capabilities.grant(owner, scope);
    await expect(capabilities.grant(owner, scope)).rejects.toMatchObject(
      full('the text of the scopes of capabilities', 4 * unit),
    );
  });

  test('once reached are made room below by what is over, the longest first, for the owner at once', async () => {
    const records = fresh();
    const { runtime } = records;
    const capabilities = open(records, 1_000, { maxCapabilities: 4 });
    const [kept, expiring, revoked] = [
      await capabilities.grant(owner, reading),
      await capabilities.grant(owner, { ...reading, expiresAt: runtime.time + 10 }),
      await capabilities.grant(owner, reading),
    ];
    const child = await capabilities.attenuate(owner, revoked.token, { label: 'y' });
    await expect(capabilities.grant(owner, reading)).rejects.toMatchObject(full('capabilities', 4));
    await capabilities.revoke(owner, revoked.capability.id, 'revoke');
    runtime.time += 20;
    // Whoever acts with it is told by the tick that its time is over: until then it stays.
    const fourth = await capabilities.grant(owner, reading);
    const here = () =>
      [kept, expiring, revoked, child].filter((each) => ids(capabilities).includes(each.capability.id));
    expect(here()).toEqual([kept, expiring, revoked]);
    capabilities.expire(runtime.time);
    await capabilities.grant(owner, reading);
    expect(here()).toEqual([kept, expiring]);
    await capabilities.grant(owner, reading);
    expect(here()).toEqual([kept]);
    await expect(capabilities.grant(owner, reading)).rejects.toMatchObject(full('capabilities', 4));
    expect(ids(open(records))).toEqual(ids(capabilities));
    expect(ids(capabilities)).toContain(fourth.capability.id);
    expect(() => capabilities.redeem(revoked.token)).toThrow('not known');
  });

  test('of what comes of one are made room below by what is over for an hour', async () => {
    const records = fresh();
    const { runtime } = records;
    const capabilities = open(records, 1_000, { maxBelow: 1 });
    const { token } = await capabilities.grant(owner, reading);
    const make = (expiresAt: number) => capabilities.attenuate(owner, token, { label: 'y', expiresAt });
    const first = await make(runtime.time + 10);
    for (const passed of [10, 3600_000]) {
      runtime.time += passed;
      capabilities.expire(runtime.time);
      await expect(make(runtime.time + 10)).rejects.toMatchObject(full('capabilities that come of one', 1));
    }
    runtime.time += 1;
    const second = await make(runtime.time + 10);
    expect(ids(capabilities)).not.toContain(first.capability.id);
    expect(ids(capabilities)).toContain(second.capability.id);
  });

  test('hold in memory: what sees the same sessions holds them once, after a restart too', async () => {
    const records = fresh();
    const sessions = Array.from({ length: 1_000 }, (_, at) => `ses_${at}`);
    const capabilities = open(records);
    const { token } = await capabilities.grant(owner, { ...reading, sessions });
    await capabilities.attenuate(owner, token, { label: 'y', sessions: [...sessions] });
    for (const each of [capabilities, open(records)]) {
      const [parent, child] = each.list(undefined);
      expect(child!.sessions).toEqual(sessions);
      expect(child!.sessions).toBe(parent!.sessions);
    }
  });
});

test('one that is forgotten is not acted with, whatever the clock says since', async () => {
  const records = fresh();
  const { runtime } = records;
  const capabilities = open(records, 1_000, { maxCapabilities: 1 });
  const { token } = await capabilities.grant(owner, { ...reading, expiresAt: runtime.time + 10 });
  const grant = capabilities.redeem(token);
  runtime.time += 10;
  capabilities.expire(runtime.time);
  await capabilities.grant(owner, reading);
  runtime.time -= 10;
  expect(grant.invalid()).toEqual(unauthorized('unknown'));
  await expect(capabilities.begin(owner, grant)).rejects.toThrow('not known');
});

test('by what is refused nobody pushes out of the audit what they did', async () => {
  const capabilities = open(fresh(), 20);
  const { capability, token } = await capabilities.grant(owner, reading);
  const by = { principal: 'x', actorId: 'x', grant: capabilities.redeem(token) };
  const note = (method: string, outcome: string) => capabilities.audit(by, { method, sessionId: null, outcome });
  await note('session/update', 'ok');
  for (let at = 0; at < 30; at += 1) await note('message/remove', ['NotFound', 'duplicate'][at % 2]!);
  await note('session/export', 'ok');
  await capabilities.revoke(owner, capability.id, 'revoke');
  await capabilities.prune(3, running);
  expect(audited(capabilities)).toEqual([
    ...['capability/revoke ok', 'session/export ok', 'message/remove duplicate', 'message/remove NotFound'],
    ...['session/update ok', 'capability/grant ok'],
  ]);
});

test('whoever comes again and again with a token that is over is written down once a minute and method', async () => {
  const records = fresh();
  const { runtime } = records;
  const capabilities = open(records);
  const { capability, token } = await capabilities.grant(owner, reading);
  await capabilities.revoke(owner, capability.id, 'revoke');
  const come = async () => {
    await capabilities.refused(owner, 'capability/redeem', token, unauthorized('revoked'));
    await expect(capabilities.attenuate(owner, token, { label: 'y' })).rejects.toThrow('revoked');
  };
  const makeRoom = fillDisk(records.db);
  await expect(come()).rejects.toThrow('full');
  makeRoom();
  await Promise.all(Array.from({ length: 10 }, come));
  runtime.time += 59_999;
  await come();
  const once = ['capability/attenuate Unauthorized', 'capability/redeem Unauthorized'];
  expect(audited(capabilities).sort()).toEqual([...once, 'capability/grant ok', 'capability/revoke ok'].sort());
  runtime.time += 1;
  await come();
  const told = audited(capabilities).filter((each) => each.endsWith('Unauthorized'));
  expect(told.sort()).toEqual([...once, ...once].sort());
});

test('the audit of many is read in pages, the newest first, whoever did how much', async () => {
  const capabilities = open(fresh());
  const { token } = await capabilities.grant(owner, { ...reading, rights: ['read', 'share'] });
  const held = [token];
  for (let made = 0; made < 4; made += 1) held.push((await capabilities.attenuate(owner, token, { label: 'y' })).token);
  await capabilities.grant(owner, reading);
  for (let at = 0; at < 40; at += 1) {
    const by = { principal: 'x', actorId: 'x', grant: capabilities.redeem(held[(at * at) % 5]!) };
    await capabilities.audit(by, { method: `m${at}`, sessionId: null, outcome: at % 3 ? 'ok' : 'NotFound' });
  }
  const read = (limit: number) => {
    const items: string[] = [];
    let before: number | undefined;
    do {
      const page = capabilities.readAudit(capabilities.redeem(token), undefined, limit, before);
      items.push(...page.items.map(({ method }) => method));
      before = page.next;
    } while (before !== undefined);
    return items;
  };
  const expected = [
    ...Array.from({ length: 40 }, (_, at) => `m${39 - at}`),
    ...Array.from({ length: 4 }, () => 'capability/attenuate'),
    'capability/grant',
  ];
  for (const limit of [1, 7, 45, 100]) expect(read(limit)).toEqual(expected);
});

test('what is not there any more is gone for good, and came of itself; who is no capability is not', async () => {
  const records = fresh();
  const capabilities = open(records);
  const { capability, token } = await capabilities.grant(owner, reading);
  const child = await capabilities.attenuate(owner, token, { label: 'y' });
  const below = await capabilities.attenuate(owner, child.token, { label: 'z' });
  const principals = ['owner', 'system', 'cap_none', capability.id, below.capability.id];
  const gone = () => principals.map((each) => capabilities.isGone(each));
  expect(gone()).toEqual([false, false, true, false, false]);
  const { id } = capability;
  expect(principals.map((each) => capabilities.rootOf(each))).toEqual(['owner', 'system', 'cap_none', id, id]);
  await capabilities.revoke(owner, child.capability.id, 'revoke');
  expect(gone()).toEqual([false, false, true, false, true]);
});
