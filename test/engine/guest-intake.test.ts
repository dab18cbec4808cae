// The home of a share and a host that answers as it likes: how often it is asked, and what is applied here.
import { expect, test } from 'vitest';
import type { ShareHost } from '../../daemon/adapters/adapter.ts';
import { takeGuestsHome } from '../../daemon/engine/guest-intake.ts';
import type { GuestOp, GuestResult } from '../../protocol/outbox.ts';
import { afterTest } from '../support/daemon.ts';
import { until } from '../support/deadline.ts';
import { makeHome } from '../support/home.ts';
import { op, openRecords, owner } from '../support/records.ts';
import { SteppedRuntime } from '../support/stepped-runtime.ts';

const backoff = { baseMs: 500, maxMs: 60_000 };

/** A home that takes from a host which gives what `answer` gives, at once. */
async function intake(answer: (time: number) => unknown[]) {
  const home = makeHome();
  afterTest(() => home.remove());
  const runtime = new SteppedRuntime();
  const records = openRecords(home.folder, runtime);
  await records.writer.append(owner, [op('session/create', { sessionId: 'ses_a' })]);
  const asked: number[] = [];
  const told: GuestResult[] = [];
  const host = {
    takeGuestOps: async () => {
      asked.push(runtime.time);
      return answer(asked.length) as GuestOp[];
    },
    ackGuestOps: async (_origin: string, results: GuestResult[]) => void told.push(...results),
  } as unknown as ShareHost;
  const grant = {
    capability: { id: 'cap_share', rights: ['read', 'append'], sessions: ['ses_a'] },
    epoch: 1,
    invalid: () => undefined,
  };
  const capabilities = { actWith: () => grant as never, isKnown: (id: string) => id === 'cap_mine' };
  const over = new AbortController();
  const deps = { writer: records.writer, capabilities, runtime, backoff, storeId: records.journal.storeId };
  const ended = takeGuestsHome(deps, host, { shareId: 'shr_a', capabilityId: 'cap_share' }, over.signal);
  afterTest(async () => {
    over.abort();
    await ended;
  });
  return { runtime, asked, told, records };
}

const guestOp = (opId: string, params: object = { sessionId: 'ses_a', messageId: `msg_${opId}`, role: 'user' }) => ({
  ...{ guestOpId: `gop_${opId}`, principal: 'cap_guest', actorId: 'cap_guest/c1' },
  op: { opId, type: 'message/put', params },
});

/** Lets a second pass, in steps in which whoever waits is woken. */
async function pass(runtime: SteppedRuntime, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    await until(() => runtime.nextIn() !== undefined);
    runtime.pass(100);
  }
}

test.each([
  ['nothing', () => []],
  ['what it has given before', () => [guestOp('same')]],
  ['what nobody understands', () => [{ guestOpId: 'x' }]],
])('a host that answers at once with %s is asked ever more seldom', async (_, answer) => {
  const { runtime, asked } = await intake(answer);
  await pass(runtime, 60_000);
  expect(asked.length).toBeGreaterThan(2);
  expect(asked.length).toBeLessThan(30);
});

test('ops that are new are taken one behind another, without a wait', async () => {
  const { runtime, told, asked } = await intake((time) => (time <= 20 ? [guestOp(`${time}`)] : []));
  await until(() => told.length === 20);
  expect(new Set(asked.slice(0, 20))).toEqual(new Set([runtime.time]));
});

test('a guest is who did it, by the name that the host gives; one that would be somebody here has the name of the share before it', async () => {
  const given = [guestOp('a'), { ...guestOp('b'), actorId: 'cap_mine/c1' }, { ...guestOp('c'), actorId: 'system' }];
  const { told, records } = await intake((time) => (time === 1 ? given : []));
  await until(() => told.length === 3);
  const actors = ['a', 'b', 'c'].map((id) => records.tables.findMessage(`msg_${id}`)!.actorId);
  expect(actors).toEqual(['cap_guest/c1', 'shr_a/cap_mine/c1', 'shr_a/system']);
});
