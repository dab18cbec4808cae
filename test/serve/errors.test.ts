// The error table (PROTOCOL.md 1): each kind that a daemon can be brought to tell, with its code and its data.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Limits } from '../../daemon/serve/limits.ts';
import type { ErrorKind } from '../../protocol/errors.ts';
import { errorCodes } from '../../protocol/errors.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import type { Wire } from '../support/wire.ts';
import { wireInMemory, wireTo } from '../support/wire.ts';

const at = { sessionId: 'ses_1' };
const inMessage = { ...at, messageId: 'msg_1' };

describe('the error table', () => {
  const string = z.string();
  const cursor = z.string().regex(/^[a-z0-9]+\.\d+\.[a-z0-9]+$/);
  const number = z.int();
  type Case = [ErrorKind, string, (wire: Wire, head: string) => object, z.ZodRawShape];
  const append = (ops: object[], more = {}) => ({ ops, ...more });
  const update = (opId: string, more = {}, title = opId) => ({
    opId,
    type: 'session/update',
    params: { ...at, title },
    ...more,
  });
  const cases: Case[] = [
    ['NotFound', 'session/get', () => ({ sessionId: 'ses_9' }), { what: string, id: string }],
    [
      'NotFound',
      'part/delta',
      () => ({ ...at, partId: 'prt_9', field: 'text', offset: 0, text: '' }),
      { what: string, id: string },
    ],
    ['NotFound', 'events/sync', () => ({ subscription: 'sub_9' }), { what: string, id: string }],
    ['NotFound', 'source/rescan', () => ({ name: 'nobody' }), { what: string, id: string }],
    [
      'Unauthorized',
      'initialize',
      () => ({ protocolVersion: 1, client: { name: 'a', version: '1' }, token: 'x' }),
      { reason: z.literal('unknown') },
    ],
    [
      'UnsupportedVersion',
      'initialize',
      () => ({ protocolVersion: 99, client: { name: 'a', version: '1' } }),
      { supported: z.array(number) },
    ],
    ['StoreChanged', 'events/read', () => ({ after: 'other.1.a' }), { storeId: string, head: cursor }],
    [
      'StoreChanged',
      'events/subscribe',
      () => ({ from: 'other.1.a', snapshot: 'never' }),
      { storeId: string, head: cursor },
    ],
    ['CursorInFuture', 'events/read', (_, head) => ({ after: head.replace(/\.\d+\./, '.99.') }), { head: cursor }],
    ['Diverged', 'events/read', (_, head) => ({ after: head.replace(/[^.]+$/, 'zzzzz9') }), { head: cursor }],
    ['OpIdReused', 'session/update', () => ({ ...at, title: 'other', opId: 'used' }), { opId: z.literal('used') }],
    ['OpIdReused', 'ops/append', () => append([update('y')], { batchId: 'batch' }), { opId: string }],
    [
      'VersionConflict',
      'session/update',
      () => ({ ...at, title: 'x', expectedVersion: 7 }),
      { sessionId: z.literal('ses_1'), expected: z.literal(7), actual: z.literal(4) },
    ],
    [
      'DependencyMissing',
      'session/update',
      () => ({ ...at, title: 'x', opId: 'x', dependsOn: ['used', 'gone'] }),
      { opId: z.literal('x'), missing: z.tuple([z.literal('gone')]) },
    ],
    [
      'DeltaGap',
      'part/delta',
      () => ({ ...at, partId: 'prt_1', field: 'text', offset: 9, text: 'x' }),
      { partId: z.literal('prt_1'), expected: z.literal(2) },
    ],
    [
      'BatchAborted',
      'ops/append',
      () => append([update('p'), update('q', { expectedVersion: 99 })], { atomic: true }),
      {
        opId: z.literal('q'),
        cause: z.object({
          code: z.literal(-32021),
          message: string,
          data: z.object({ kind: z.literal('VersionConflict') }),
        }),
      },
    ],
    ['AlreadyExists', 'session/create', () => at, { what: z.literal('session'), id: z.literal('ses_1') }],
    [
      'AlreadyExists',
      'message/put',
      () => ({ ...at, messageId: 'msg_other', role: 'user' }),
      { what: z.literal('message'), id: string },
    ],
    ['LimitExceeded', 'events/subscribe', () => ({}), { limit: z.literal(1), what: string }],
  ];

  it.each(cases)('%s is told by %s with its data', async (kind, method, params, data) => {
    const { wire, observer } = open(kind === 'LimitExceeded' ? { maxSubscriptions: 1 } : {});
    await wire.call('session/create', { ...at, opId: 'used' });
    await wire.call('message/put', { ...inMessage, role: 'user' });
    await wire.call('part/put', { ...inMessage, partId: 'prt_1', part: { type: 'text', text: 'ab' } });
    await wire.call('ops/append', append([update('z')], { batchId: 'batch' }));
    await wire.call('session/create', { sessionId: 'ses_2' });
    await wire.call('message/put', { sessionId: 'ses_2', messageId: 'msg_other', role: 'user' });
    const { head } = (await wire.call('daemon/status')).result;
    await wire.call('events/subscribe', {});
    const before = (await wire.call('daemon/status')).result.events;
    const { error, result } = await wire.call(method, params(wire, head));
    expect(result).toBeUndefined();
    expect(error).toMatchObject({ code: errorCodes[kind], data: { kind } });
    expect(error!.message).not.toBe('');
    const found = z.strictObject({ kind: z.literal(kind), ...data }).safeParse(error!.data);
    expect(found.error, JSON.stringify(error!.data)).toBeUndefined();
    expect((await observer.call('daemon/status')).result.events, 'a refusal leaves no event').toBe(before);
  });

  it('FrameTooLarge and LimitExceeded of the frame itself are told with id null', async () => {
    const home = testHome();
    const { daemon } = daemonInProcess(home, { limits: { maxFrameBytes: 100, maxRpcBatch: 2 } });
    await daemon.start();
    const wire = await wireTo(home.paths.socket);
    wire.send('[1,2,3]');
    expect(await wire.next()).toMatchObject({
      id: null,
      error: { code: -32027, data: { kind: 'LimitExceeded', limit: 2 } },
    });
    wire.send(`"${'x'.repeat(100)}"`);
    expect(await wire.next()).toMatchObject({
      id: null,
      error: { code: -32005, data: { kind: 'FrameTooLarge', limit: 100 } },
    });
  });

  it('has a code of its own for each kind, in the range that JSON-RPC leaves to servers', () => {
    const codes = Object.values(errorCodes);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code).toBeLessThanOrEqual(-32000);
    for (const code of codes) expect(code).toBeGreaterThanOrEqual(-32099);
  });
});

function open(limits: Partial<Limits>): { wire: Wire; observer: Wire } {
  const { daemon } = daemonInProcess(testHome(), { limits });
  return { wire: wireInMemory(daemon), observer: wireInMemory(daemon) };
}
