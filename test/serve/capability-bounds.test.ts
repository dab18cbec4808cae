// What whoever holds a capability can bring upon the daemon, and upon what is kept of their deeds: bounded, over the wire
// (PROTOCOL.md 6).
import { expect, test } from 'vitest';
import { Access } from '../../daemon/serve/access.ts';
import type { Caller } from '../../daemon/serve/caller.ts';
import type { MethodName } from '../../protocol/methods.ts';
import { methods } from '../../protocol/methods.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { request, wireInMemory } from '../support/wire.ts';

const ok = async (wire: Wire, method: string, params: object = {}): Promise<Anything> => {
  const { result, error } = await wire.call(method, params);
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
};

let lastBatch = 0;
async function batch(wire: Wire, count: number, method: string, params: object): Promise<Anything[]> {
  const first = `b${++lastBatch}-0`;
  const isMine = (message: unknown) => Array.isArray(message) && message.some(({ id }) => id === first);
  wire.send(Array.from({ length: count }, (_, at) => request(`b${lastBatch}-${at}`, method, params)));
  await wire.until('the answers', () => wire.received.some(isMine));
  return wire.received.find(isMine) as unknown as Anything[];
}

async function setUp() {
  const { daemon } = daemonInProcess(testHome());
  const owner = wireInMemory(daemon);
  await ok(owner, 'session/create', { sessionId: 'ses_a' });
  const hold = async (token: string) => {
    const wire = wireInMemory(daemon);
    await ok(wire, 'capability/redeem', { token });
    return wire;
  };
  const grant = () => ok(owner, 'capability/grant', { label: 'x', rights: ['read'], sessions: ['ses_a'] });
  return { owner, hold, grant };
}

test('of one token come a thousand others at most, and the owner goes on giving', async () => {
  const { owner, hold, grant } = await setUp();
  const { token, capability } = await grant();
  const wire = await hold(token);
  const made = [
    ...(await batch(wire, 1_000, 'capability/attenuate', { token, label: 'y' })),
    ...(await batch(wire, 5, 'capability/attenuate', { token, label: 'y' })),
  ];
  const refused = made.flatMap(({ error }) => (error ? [error.data] : []));
  expect(refused).toEqual(
    Array(5).fill({ kind: 'LimitExceeded', limit: 1_000, what: 'capabilities that come of one' }),
  );
  await grant();
  // All of them end with it.
  await ok(owner, 'capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
  const below = made[0].result.token;
  expect((await wire.call('capability/redeem', { token: below })).error!.data).toMatchObject({ reason: 'revoked' });
});

test('of one token come four megabytes of sessions at most', async () => {
  const { owner, grant } = await setUp();
  const sessions = Array.from({ length: 1_000 }, (_, at) => `ses_${String(at).padEnd(60, 'x')}`);
  const { token } = await ok(owner, 'capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
  const made = await batch(owner, 100, 'capability/attenuate', { token, label: 'y', sessions });
  const refused = made.flatMap(({ error }) => (error ? [error.data] : []));
  expect(refused.length).toBeGreaterThan(30);
  expect(refused.length).toBeLessThan(45);
  expect(refused[0]).toMatchObject({ kind: 'LimitExceeded', limit: 4 * 1024 * 1024 });
  await grant();
});

test('what came of one token has a thousand names together', async () => {
  const { hold, grant } = await setUp();
  const { token } = await grant();
  const wires = [await hold(token)];
  for (let made = 0; made < 2; made += 1) {
    const child = await ok(wires[0]!, 'capability/attenuate', { token, label: 'y' });
    wires.push(await hold(child.token));
  }
  const subscribe = (wire: Wire, from: number, count: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => wire.call('events/subscribe', { name: `n${from + at}` })));
  const answers = [...(await subscribe(wires[1]!, 0, 600)), ...(await subscribe(wires[2]!, 600, 405))];
  const refused = answers.flatMap(({ error }) => (error ? [error.data] : []));
  expect(refused).toEqual(Array(5).fill({ kind: 'LimitExceeded', limit: 1_000, what: 'named subscribers' }));
});

test('whoever comes a thousand times with a token that is over is written down once', async () => {
  const { owner, hold, grant } = await setUp();
  const { token, capability } = await grant();
  const wire = await hold(token);
  await ok(owner, 'capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
  for (const answers of [
    await batch(owner, 500, 'capability/attenuate', { token, label: 'y' }),
    await batch(wire, 500, 'capability/redeem', { token }),
  ]) {
    expect(new Set(answers.map(({ error }) => error.data.reason))).toEqual(new Set(['revoked']));
  }
  const { items } = await ok(owner, 'capability/audit', { capabilityId: capability.id, limit: 1000 });
  expect(items.map(({ method, outcome }: Anything) => `${method} ${outcome}`)).toEqual([
    ...['capability/redeem Unauthorized', 'capability/attenuate Unauthorized'],
    ...['capability/revoke ok', 'capability/redeem ok', 'capability/grant ok'],
  ]);
});

/** Access to a method for somebody whose deeds `audit` writes down. */
function accessWith(audit: () => Promise<void>, invalid: Anything = undefined) {
  const access = new Access({ lists: {} as never, capabilities: { audit } });
  const capability = { id: 'cap_a', rights: ['read'], sessions: '*' };
  const grant = { capability, epoch: 1, invalid: () => invalid };
  const caller = { grant, audited: new Set(), author: {} } as unknown as Caller;
  return (name: MethodName) => Promise.resolve(access.run(caller, name, methods[name], {}, () => 'a secret'));
}

test('nothing is read that could not be written down, however often it is asked for', async () => {
  let isFull = true;
  let written = 0;
  const read = accessWith(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    if (isFull) throw new Error('full');
    written += 1;
  });
  for (const asked of [1, 3, 1]) {
    const answers = await Promise.allSettled(Array.from({ length: asked }, () => read('session/list')));
    expect(answers.map(({ status }) => status)).toEqual(Array(asked).fill('rejected'));
  }
  isFull = false;
  const answers = await Promise.all(Array.from({ length: 3 }, () => read('session/list')));
  expect(answers).toEqual(Array(3).fill('a secret'));
  await read('session/list');
  expect(written).toBe(1);
  await read('message/list');
  expect(written).toBe(2);
});

test('what is refused since a capability is over is written down once, also where it was asked at once', async () => {
  let written = 0;
  const refusal = { refused: 'Unauthorized', message: 'over', data: { reason: 'revoked' } };
  const read = accessWith(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    written += 1;
  }, refusal);
  const answers = await Promise.allSettled(Array.from({ length: 3 }, () => read('session/list')));
  expect(answers.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  await expect(read('session/list')).rejects.toThrow('over');
  expect(written).toBe(1);
});
