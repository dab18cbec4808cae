// POST /capnweb: calls that hang on one another in one request, as the library's own client sends them (PROTOCOL.md 10).
import { describe, expect, it } from 'vitest';
import type { Limits } from '../../../daemon/serve/limits.ts';
import { httpDaemon, open } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';
import { batchOver, errorOf } from './capnweb-client.ts';

async function setUp(limits: Partial<Limits> = {}) {
  const daemon = await httpDaemon({ limits });
  const overSocket = <T>(calls: (api: Anything) => Promise<T>) => batchOver(daemon.socket, calls);
  const overTcp = <T>(calls: (api: Anything) => Promise<T>, headers = {}) => batchOver(daemon.tcp, calls, headers);
  return { ...daemon, overSocket, overTcp };
}

const value = ({ settled }: { settled: PromiseSettledResult<Anything> }): Anything => {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
};

describe('a capnweb batch', () => {
  it('redeems a token and calls what that gives, in one request', async () => {
    const { overTcp, grant, ok } = await setUp();
    const token = await grant();
    const made = await overTcp((api) => {
      const holder = api.redeem(token);
      return Promise.all([holder['session/create']({ sessionId: 'ses_1' }), holder['session/list']({})]);
    });
    expect([made.answer.status, value(made)[0].version, value(made)[1].items.length]).toEqual([200, 1, 1]);
    expect((await ok('session/get', { sessionId: 'ses_1' })).session.actorId).toMatch(/^cap_/);
  });

  it('is the owner on the Unix socket, and who shows a token in the header is what that stands for', async () => {
    const { overSocket, overTcp, grant } = await setUp();
    value(await overSocket((api) => api['session/create']({ sessionId: 'ses_1' })));
    const authorization = `Bearer ${await grant({ rights: ['read'], sessions: '*' })}`;
    const both = await overTcp((api) => Promise.all([api['session/list']({}), errorOf(api['session/create']({}))]), {
      authorization,
    });
    expect([value(both)[0].items.length, value(both)[1].data.kind]).toEqual([1, 'Forbidden']);
  });

  it('without a token may do nothing but redeem one, and with a bad one nothing at all', async () => {
    const { overTcp, tcp } = await setUp();
    const stranger = await overTcp((api) =>
      Promise.all([errorOf(api['session/list']({})), errorOf(api.redeem('wrong')['session/list']({}))]),
    );
    expect(value(stranger).map(({ data }: Anything) => data)).toEqual([
      { kind: 'Unauthorized', reason: 'unknown' },
      { kind: 'Unauthorized', reason: 'unknown' },
    ]);
    const headers = { authorization: 'Bearer wrong' };
    expect((await tcp({ path: '/capnweb', headers, body: '' })).status).toBe(401);
  });

  it('[P7] that shows no token in the header may be as long as a greeting', async () => {
    const { overTcp, tcp, grant } = await setUp({ maxGreetingBytes: 500 });
    const token = await grant();
    const long = { title: 'x'.repeat(500) };
    const authorization = `Bearer ${token}`;
    const done = await overTcp((api) => api.redeem(token)['session/create'](long), { authorization });
    expect(value(done).version).toBe(1);
    const body = JSON.stringify(['push', ['pipeline', 0, ['redeem'], ['x'.repeat(500)]]]);
    expect((await tcp({ path: '/capnweb', body })).status).toBe(413);
    expect(value(await overTcp((api) => api.redeem(token)['session/list']({}))).items).toHaveLength(1);
  });

  it('does its calls one behind the other, each as a request of its own', async () => {
    const { overSocket } = await setUp();
    const done = await overSocket((api) => {
      const calls = Array.from({ length: 20 }, (_, at) => api['session/create']({ title: `t${at}` }));
      return Promise.all([...calls, api['session/list']({})]);
    });
    const results = value(done);
    const seqs = results.slice(0, 20).map(({ seq }: { seq: number }) => seq);
    expect(seqs).toEqual(Array.from({ length: 20 }, (_, at) => seqs[0] + at));
    expect(results[20].items).toHaveLength(20);
  });

  it('has no methods that are about a connection', async () => {
    const { overSocket } = await setUp();
    const refused = await overSocket((api) =>
      Promise.all([
        errorOf(api['events/subscribe']({}, () => {})),
        errorOf(api['capability/redeem']({ token: 'x' })),
        errorOf(api['events/ack']({ name: 'x', cursor: 'y' })),
      ]),
    );
    expect(value(refused).map(({ code }: Anything) => code)).toEqual([-32601, -32601, -32601]);
  });

  it('does also what nobody awaits, before it is answered', async () => {
    const { socket, ok } = await setUp();
    const body = '["push",["pipeline",0,["session/create"],[{"title":"x"}]]]';
    const { status, text, headers } = await socket({ path: '/capnweb', body });
    expect([status, text, headers['content-type']]).toEqual([200, '', 'text/plain; charset=utf-8']);
    expect((await ok('session/list')).items).toHaveLength(1);
  });

  it('[P7] answers so much text at a time, and refuses the rest', async () => {
    const { overSocket, ok } = await setUp({ maxReplyUnits: 1_000 });
    await ok('session/create', { title: 'x'.repeat(2_000) });
    const done = await overSocket((api) => Promise.all([api['session/list']({}), errorOf(api['session/list']({}))]));
    expect([value(done)[0].items.length, value(done)[1].data.kind]).toEqual([1, 'LimitExceeded']);
  });

  it('is bounded, guarded and refused as POST /rpc is', async () => {
    const { tcp, socket, grant, port } = await setUp({ maxFrameBytes: 1_000 });
    const authorization = `Bearer ${await grant()}`;
    const statusOf = async (asking: object) => (await tcp({ path: '/capnweb', ...asking } as Anything)).status;
    expect(await statusOf({ headers: { authorization }, body: 'x'.repeat(1_001) })).toBe(413);
    expect(await statusOf({ headers: { authorization, 'content-encoding': 'gzip' }, body: 'x' })).toBe(415);
    expect(await statusOf({ headers: { authorization, host: 'evil.test' }, body: '' })).toBe(403);
    expect(await statusOf({ headers: { authorization, origin: 'http://evil.test' }, body: '' })).toBe(403);
    expect(await statusOf({ headers: { cookie: 'sessiond-x=1' }, body: '["pull",0]' })).toBe(200);
    const got = await open({ host: '127.0.0.1', port }, { path: '/capnweb', headers: { authorization } });
    expect([got.statusCode, got.headers.allow]).toEqual([405, 'POST']);
    expect((await socket({ path: '/capnweb', body: Buffer.from([0xff]) })).text).toMatch(/^\["abort",/);
  });

  it('[P18] whose client goes ends what it waits for', async () => {
    const { home, ok } = await setUp();
    await ok('session/create', { sessionId: 'ses_1' });
    const { ids } = await ok('blocker/ask', {
      ...{ sessionId: 'ses_1', kind: 'permission', request: { permission: 'x' } },
    });
    const call = JSON.stringify(['push', ['pipeline', 0, ['blocker/wait'], [{ blockerId: ids.blockerId }]]]);
    const { request } = await import('node:http');
    const sent = request({ socketPath: home.paths.socket, path: '/capnweb', method: 'POST', agent: false });
    sent.on('error', () => {});
    sent.end(call);
    const count = async () => (await ok('daemon/status')).connections.length;
    while ((await count()) < 2) await new Promise((resolve) => setImmediate(resolve));
    sent.destroy();
    while ((await count()) > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await count()).toBe(1);
  });
});
