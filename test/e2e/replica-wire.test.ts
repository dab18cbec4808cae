// What a host answers to items as any home could send them, over HTTP, from a real process: shapes that stay as they are.
import { expect, test } from 'vitest';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { ask } from '../support/http.ts';
import { open, Side } from '../support/share-pair.ts';

const origin = 'feedfeedfeedfeed';

const session = (id: string, title: string, version: number) => ({
  ...{ id, parentId: null, title, directory: null, agent: null, model: null, status: 'idle', version, origin: null },
  ...{ metadata: {}, usage: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 }, messageCount: 0 },
  ...{ pendingBlockers: 0, actorId: 'home/c1', schemaVersion: 1, createdAt: 1, updatedAt: 1, archivedAt: null },
});

/** The item of an op that gives a session its title. */
function item(id: string, version: number, title = `t${version}`, seq = version): ReplicaItem {
  const opId = `op-${id}-${version}`;
  const type = version === 1 ? 'session/created' : 'session/updated';
  const event = {
    seq,
    sessionId: id,
    version,
    type,
    at: 1,
    actorId: 'home/c1',
    opId,
    data: session(id, title, version),
  };
  return { opId, seq, sessionId: id, version, events: [event] } as ReplicaItem;
}

async function hostWith(rights: string[] = ['read', 'append'], sessions: '*' | string[] = '*') {
  const host = new Side(open);
  await host.start();
  const { token, capability } = await host.client.call('capability/grant', {
    ...{ label: 'home', rights: rights as ['read'], sessions },
  });
  const call = async (method: string, params: object) => {
    const answer = await ask(
      { host: '127.0.0.1', port: host.port! },
      {
        path: '/rpc',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      },
    );
    return { status: answer.status, ...answer.json };
  };
  const send = (batchId: string, items: ReplicaItem[], more: object = {}) =>
    call('replica/append', { origin, batchId, items, ...more });
  return { host, capability, call, send };
}

test('[P13] a batch of which some is new, some is there and some is not taken is told apart, and sent again it is told the same way', async () => {
  const { host, send } = await hostWith();
  await host.client.call('session/create', { sessionId: 'ses_mine' });
  await send('b1', [item('ses_a', 1)]);
  const mixed = [item('ses_a', 1), item('ses_a', 2), item('ses_mine', 1), item('ses_b', 3)];
  const { result } = await send('b2', mixed);
  expect(Object.keys(result).toSorted()).toEqual(['applied', 'cursor', 'duplicates', 'rejected']);
  expect(result.duplicates).toMatchObject([{ opId: 'op-ses_a-1', ids: { sessionId: 'ses_a' } }]);
  expect(result.applied).toMatchObject([{ opId: 'op-ses_a-2', version: 2, ids: { sessionId: 'ses_a' } }]);
  expect(result.rejected).toMatchObject([
    { opId: 'op-ses_mine-1', kind: 'AlreadyExists' },
    { opId: 'op-ses_b-3', kind: 'VersionConflict', data: { sessionId: 'ses_b', expected: 2, actual: 0 } },
  ]);
  const { result: again } = await send('b2', mixed);
  expect(again.applied).toEqual([]);
  expect(again.duplicates.map(({ opId }: { opId: string }) => opId)).toEqual(['op-ses_a-1', 'op-ses_a-2']);
  expect(again.rejected).toEqual(result.rejected);
  expect(await host.events('ses_a')).toHaveLength(2);
});

test('ops come in the order of their home: what is before must be there, and then the rest is taken', async () => {
  const { host, send } = await hostWith();
  const early = await send('b1', [item('ses_a', 2), item('ses_a', 3)]);
  expect(early.result.rejected.map(({ kind }: { kind: string }) => kind)).toEqual([
    'VersionConflict',
    'VersionConflict',
  ]);
  const all = await send('b2', [item('ses_a', 1), item('ses_a', 2), item('ses_a', 3)]);
  expect(all.result.applied).toHaveLength(3);
  expect((await host.events('ses_a')).map(({ version }) => version)).toEqual([1, 2, 3]);
});

test('[P14] a batch id that comes with other items is refused', async () => {
  const { send } = await hostWith();
  await send('b1', [item('ses_a', 1)]);
  expect((await send('b1', [item('ses_b', 1)])).error.data.kind).toBe('OpIdReused');
});

test('a stale epoch, a token that was taken back, and one that may but read are refused, and nothing is taken', async () => {
  const { host, capability, send } = await hostWith();
  expect((await send('b1', [item('ses_a', 1)], { capabilityEpoch: 1 })).result.applied).toHaveLength(1);
  await host.client.call('capability/revoke', { capabilityId: capability.id, mode: 'bumpEpoch' });
  const stale = await send('b2', [item('ses_a', 2)], { capabilityEpoch: 1 });
  expect(stale.error.data).toMatchObject({ kind: 'Unauthorized', reason: 'staleEpoch' });
  expect((await send('b3', [item('ses_a', 2)], { capabilityEpoch: 2 })).result.applied).toHaveLength(1);
  await host.client.call('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
  expect(await send('b4', [item('ses_a', 3)])).toMatchObject({
    status: 401,
    error: { data: { kind: 'Unauthorized', reason: 'revoked' } },
  });
  expect(await host.events('ses_a')).toHaveLength(2);
  const reader = await hostWith(['read', 'answer', 'share']);
  expect((await reader.send('b1', [item('ses_a', 1)])).error.data).toMatchObject({
    kind: 'Forbidden',
    right: 'append',
  });
});

test('a token for one session brings that session and no other', async () => {
  const { send } = await hostWith(['read', 'append'], ['ses_a']);
  const { result } = await send('b1', [item('ses_a', 1), item('ses_b', 1)]);
  expect(result.applied).toMatchObject([{ opId: 'op-ses_a-1' }]);
  expect(result.rejected).toMatchObject([{ opId: 'op-ses_b-1', kind: 'NotFound' }]);
});

test('what is at the host is read-only: every way to change it is refused, and says what to do', async () => {
  const { host, send } = await hostWith();
  await send('b1', [item('ses_a', 1)]);
  const change = host.client.call('session/update', { sessionId: 'ses_a', title: 'mine' });
  await expect(change).rejects.toThrow(/guest\/append/);
  const start = { sessionId: 'ses_a', agent: 'a', model: { providerId: 'p', modelId: 'm' }, parts: [] };
  await expect(host.client.call('turn/start', start)).rejects.toThrow(/guest\/append/);
  const { rejected } = await host.client.call('ops/append', {
    ops: [{ opId: 'x', type: 'artifact/put', params: { sessionId: 'ses_a', kind: 'k', key: 'k', data: 1 } }],
  });
  expect(rejected).toMatchObject([{ kind: 'Forbidden' }]);
  expect(await host.events('ses_a')).toHaveLength(1);
});
