// Capabilities as they are kept: what is over goes after as long as its audit.
import { expect, test } from 'vitest';
import { Capabilities } from '../../daemon/engine/capabilities.ts';
import { AuditRows } from '../../daemon/store/audit-rows.ts';
import { CapabilityRows } from '../../daemon/store/capability-rows.ts';
import { testHome } from '../support/daemon.ts';
import type { Records } from '../support/records.ts';
import { openRecords, owner } from '../support/records.ts';

const open = ({ db, writer, runtime }: Records, maxEntries = 1_000) => {
  const [rows, audit] = [new CapabilityRows(db), new AuditRows(db)];
  return new Capabilities({
    rows,
    audit,
    auditRule: { maxAgeMs: 1_000, maxEntries },
    onEnded: () => {},
    writer,
    runtime,
  });
};

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
  runtime.time += 1_000;
  await capabilities.prune(2);
  expect(listed(capabilities)).toHaveLength(4);
  runtime.time += 11;
  await capabilities.prune(2);
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
  await capabilities.prune(2);
  const kept = capabilities.readAudit(undefined, undefined, 100, undefined).items;
  expect(kept.map(({ method }) => method)).toEqual(['m9', 'm8', 'm7', 'turn/list', 'capability/grant']);
});
