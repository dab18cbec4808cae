// Scopes: what is made out of one is never more, whatever is asked for and however often.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../../daemon/core/capability.ts';
import { allowsOp, holds, invalidReason, narrow, sees } from '../../daemon/core/capability.ts';
import type { Right } from '../../protocol/capability.ts';
import { rights } from '../../protocol/capability.ts';
import { isRefusal } from '../../protocol/errors.ts';

const sessionIds = ['ses_a', 'ses_b', 'ses_c'];
const types = ['part/put', 'part/delta', 'part/remove', 'message/put', 'message/remove', 'session/create'];
const patterns = [...types, 'part/*', 'message/*', 'session/*'];
const some = <T>(from: readonly T[]) => fc.uniqueArray(fc.constantFrom(...from), { minLength: 1 });
const times = fc.option(fc.integer({ min: 1, max: 5 }), { nil: null });
const sessions = fc.oneof(fc.constant('*' as const), some(sessionIds));

const scopes: fc.Arbitrary<Scope> = fc.record(
  { rights: some(rights), sessions, ops: some(patterns), expiresAt: times },
  { requiredKeys: ['rights', 'sessions', 'expiresAt'] },
);
const asks = fc.record({ rights: some(rights), sessions, ops: some(patterns), expiresAt: times }, { requiredKeys: [] });

type Act = { right: Right; sessionId: string; type: string; now: number };
const may = (scope: Scope, { right, sessionId, type, now }: Act) =>
  holds(scope, right) &&
  sees(scope, sessionId) &&
  allowsOp(scope, type) &&
  invalidReason({ ...scope, revokedAt: null, epoch: 1 }, 1, now) === undefined;
const acts: Act[] = rights.flatMap((right) =>
  [...sessionIds, 'ses_other'].flatMap((sessionId) =>
    types.flatMap((type) => [0, 1, 3, 5, 9].map((now) => ({ right, sessionId, type, now }))),
  ),
);

describe('a scope that is made out of another', () => {
  test('allows nothing that the one before forbids, along any chain', () => {
    const granted = { chains: 0 };
    fc.assert(
      fc.property(scopes, fc.array(asks, { maxLength: 4 }), (first, chain) => {
        let parent = first;
        for (const asked of chain) {
          const made = narrow(parent, asked);
          if (isRefusal(made)) continue;
          for (const act of acts) if (may(made, act)) expect(may(parent, act)).toBe(true);
          granted.chains += 1;
          parent = made;
        }
      }),
      { numRuns: 500 },
    );
    expect(granted.chains).toBeGreaterThan(100);
  });

  test('is exactly what was asked for, and what was not asked for is as before', () => {
    const parent: Scope = {
      rights: ['read', 'append', 'share'],
      sessions: ['ses_a', 'ses_b'],
      ops: ['part/*'],
      expiresAt: 5,
    };
    expect(narrow(parent, {})).toEqual(parent);
    expect(narrow(parent, { rights: ['read'], ops: ['part/put'] })).toEqual({
      ...parent,
      rights: ['read'],
      ops: ['part/put'],
    });
    expect(narrow(parent, { sessions: ['ses_b', 'ses_b'], expiresAt: 4 })).toEqual({
      ...parent,
      sessions: ['ses_b'],
      expiresAt: 4,
    });
  });

  const parent: Scope = { rights: ['read'], sessions: ['ses_a'], ops: ['part/put'], expiresAt: 5 };
  test.each([
    ['a right', { rights: ['read', 'append'] }, 'Forbidden'],
    ['the right to share, by one who reads', { rights: ['share'] }, 'Forbidden'],
    ['a session that is hidden', { sessions: ['ses_a', 'ses_b'] }, 'NotFound'],
    ['all sessions', { sessions: '*' }, 'Forbidden'],
    ['a family of ops', { ops: ['part/*'] }, 'Forbidden'],
    ['another op', { ops: ['part/put', 'message/put'] }, 'Forbidden'],
    ['more time', { expiresAt: 6 }, 'Forbidden'],
    ['all time', { expiresAt: null }, 'Forbidden'],
  ] as const)('is refused where it asks for more: %s', (_what, asked, refused) => {
    expect(narrow(parent, asked as Parameters<typeof narrow>[1])).toMatchObject({ refused });
  });
});

test('who may administer may share', () => {
  const admin: Scope = { rights: ['admin'], sessions: '*', expiresAt: null };
  expect(holds(admin, 'share')).toBe(true);
  expect(holds(admin, 'read')).toBe(false);
});

test('a capability cannot be acted with when it is revoked, when its time has come, and from an epoch before', () => {
  const good = { revokedAt: null, expiresAt: 5, epoch: 2 };
  expect(invalidReason(good, 2, 4)).toBeUndefined();
  expect(invalidReason(good, 2, 5)).toBe('expired');
  expect(invalidReason(good, 1, 4)).toBe('staleEpoch');
  expect(invalidReason({ ...good, revokedAt: 3 }, 1, 9)).toBe('revoked');
});
