// A token that is refused, and what was sent behind it: who shows one is not taken for who they were before (PROTOCOL.md 6).
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

const hello = (token?: string) => ({
  protocolVersion: 1,
  client: { name: 'c', version: '1' },
  ...(token && { token }),
});
const unknown = { kind: 'Unauthorized', reason: 'unknown' };

async function setUp() {
  const home = testHome();
  const { daemon } = daemonInProcess(home);
  await daemon.start();
  const owner = wireInMemory(daemon);
  const ok = async (wire: Wire, method: string, params: object = {}): Promise<Anything> => {
    const { result, error } = await wire.call(method, params);
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  };
  await ok(owner, 'session/create', { sessionId: 'ses_a', title: 'hidden' });
  await ok(owner, 'session/create', { sessionId: 'ses_b', title: 'shown' });
  const grant = (more: object = {}) =>
    ok(owner, 'capability/grant', { label: 'x', rights: ['read'], sessions: ['ses_b'], ...more });
  const revoked = await grant();
  await ok(owner, 'capability/revoke', { capabilityId: revoked.capability.id, mode: 'revoke' });
  return { home, daemon, owner, ok, grant, revoked: revoked.token as string };
}

describe('what is sent behind a token that is refused', () => {
  it.each([
    ['initialize with a token that is over', (token: string) => request(1, 'initialize', hello(token))],
    ['redeem with a token that is over', (token: string) => request(1, 'capability/redeem', { token })],
    ['redeem with a token that is none', () => request(1, 'capability/redeem', { token: 'cap_x.y' })],
    ['redeem with no token', () => request(1, 'capability/redeem', {})],
    ['initialize that misses a member', (token: string) => request(1, 'initialize', { protocolVersion: 1, token })],
    [
      'initialize of another version',
      (token: string) => request(1, 'initialize', { ...hello(token), protocolVersion: 99 }),
    ],
  ])('is done as nobody: %s', async (_, shown) => {
    const { home, owner, ok, revoked } = await setUp();
    for (const isBatch of [false, true]) {
      const wire = await wireTo(home.paths.socket);
      await wire.call('events/subscribe', {});
      const asked = [
        shown(revoked),
        request(2, 'session/list'),
        request(3, 'session/delete', { sessionId: 'ses_a' }),
        request(4, 'ping'),
        request(5, 'initialize', hello()),
        request(6, 'events/subscribe', { from: 'start' }),
        request(7, 'capability/grant', { label: 'x', rights: ['admin'], sessions: '*' }),
      ];
      if (isBatch) wire.send(asked);
      else wire.send(...asked);
      await wire.until('the answers', () => wire.received.flat().filter(({ id }) => Number(id) > 0).length === 7);
      const answers = wire.received.flat().filter(({ id }) => Number(id) > 0) as Anything[];
      for (const { id, error } of answers) if (id > 1) expect(error?.data, String(id)).toEqual(unknown);
      expect(answers.find(({ id }) => id === 1).error).toBeDefined();
      // What it was sent as who it was is over.
      await wire.until('the end', () => wire.notifications('events/ended').length === 1);
      await ok(owner, 'session/update', { sessionId: 'ses_a', title: `hidden ${isBatch}` });
      expect((await wire.call('session/list')).error?.data).toEqual(unknown);
      expect(wire.seqs).toEqual([]);
    }
    expect((await ok(owner, 'session/list')).items).toHaveLength(2);
  });

  it('is done as what a good token stands for, once it showed one', async () => {
    const { home, ok, grant, revoked } = await setUp();
    const { token } = await grant();
    for (const [method, params] of [
      ['capability/redeem', { token }],
      ['initialize', hello(token)],
    ] as const) {
      const wire = await wireTo(home.paths.socket);
      await wire.call('capability/redeem', { token: revoked });
      wire.send(request(1, method, params), request(2, 'session/list'));
      const { result } = await wire.reply(2);
      expect(result.items.map(({ id }: Anything) => id)).toEqual(['ses_b']);
      expect((await wire.reply(1)).error).toBeUndefined();
    }
    const plain = await wireTo(home.paths.socket);
    expect((await plain.call('initialize', { ...hello(), protocolVersion: 99 })).error?.data.kind).toBe(
      'UnsupportedVersion',
    );
    expect((await ok(plain, 'session/list')).items).toHaveLength(2);
  });
});

describe('a subscription that is refused', () => {
  it('sends nothing, and gives its name back: revoked while its name was written down', async () => {
    const { daemon, owner, ok, grant } = await setUp();
    const { capability, token } = await grant();
    const wire = wireInMemory(daemon);
    await ok(wire, 'capability/redeem', { token });
    await ok(wire, 'session/get', { sessionId: 'ses_b' });
    wire.send(request(1, 'events/subscribe', { name: 'n' }));
    owner.send(request(1, 'capability/revoke', { capabilityId: capability.id, mode: 'bumpEpoch' }));
    expect((await wire.reply(1)).error?.data).toMatchObject({ kind: 'Unauthorized', reason: 'staleEpoch' });
    await owner.reply(1);
    await ok(owner, 'session/update', { sessionId: 'ses_b', title: 'later' });
    expect(wire.notifications()).toEqual([]);
    await ok(wire, 'capability/redeem', { token });
    const { items } = await ok(wire, 'subscriber/list');
    expect(items).toMatchObject([{ name: 'n', connectionId: null }]);
    expect((await ok(owner, 'daemon/status')).connections.map((each: Anything) => each.subscriptions)).toEqual([0, 0]);
    await ok(wire, 'events/subscribe', { name: 'n', from: 'start' });
    await wire.until('its events', () => wire.seqs.length > 0);
  });
});

it('what is asked before a token that is refused is done as who asked for it, also what takes a while', async () => {
  const { home, ok, owner, revoked } = await setUp();
  await ok(owner, 'message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' });
  const wire = await wireTo(home.paths.socket);
  wire.send(request(1, 'share/preview', { sessionId: 'ses_a' }), request(2, 'initialize', hello(revoked)));
  expect((await wire.reply(1)).result).toEqual({ items: [], more: false });
  expect((await wire.reply(2)).error).toBeDefined();
});

it('what takes a while ends with the daemon, and is no fault of its', async () => {
  const faults: string[] = [];
  const log = { info() {}, warn() {}, error: (_: object, message: string) => void faults.push(message) };
  const { daemon } = daemonInProcess(testHome(), { runtime: systemRuntime(log) });
  const owner = wireInMemory(daemon);
  await owner.call('session/create', { sessionId: 'ses_a' });
  owner.send(request(1, 'share/preview', { sessionId: 'ses_a' }), request(2, 'ping'));
  await owner.reply(2);
  expect(owner.received.some(({ id }) => id === 1)).toBe(false);
  await daemon.stop();
  expect(faults).toEqual([]);
});
