// The sinks that are a sessiond: the contract against a real one, and what each answer means, the same by /rpc and by /capnweb.
import { describe, expect, it } from 'vitest';
import type { Delivered, Outgoing } from '../../../daemon/adapters/adapter.ts';
import { HostError } from '../../../daemon/adapters/adapter.ts';
import { capnwebSink } from '../../../daemon/adapters/sinks/capnweb.ts';
import { httpSink } from '../../../daemon/adapters/sinks/http.ts';
import { hostUrlOf, SinkUrlError } from '../../../daemon/adapters/sinks/url.ts';
import { sinkContract } from '../../contract/sink.ts';
import { within } from '../../support/deadline.ts';
import { clock, hostEnd, never } from './host-end.ts';
import type { Heard, Said } from './scripted-host.ts';
import { scriptedHost } from './scripted-host.ts';

const makers = { http: httpSink, capnweb: capnwebSink };
const kinds = ['http', 'capnweb'] as const;
const token = 'a-token-that-is-no-real-one';

for (const kind of kinds) sinkContract(kind, async () => (await hostEnd(makers[kind])).end);

const outgoing: Outgoing = {
  origin: 'home',
  batchId: 'bat_1',
  expectedCursor: 'home.2.0',
  through: 'home.4.0',
  items: '[{"opId":"a"},{"opId":"b"}]',
};
const entry = (opId: string) => ({ opId, seq: 1, version: 1, ids: { sessionId: 'ses_1' } });
const rejection = (opId: string, kind: string, data: object = {}) => ({
  ...{ opId, code: -32000, kind, message: `it is ${kind}`, data: { kind, ...data } },
});
const answered = (rejected: object[] = [], cursor = 'home.4.0') => ({
  result: { cursor, applied: [entry('a'), entry('b')].slice(rejected.length), duplicates: [], rejected },
});
const failed = (kind: string, data: object = {}, code = -32000) => ({
  error: { code, message: `it is ${kind}`, data: { kind, ...data } },
});
const inAnHour = () => new Date(clock.now() + 3_600_000 / 2).toUTCString();

describe.each(kinds)('a %s sink is told', (kind) => {
  const deliver = async (said: Said | ((heard: Heard) => Said), changes: object = {}) => {
    const host = await scriptedHost(typeof said === 'function' ? said : () => said);
    const sink = makers[kind]({ url: host.url, token, clock, ...changes });
    const delivered = await within('a delivery', sink.deliver(outgoing, never));
    expect(JSON.stringify(delivered)).not.toContain(token);
    return { ...host, delivered };
  };

  it('that it has arrived, with how far that is', async () => {
    const { delivered, heard } = await deliver(answered());
    expect(delivered).toEqual({ kind: 'acked', rejected: [], held: 'home.4.0' });
    expect(heard.map(({ path, method, headers }) => [path, method, headers.authorization])).toEqual([
      [kind === 'http' ? '/rpc' : '/capnweb', 'replica/append', `Bearer ${token}`],
    ]);
    expect(heard[0]!.params).toEqual({ ...outgoing, items: [{ opId: 'a' }, { opId: 'b' }] });
  });

  it('what is not taken, for good', async () => {
    const { delivered } = await deliver(answered([rejection('a', 'AlreadyExists', { what: 'session', id: 'ses_1' })]));
    const rejected = [{ opId: 'a', reason: 'AlreadyExists: it is AlreadyExists' }];
    expect(delivered).toEqual({ kind: 'acked', rejected, held: 'home.4.0' });
  });

  it('in which sessions something is missing before it', async () => {
    const missing = [rejection('a', 'VersionConflict', { sessionId: 'ses_1', expected: 5, actual: 3 })];
    expect((await deliver(answered(missing, 'home.2.0'))).delivered).toEqual({
      ...{ kind: 'behind', held: 'home.2.0', sessions: ['ses_1'] },
    });
    expect((await deliver(answered(missing, 'home.0.0'))).delivered).toMatchObject({ held: undefined });
  });

  it('that another cursor is held, and asks which', async () => {
    const { delivered, heard } = await deliver(({ params }) =>
      params.items.length > 0
        ? failed('VersionConflict', { sessionId: '', expected: 2, actual: 1 })
        : { result: { cursor: 'home.1.0', applied: [], duplicates: [], rejected: [] } },
    );
    expect(delivered).toEqual({ kind: 'behind', held: 'home.1.0', sessions: [] });
    expect(heard[1]!.params).toEqual({ origin: 'home', batchId: 'held-bat_1', items: [] });
  });

  it.each<[string, Said | (() => Said), number | undefined]>([
    ['it is overloaded', failed('Overloaded', { retryAfterMs: 1_500 }), 1_500],
    ['it ends', failed('ShuttingDown'), undefined],
    ['its disk is full', failed('StoreUnavailable', { reason: 'full' }), undefined],
    ['it has failed', { error: { code: -32603, message: 'see the log' } }, undefined],
    ['one of the ops met a full disk', answered([rejection('a', 'StoreUnavailable')]), undefined],
    ['429', { status: 429, body: '' }, undefined],
    ['503 with seconds', { status: 503, body: '', headers: { 'retry-after': '7' } }, 7_000],
    [
      '503 with what no timer waits for',
      { status: 503, body: '', headers: { 'retry-after': '9'.repeat(30) } },
      3_600_000,
    ],
    ['503 with words', { status: 503, body: '', headers: { 'retry-after': 'soon' } }, undefined],
    ['503 of a sessiond', { status: 503, body: JSON.stringify(failed('Overloaded', { retryAfterMs: 1_000 })) }, 1_000],
    ['502 of a proxy', { status: 502, body: '<html>' }, undefined],
    ['408', { status: 408, body: '' }, undefined],
    ['a page', { body: '<html>welcome to the hotel</html>' }, undefined],
    ['nothing', { body: '' }, undefined],
    ['another shape', { result: { cursor: 1 } }, undefined],
    ['less than was sent', { result: { ...answered().result, applied: [] } }, undefined],
    ['half an answer', { ...answered(), cut: true }, undefined],
  ])('%s: it is sent again, no earlier than asked for', async (_, said, atLeastMs) => {
    const { delivered } = await deliver(said);
    expect(delivered.kind).toBe('retry');
    expect((delivered as { atLeastMs?: number }).atLeastMs).toBe(atLeastMs);
  });

  it('503 with a date', async () => {
    const { delivered } = await deliver(() => ({ status: 503, body: '', headers: { 'retry-after': inAnHour() } }));
    expect(delivered).toMatchObject({ kind: 'retry', atLeastMs: expect.any(Number) });
    const { atLeastMs } = delivered as { atLeastMs: number };
    expect(atLeastMs).toBeGreaterThan(60_000);
    expect(atLeastMs).toBeLessThanOrEqual(3_600_000);
  });

  it.each<[string, Said, RegExp]>([
    [
      '401',
      { status: 401, body: JSON.stringify(failed('Unauthorized', { reason: 'revoked' })) },
      /it is Unauthorized.*sessiond grant/,
    ],
    ['Unauthorized', failed('Unauthorized', { reason: 'staleEpoch' }, -32003), /sessiond grant/],
    [
      '403',
      { status: 403, body: '{"error":"the host x is not served here: add it to [http] hosts"}' },
      /\[http\] hosts/,
    ],
    ['Forbidden', failed('Forbidden', { right: 'append' }), /must allow more/],
    ['404', { status: 404, body: '' }, /no sessiond at http/],
    ['410', { status: 410, body: '' }, /no sessiond at http/],
    ['a method that is not there', { error: { code: -32601, message: 'Method not found' } }, /older/],
    ['what does not fit', { error: { code: -32602, message: 'items: \u001b[31mno\u202e' } }, /items: {2}\[31mno $/],
    ['another batch by its id', failed('OpIdReused', { opId: 'a' }), /OpIdReused/],
    [
      'another place',
      { status: 308, body: '', headers: { location: 'https://elsewhere.test/rpc' } },
      /elsewhere\.test/,
    ],
  ])('%s: somebody must look, and reads what to do', async (_, said, reason) => {
    const { delivered, heard } = await deliver(said);
    expect(delivered).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
    expect(new Set(heard.map(({ method }) => method))).toEqual(new Set(['replica/append']));
  });

  it('413: what is as large as that, and not the rest, is taken by nobody there', async () => {
    const { delivered } = await deliver({ status: 413, body: '' });
    expect(delivered).toEqual({ kind: 'tooLarge', reason: expect.stringMatching(/as large/) });
  });

  it('nothing for long, or too much', async () => {
    const late = await deliver({ hang: true }, { timeoutMs: 20 });
    expect(late.delivered).toEqual({ kind: 'retry', reason: expect.stringMatching(/within 0\.02 s/) });
    const long = await deliver({ body: 'x'.repeat(16 * 1024 * 1024 + 1) });
    expect(long.delivered).toEqual({ kind: 'retry', reason: expect.stringMatching(/more than 16777216/) });
  });

  it('that nobody is there', async () => {
    const sink = makers[kind]({ url: 'http://127.0.0.1:1', token, clock });
    const refused = await sink.deliver(outgoing, never);
    expect(refused).toEqual({ kind: 'retry', reason: expect.stringMatching(/127\.0\.0\.1:1/) });
    const { url } = await scriptedHost(() => answered());
    const tls = makers[kind]({ url: url.replace('http:', 'https:'), token, clock });
    expect(await tls.deliver(outgoing, never)).toMatchObject({ kind: 'retry' });
  });

  it('by a proxy that has it below a path', async () => {
    const { url, heard } = await scriptedHost(() => answered());
    await makers[kind]({ url: hostUrlOf(`${url}/sessions/`), token, clock }).deliver(outgoing, never);
    expect(heard[0]!.path).toBe(kind === 'http' ? '/sessions/rpc' : '/sessions/capnweb');
  });
});

describe('a capnweb sink', () => {
  it('redeems and appends in one request, and does so each time', async () => {
    let answers = 0;
    const { url, heard } = await scriptedHost(() => {
      answers += 1;
      return answers === 1 ? { status: 503, body: '' } : answered();
    });
    const sink = capnwebSink({ url, token, clock });
    expect((await sink.deliver(outgoing, never)).kind).toBe('retry');
    expect((await sink.deliver(outgoing, never)).kind).toBe('acked');
    expect(heard).toHaveLength(2);
    for (const { lines } of heard) {
      const [redeem, append, pull, ...more] = lines;
      expect(redeem).toEqual(['push', ['pipeline', 0, ['redeem'], [token]]]);
      expect([append[0], append[1].slice(0, 3)]).toEqual(['push', ['pipeline', 1, ['replica/append']]]);
      expect([pull, more]).toEqual([['pull', 2], []]);
    }
    expect(heard[1]!.lines).toEqual(heard[0]!.lines);
  });

  it('makes one request to a real sessiond for each batch', async () => {
    const { open, wire } = await hostEnd(capnwebSink);
    const items = '[]';
    const empty = { origin: 'home', batchId: 'bat_1', through: 'home.1.0', items };
    expect((await open().deliver(empty, never)).kind).toBe('acked');
    expect(wire.requests).toEqual(['/capnweb']);
  });

  it.each([401, 404, 405, 410, 426])('goes by /rpc where its door is %s, for each batch anew', async (status) => {
    let isThere = false;
    const { url, heard } = await scriptedHost(({ path }) =>
      path === '/capnweb' && !isThere ? { status, body: '' } : answered(),
    );
    const sink = capnwebSink({ url, token, clock });
    expect((await sink.deliver(outgoing, never)).kind).toBe('acked');
    isThere = true;
    expect((await sink.deliver(outgoing, never)).kind).toBe('acked');
    expect(heard.map(({ path }) => path)).toEqual(['/capnweb', '/rpc', '/capnweb']);
    expect(heard[1]!.params).toEqual(heard[0]!.params);
  });

  it('goes by /rpc with what capnweb does not carry', async () => {
    const { url, heard } = await scriptedHost(() => answered());
    const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
    await capnwebSink({ url, token, clock }).deliver({ ...outgoing, items: `[{"opId":"a"},{"deep":${deep}}]` }, never);
    expect(heard.map(({ path }) => path)).toEqual(['/rpc']);
  });

  it.each([
    ['calls of its own', '["push",["pipeline",0,[],[]]]\n["push",["remap",0,[],[],[]]]\n["pull",1]'],
    [
      'values that double each time',
      [
        '["push","x"]',
        ...Array.from({ length: 40 }, (_, at) => `["push",[[["pipeline",${at + 1}],["pipeline",${at + 1}]]]]`),
      ].join('\n'),
    ],
    ['a promise', '["resolve",2,["promise",7]]'],
    ['a stream', '["resolve",2,["readable",7]]'],
    ['its end', '["abort",["error","Error","no"]]'],
    ['another answer', '["resolve",9,1]'],
    ['an error of none of its methods', '["reject",2,["error","TypeError","no"]]'],
    ['a deep value', `["resolve",2,${'['.repeat(5_000)}${']'.repeat(5_000)}]`],
  ])('[P7] is sent again where a host answers with %s', async (_, body) => {
    const { url } = await scriptedHost(() => ({ body }));
    const delivered: Delivered = await within('it', capnwebSink({ url, token, clock }).deliver(outgoing, never));
    expect(delivered.kind).toBe('retry');
  });
});

describe.each(kinds)('a host of shares by %s', (kind) => {
  const setUp = async () => {
    const { daemon, open } = await hostEnd(makers[kind]);
    return { ...daemon, host: open().host };
  };
  const asked = { label: 'share', rights: ['read'] as const, sessions: ['ses_1'], expiresAt: null };

  it('makes a token that allows less, and takes it back, also again and when it knows of none', async () => {
    const { host, ok } = await setUp();
    const { capabilityId, token: made } = await host.attenuate(asked, never);
    expect(made).toEqual(expect.any(String));
    const find = async () => (await ok('capability/list')).items.find(({ id }: { id: string }) => id === capabilityId);
    expect(await find()).toMatchObject({ label: 'share', rights: ['read'], sessions: ['ses_1'], revokedAt: null });
    await host.revoke(capabilityId, never);
    expect((await find()).revokedAt).toEqual(expect.any(Number));
    await host.revoke(capabilityId, never);
    await host.revoke('cap_unknown', never);
  });

  it('has taken back all that was made out of what is over', async () => {
    const { host, ok } = await setUp();
    const { capabilityId } = await host.attenuate(asked, never);
    const [root] = (await ok('capability/list')).items;
    await ok('capability/revoke', { capabilityId: root.id, mode: 'revoke' });
    await host.revoke(capabilityId, never);
    const refused = await host.attenuate(asked, never).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(HostError);
    expect((refused as HostError).refused).toBe(true);
  });

  it('hands out what guests did, and is told what became of it', async () => {
    const guestOp = {
      guestOpId: 'g1',
      principal: 'cap_1',
      actorId: 'cap_1/c1',
      op: { opId: 'o', type: 'session/update', params: { sessionId: 'ses_1' } },
    };
    const { url, heard } = await scriptedHost(({ method }) => ({
      result: method === 'guest/take' ? { items: [guestOp] } : {},
    }));
    const { host } = makers[kind]({ url, token, clock });
    expect(await host.takeGuestOps('home', 50, never)).toEqual([guestOp]);
    const results = Array.from({ length: 1_001 }, (_, at) => ({ guestOpId: `g${at}` }));
    await host.ackGuestOps('home', results, never);
    expect(heard.map(({ method, params }) => [method, params.waitMs ?? params.results.length])).toEqual([
      ['guest/take', 50],
      ['guest/ack', 1_000],
      ['guest/ack', 1],
    ]);
  });

  it('tells whether it may be asked again, and when', async () => {
    const errorOf = async (said: Said) => {
      const { url } = await scriptedHost(() => said);
      const error = await makers[kind]({ url, token, clock })
        .host.takeGuestOps('home', 0, never)
        .catch((error: unknown) => error);
      expect(error).toBeInstanceOf(HostError);
      return error as HostError;
    };
    expect(await errorOf(failed('Overloaded', { retryAfterMs: 5 }))).toMatchObject({ refused: false, atLeastMs: 5 });
    expect(await errorOf({ status: 503, body: '', headers: { 'retry-after': '1' } })).toMatchObject({
      ...{ refused: false, atLeastMs: 1_000 },
    });
    expect(await errorOf(failed('Forbidden', { right: 'append' }))).toMatchObject({ refused: true });
    expect(await errorOf({ status: 404, body: '' })).toMatchObject({ refused: true });
    expect(await errorOf({ result: { items: [{}] } })).toMatchObject({ refused: false });
  });
});

describe('the url of a host', () => {
  it.each([
    ['https://host.test', 'https://host.test'],
    ['https://host.test:7433/', 'https://host.test:7433'],
    ['https://host.test/below/it/', 'https://host.test/below/it'],
    ['http://localhost:7433/', 'http://localhost:7433'],
    ['http://127.0.0.1:7433', 'http://127.0.0.1:7433'],
    ['http://[::1]:7433', 'http://[::1]:7433'],
  ])('%s is %s', (url, expected) => expect(hostUrlOf(url)).toBe(expected));

  it.each([
    ['http://host.test', /in the clear.*https/],
    ['http://127.0.0.1.evil.test', /in the clear/],
    ['http://localhost.evil.test', /in the clear/],
    ['https://user:pass@host.test', /no user and password/],
    ['https://host.test/?token=x', /no \?/],
    ['https://host.test/#x', /no \?/],
    ['ftp://host.test', /expected the address/],
    ['/path', /expected the address/],
    ['', /expected the address/],
  ])('%s is none', (url, reason) => {
    expect(() => hostUrlOf(url)).toThrow(SinkUrlError);
    expect(() => hostUrlOf(url)).toThrow(reason);
  });
});
