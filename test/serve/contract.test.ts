// The method table against a daemon (P21): every method is called for real and answers what the table says and nothing
// more, every event is what its schema says, rpc.discover tells the same.
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { sinkMaker } from '../../daemon/sink-kinds.ts';
import type { Method, MethodName } from '../../protocol/methods.ts';
import { methods } from '../../protocol/methods.ts';
import { notifications } from '../../protocol/notifications.ts';
import { Event, eventData, eventTypes, opTypes } from '../../protocol/schema.ts';
import { daemonInProcess, testFolder, testHome } from '../support/daemon.ts';
import { loopback } from '../support/http.ts';
import { strictly } from '../support/strictly.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { wireInMemory } from '../support/wire.ts';

const usage = { input: 1, output: 2, reasoning: 3, cacheRead: 4, cacheWrite: 5, costUsd: 0.5 };
const model = { providerId: 'p', modelId: 'm', variant: 'v' };
const at = { sessionId: 'ses_1' };
const inMessage = { ...at, messageId: 'msg_1' };
const part = (partId: string, content: object) => ({ ...inMessage, partId, part: content });

/** Every method of the table, in an order in which each succeeds; a function where params need what came before. */
const calls: [MethodName, object | ((seen: Record<string, Anything>) => object), ((result: Anything) => boolean)?][] = [
  ['initialize', { protocolVersion: 1, client: { name: 'contract', version: '1' } }],
  ['ping', {}],
  ['rpc.discover', {}],
  ['events/subscribe', { snapshot: 'always', name: 'contract' }],
  ['events/subscribe', { from: 'start' }],
  ['session/create', { ...at, title: 't', directory: '/d', agent: 'a', model, metadata: { a: [1] }, occurredAt: 5 }],
  ['session/create', { sessionId: 'ses_2', parentId: 'ses_1', origin: { source: 's', externalId: 'e', path: '/p' } }],
  ['session/update', { ...at, title: null, archived: true, metadata: { b: null } }],
  [
    'message/put',
    { ...inMessage, role: 'assistant', agent: 'a', model, usage, error: { kind: 'X' }, metadata: { m: 1 } },
  ],
  ['message/put', { ...at, messageId: 'msg_2', role: 'user', createdAt: 7 }],
  ['part/put', part('prt_text', { type: 'text', text: 'Hel', synthetic: true })],
  ['part/put', part('prt_reasoning', { type: 'reasoning', text: 'hm' })],
  [
    'part/put',
    part('prt_tool', { type: 'tool', callId: 'c', tool: 'sh', state: 'running', title: 't', input: {}, startedAt: 1 }),
  ],
  ['part/put', part('prt_file', { type: 'file', mime: 'a/b', filename: 'f', url: 'file:///f' })],
  ['part/put', part('prt_patch', { type: 'patch', hash: 'h', files: ['a'] })],
  ['part/put', part('prt_step', { type: 'step', phase: 'finish', reason: 'r', usage })],
  ['part/put', part('prt_data', { type: 'data', kind: 'k', value: null })],
  ['part/delta', { ...at, partId: 'prt_text', field: 'text', offset: 3, text: 'lo' }],
  ['part/delta', { ...at, partId: 'prt_tool', field: 'output', offset: 0, text: 'out' }],
  ['artifact/put', { ...at, kind: 'todo', key: 'k', data: [1] }],
  ['artifact/put', { ...at, kind: 'todo', key: 'l', data: null }],
  [
    'turn/start',
    {
      ...at,
      turnId: 'trn_1',
      agent: 'a',
      model,
      leaseMs: 60_000,
      parts: [{ id: 'prt_ask', type: 'text', text: 'go' }],
    },
  ],
  ['turn/heartbeat', { turnId: 'trn_1' }],
  ['message/put', { ...at, messageId: 'msg_3', role: 'assistant', turnId: 'trn_1' }],
  [
    'blocker/ask',
    { ...at, blockerId: 'blk_1', turnId: 'trn_1', kind: 'permission', request: { permission: 'p', patterns: ['x'] } },
  ],
  ['blocker/answer', { ...at, blockerId: 'blk_1', answer: { decision: 'once', message: 'm' } }],
  ['blocker/reject', { ...at, blockerId: 'blk_2', reason: 'early' }],
  [
    'blocker/ask',
    {
      ...at,
      blockerId: 'blk_3',
      turnId: 'trn_1',
      kind: 'question',
      request: {
        questions: [{ question: 'q', header: 'h', options: [{ label: 'l', description: 'd' }], multiple: true }],
      },
    },
  ],
  ['session/get', at],
  ['turn/list', {}],
  ['turn/finish', { turnId: 'trn_1', state: 'failed', finish: 'f', error: { e: 1 }, usage, parts: [] }],
  ['blocker/wait', { blockerId: 'blk_3' }],
  ['turn/list', { ...at, state: 'failed' }],
  ['blocker/list', { limit: 1 }],
  ['session/fork', { ...at, newSessionId: 'ses_3' }],
  ['session/export', { ...at, format: 'markdown' }],
  ['session/export', { ...at, format: 'html' }],
  ['session/export', { ...at, format: 'json' }],
  ['session/import', (seen) => ({ text: seen['session/export'].text })],
  ['session/list', { limit: 1 }],
  ['session/get', at],
  ['message/list', at],
  ['artifact/list', { ...at, limit: 1 }],
  ['events/read', (seen) => ({ after: seen['events/subscribe'].cursor, limit: 1000 })],
  ['events/sync', (seen) => ({ subscription: seen['events/subscribe'].subscription })],
  ['part/remove', { ...at, partId: 'prt_data' }],
  ['message/remove', { ...at, messageId: 'msg_2' }],
  ['artifact/remove', { ...at, kind: 'todo', key: 'k' }],
  [
    'ops/append',
    {
      ops: [
        { opId: 'a', type: 'session/update', params: { ...at, title: 'again' } },
        { opId: 'a', type: 'session/update', params: { ...at, title: 'again' } },
        { opId: 'b', type: 'session/update', params: { sessionId: 'ses_9', title: 'nobody' } },
        { opId: 'c', type: 'session/update', params: { ...at, title: 'again' } },
      ],
      batchId: 'batch',
    },
  ],
  ['session/delete', { sessionId: 'ses_2' }],
  ['session/search', { query: 'hello' }],
  ['session/usage', { since: 0, timeZone: 'Asia/Kolkata' }],
  ['events/ack', (seen) => ({ name: 'contract', cursor: seen['events/sync'].cursor })],
  ['subscriber/list', {}],
  ['subscriber/remove', { name: 'contract' }],
  ['store/backup', () => ({ path: join(testFolder(), 'b.db') })],
  ['store/check', {}],
  ['store/compact', {}],
  ['capability/grant', { label: 'all', rights: ['read', 'append', 'answer', 'share', 'admin'], sessions: '*' }],
  [
    'capability/attenuate',
    (seen) => ({
      token: seen['capability/grant'].token,
      label: 'less',
      sessions: ['ses_1'],
      ops: ['part/*'],
      expiresAt: 9e12,
    }),
  ],
  ['capability/list', { limit: 1 }],
  ['capability/audit', { limit: 1 }],
  ['capability/revoke', (seen) => ({ capabilityId: seen['capability/attenuate'].capability.id, mode: 'revoke' })],
  ['source/add', { kind: 'claude-code', path: '/nonexistent/transcripts' }],
  ['source/list', {}],
  ['source/rescan', {}],
  ['source/remove', { name: 'claude-code' }],
  ['daemon/status', {}],
  ['events/sync', (seen) => ({ subscription: seen['events/subscribe'].subscription })],
  ['events/unsubscribe', (seen) => ({ subscription: seen['events/subscribe'].subscription })],
  ['sink/add', { name: 'away', kind: 'http', url: 'http://127.0.0.1:1', token: 't', filter: { agents: ['a'] } }],
  ['outbox/list', { sink: 'away' }, ({ items }) => items.length > 0 && items[0].state === 'pending'],
  ['sink/list', {}],
  ['sink/pause', { name: 'away' }],
  ['outbox/list', { limit: 1 }],
  ['outbox/retry', (seen) => ({ batchId: seen['outbox/list'].items[0].batchId })],
  ['sink/pause', { name: 'away' }],
  ['outbox/list', { sink: 'away' }, ({ items }) => items[0].state === 'pending'],
  ['outbox/discard', (seen) => ({ batchId: seen['outbox/list'].items[0].batchId })],
  ['sink/resume', { name: 'away' }],
  ['daemon/status', {}],
  ['sink/remove', { name: 'away' }],
  ['share/preview', at],
  // Through itself, which is as good as any: it does not take what it is the home of.
  ['share/create', (seen) => ({ ...at, host: seen.url, token: seen['capability/grant'].token, rights: ['answer'] })],
  ['share/list', {}],
  ['share/revoke', (seen) => ({ shareId: seen['share/create'].shareId })],
  ['replica/append', (seen) => ({ origin: 'x', batchId: 'b', items: [replicaOf(seen)] })],
  ['guest/append', { ops: [{ opId: 'g', type: 'session/update', params: { sessionId: 'ses_r', title: 't' } }] }],
  ['guest/take', { origin: 'x' }],
  [
    'guest/ack',
    (seen) => ({ origin: 'x', results: [{ guestOpId: seen['guest/take'].items[0].guestOpId, applied: done }] }),
  ],
  ['capability/redeem', (seen) => ({ token: seen['capability/grant'].token })],
  ['daemon/shutdown', {}],
];

const done = { opId: 'g', seq: 2, version: 2, ids: { sessionId: 'ses_r' } };

/** The first op of a session that another store is the home of. */
function replicaOf(seen: Record<string, Anything>) {
  const data = { ...seen['session/get'].session, id: 'ses_r', version: 1, parentId: null, origin: null };
  const event = {
    seq: 1,
    sessionId: 'ses_r',
    version: 1,
    type: 'session/created',
    at: 1,
    actorId: 'a',
    opId: 'r',
    data,
  };
  return { opId: 'r', seq: 1, sessionId: 'ses_r', version: 1, events: [event] };
}

describe('[P21] the method table', () => {
  it('every method, called for real, answers what the table says and no member more', async () => {
    const seen = await callAll(await open());
    expect(Object.keys(seen).toSorted()).toEqual(Object.keys(methods).toSorted());
    for (const [name, results] of Object.entries(seen.all as Record<string, unknown[]>)) {
      for (const result of results) expectFits((methods as Record<string, Method>)[name]!.result, result, name);
    }
  });

  it('every notification and every event, of every op type, is what its schema says', async () => {
    const opened = await open();
    const { wire } = opened;
    await wire.call('events/subscribe', { bookmarkMs: 1 });
    await wire.until('a bookmark', () => wire.notifications('events/bookmark').length > 0);
    await callAll(opened);
    await wire.until('the end', () => wire.notifications('events/ended').length >= 2);
    const types = new Set<string>();
    for (const { method, params } of wire.notifications()) {
      expectFits(notifications[method as keyof typeof notifications], params, method!);
      for (const event of params.events ?? []) {
        expectFits(Event, event, event.type);
        expectFits(eventData[event.type as keyof typeof eventData], event.data, event.type);
        types.add(event.type);
      }
    }
    expect([...types].toSorted()).toEqual(eventTypes.toSorted());
    // A reset needs a journal that was cut off: test/engine/retention.test.ts.
    const missing = Object.keys(notifications).filter((name) => wire.notifications(name).length === 0);
    expect(missing).toEqual(['events/reset']);
  });

  it('ops/append answers every op once: applied, duplicate or rejected with the data of its error', async () => {
    const { 'ops/append': result } = await callAll(await open());
    expect(result.applied.map((entry: { opId: string }) => entry.opId)).toEqual(['a']);
    expect(result.duplicates.map((entry: { opId: string }) => entry.opId)).toEqual(['a', 'c']);
    expect(result.duplicates[1].seq).toBeNull();
    expect(result.rejected).toMatchObject([
      { opId: 'b', code: -32001, kind: 'NotFound', data: { kind: 'NotFound', what: 'session', id: 'ses_9' } },
    ]);
  });

  it('has each op type as a method', () => {
    for (const type of opTypes) expect((methods as Record<string, Method>)[type]?.kind).toBe('op');
  });

  it('rpc.discover names exactly the methods of the table, as OpenRPC, with params and results', async () => {
    const { 'rpc.discover': document } = await callAll(await open());
    expect(document.openrpc).toMatch(/^1\.\d+\.\d+$/);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    expect(document.methods.map((method: { name: string }) => method.name)).toEqual(Object.keys(methods));
    for (const { name, params, result, summary } of document.methods) {
      const shape = (methods[name as MethodName].params as z.ZodObject).shape as Record<string, z.ZodType>;
      expect(params.map((param: { name: string }) => param.name)).toEqual(Object.keys(shape));
      for (const param of params) {
        expect(param.required, `${name} ${param.name}`).toBe(!shape[param.name]!.safeParse(undefined).success);
        expect(param.schema).toBeTypeOf('object');
      }
      expect(result.schema, name).toBeTypeOf('object');
      expect(summary).not.toBe('');
    }
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    expect(document.components.errors.DeltaGap).toEqual({ code: -32025, message: 'DeltaGap' });
  });
});

async function open(): Promise<{ wire: Wire; url: string }> {
  const clock = { now: Date.now, sleep: (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal }) };
  const { daemon } = daemonInProcess(testHome(), {
    sourceKinds: { 'claude-code': claudeCodeSource },
    http: loopback,
    makeSink: sinkMaker(clock),
    outbox: { baseMs: 1, maxMs: 2 },
    limits: { guestWaitMs: 10 },
  });
  await daemon.start();
  return { wire: wireInMemory(daemon), url: daemon.url! };
}

/** Calls every method; the last result of each by its name, and all of them. */
async function callAll({ wire, url }: { wire: Wire; url: string }): Promise<Record<string, Anything>> {
  const seen: Record<string, Anything> = { url };
  const all: Record<string, unknown[]> = {};
  for (const [method, params, isSo = () => true] of calls) {
    let result: Anything;
    do {
      const reply = await wire.call(method, typeof params === 'function' ? params(seen) : params);
      expect(reply.error, `${method}: ${JSON.stringify(reply.error)}`).toBeUndefined();
      result = reply.result;
    } while (!isSo(result));
    seen[method] = result;
    all[method] = [...(all[method] ?? []), result];
  }
  Object.defineProperty(seen, 'all', { value: all });
  delete seen.url;
  return seen;
}

function expectFits(schema: z.ZodType, value: unknown, what: string): void {
  expect(strictly(schema, value), what).toEqual([]);
}
