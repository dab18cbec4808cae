// JSON-RPC 2.0 as its specification says it: its own table of examples (section 7) over a real Unix socket, in both
// framings; then what the specification leaves to us.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createJSONRPCErrorResponse, JSONRPCServer } from 'json-rpc-2.0';
import { describe, expect, it } from 'vitest';
import type { Call } from '../../daemon/serve/connection.ts';
import { Connection } from '../../daemon/serve/connection.ts';
import type { Limits } from '../../daemon/serve/limits.ts';
import { defaultLimits } from '../../daemon/serve/limits.ts';
import { Load } from '../../daemon/serve/load.ts';
import { wireErrorOf } from '../../daemon/serve/message.ts';
import { Turn } from '../../daemon/serve/turn.ts';
import { SocketTransport } from '../../protocol/node/socket.ts';
import { afterTest, testFolder } from '../support/daemon.ts';
import type { Message, Wire, WireDialect } from '../support/wire.ts';
import { wireTo } from '../support/wire.ts';

const parseError = { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null };
const invalidRequest = { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id: null };
const notFound = (id: unknown) => ({ jsonrpc: '2.0', error: { code: -32601, message: 'Method not found' }, id });

/** Request as it stands in the specification, and its answer; null: none. */
const examples: [string, string, unknown][] = [
  ['positional params', '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', reply(1, 19)],
  ['positional params, turned', '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', reply(2, -19)],
  [
    'named params',
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
    reply(3, 19),
  ],
  [
    'named params, turned',
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
    reply(4, 19),
  ],
  ['a notification', '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', null],
  ['a notification to nobody', '{"jsonrpc": "2.0", "method": "foobar"}', null],
  ['a method that is not there', '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', notFound('1')],
  ['invalid JSON', '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', parseError],
  ['an invalid request object', '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', invalidRequest],
  [
    'a batch that is invalid JSON',
    '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
    parseError,
  ],
  ['an empty array', '[]', invalidRequest],
  ['a batch of one invalid entry', '[1]', [invalidRequest]],
  ['a batch of invalid entries', '[1,2,3]', [invalidRequest, invalidRequest, invalidRequest]],
  [
    'a mixed batch',
    `[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
      {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
      {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
      {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
      {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]`.replaceAll('\n', ''),
    [reply('1', 7), reply('2', 19), invalidRequest, notFound('5'), reply('9', ['hello', 5])],
  ],
  [
    'a batch of notifications',
    '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
    null,
  ],
];

function reply(id: unknown, result: unknown) {
  return { jsonrpc: '2.0', result, id };
}

describe.each<WireDialect>(['line', 'header'])('the examples of the specification, dialect %s', (dialect) => {
  it.each(examples)('%s', async (_name, sent, expected) => {
    const { wire } = await serveExamples(dialect);
    wire.send(sent);
    // What has no answer is told by the answer to the next request: it would stand before it.
    wire.send('{"jsonrpc": "2.0", "method": "sum", "params": [1, 1], "id": "fence"}');
    await wire.reply('fence');
    const answers = wire.received.slice(0, -1);
    expect(answers).toEqual(expected === null ? [] : [expected]);
  });
});

describe('beside the examples', () => {
  it('runs notifications, alone and in a batch', async () => {
    const { wire, heard } = await serveExamples();
    wire.send({ jsonrpc: '2.0', method: 'update', params: [1] }, [
      { jsonrpc: '2.0', method: 'notify_hello', params: [7] },
    ]);
    await wire.call('get_data');
    expect(heard).toEqual(['update 1', 'notify_hello 7']);
  });

  it('answers a batch that has one answer by an array of one', async () => {
    const { wire } = await serveExamples();
    wire.send([
      { jsonrpc: '2.0', method: 'update', params: [1] },
      { jsonrpc: '2.0', method: 'sum', params: [1], id: 1 },
    ]);
    expect(await wire.next()).toEqual([reply(1, 1)]);
  });

  it('answers in the order of the batch, whichever is done first', async () => {
    const { wire } = await serveExamples();
    wire.send([
      { jsonrpc: '2.0', method: 'later', id: 1 },
      { jsonrpc: '2.0', method: 'sum', params: [2], id: 2 },
    ]);
    expect(await wire.next()).toEqual([reply(1, 'later'), reply(2, 2)]);
  });

  it('never sends both result and error, nor error: null, and always an id', async () => {
    const { wire } = await serveExamples();
    wire.send(...examples.map(([, sent]) => sent), { jsonrpc: '2.0', method: 'nothing', id: 'none' });
    wire.send({ jsonrpc: '2.0', method: 'crash', id: 'crash' });
    await wire.reply('crash');
    const responses = wire.received.flat() as Message[];
    expect(responses.length).toBeGreaterThan(15);
    for (const response of responses) {
      expect(response.jsonrpc).toBe('2.0');
      expect('result' in response, JSON.stringify(response)).not.toBe('error' in response);
      expect('id' in response).toBe(true);
      if ('error' in response)
        expect(response.error).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
    }
    expect(responses.find((response) => response.id === 'none')).toEqual(reply('none', null));
  });

  it('answers an unknown error with -32603 and its incident, never with its message, and logs it whole', async () => {
    const { wire, incidents } = await serveExamples();
    const { error } = await wire.call('crash');
    expect(error).toEqual({
      code: -32603,
      message: 'Internal error: see the log for incident inc_1',
      data: { incident: 'inc_1' },
    });
    expect(incidents).toEqual([new Error('the password is swordfish')]);
  });

  it.each([
    ['"jsonrpc": "1.0", "method": "sum", "params": [1]'],
    ['"method": "sum", "params": [1]'],
    ['"jsonrpc": "2.0", "method": null'],
    ['"jsonrpc": "2.0"'],
    ['"jsonrpc": "2.0", "method": "sum", "params": "1"'],
    ['"jsonrpc": "2.0", "method": "sum", "params": 1'],
  ])('refuses {%s} with -32600 and its id', async (members) => {
    const { wire } = await serveExamples();
    wire.send(`{${members}, "id": "mine"}`);
    expect(await wire.next()).toEqual({ ...invalidRequest, id: 'mine' });
  });

  it.each(['{}', '[]', 'true', '[[]]', '{"a":1}'])('refuses the id %s with -32600 and id null', async (id) => {
    const { wire } = await serveExamples();
    wire.send(`{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": ${id}}`);
    expect(await wire.next()).toEqual(invalidRequest);
  });

  it.each(['null', '0', '""', '-1.5', '9007199254740993e3', '"\\u00e9"'])(
    'answers the id %s with itself',
    async (id) => {
      const { wire } = await serveExamples();
      wire.send(`{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": ${id}}`);
      expect(await wire.next()).toEqual(reply(JSON.parse(id), 1));
    },
  );

  it.each(['1', '"text"', 'null', 'true'])(
    'refuses the value %s, which is no request, in line framing',
    async (text) => {
      const { wire } = await serveExamples();
      wire.send('{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": 1}', text);
      await wire.reply(1);
      await wire.until('both', () => wire.received.length === 2);
      expect(wire.received).toContainEqual(invalidRequest);
    },
  );

  it('does not find what objects inherit: toString, constructor, __proto__', async () => {
    const { wire } = await serveExamples();
    for (const method of ['toString', 'constructor', '__proto__', 'rpc.anything', '']) {
      expect((await wire.call(method)).error?.code, method).toBe(-32601);
    }
  });

  it('takes 1,000 entries in a batch and refuses 1,001, of which none is run', async () => {
    const { wire, heard } = await serveExamples();
    const entries = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ jsonrpc: '2.0', method: 'update', params: [at], id: at }));
    wire.send(entries(1_001));
    const refused = await wire.next();
    expect(refused.error).toMatchObject({ code: -32027, data: { kind: 'LimitExceeded', limit: 1_000 } });
    expect(heard).toEqual([]);
    wire.send(entries(1_000));
    expect((await wire.next()) as unknown as Message[]).toHaveLength(1_000);
    expect(heard.length).toBe(1_000);
  });

  it('takes one batch entry where the limit is set to 1', async () => {
    const { wire } = await serveExamples('line', { maxRpcBatch: 1 });
    wire.send([{ jsonrpc: '2.0', method: 'sum', params: [1], id: 1 }]);
    expect(await wire.next()).toEqual([reply(1, 1)]);
    wire.send([1, 2]);
    expect((await wire.next()).error?.data.kind).toBe('LimitExceeded');
  });

  it('ends with a badly framed header, after -32700', async () => {
    const { wire } = await serveExamples('header');
    wire.socket!.write('Content-Length: two\r\n\r\n{}');
    expect(await wire.next()).toEqual(parseError);
    await wire.closed;
  });
});

/** The specification's methods behind a Connection on a real socket. */
async function serveExamples(dialect: WireDialect = 'line', limits: Partial<Limits> = {}) {
  const heard: string[] = [];
  const incidents: unknown[] = [];
  const rpc = new JSONRPCServer<Call>({ errorListener: () => {} });
  rpc.mapErrorToJSONRPCErrorResponse = (id, error) => {
    const wire = wireErrorOf(error, (found) => `inc_${incidents.push(found)}`);
    return createJSONRPCErrorResponse(id, wire.code, wire.message, wire.data);
  };
  rpc.addMethod('subtract', (params) => {
    const [minuend, subtrahend] = Array.isArray(params) ? params : [params.minuend, params.subtrahend];
    return minuend - subtrahend;
  });
  rpc.addMethod('sum', (numbers: number[]) => numbers.reduce((sum, each) => sum + each, 0));
  rpc.addMethod('get_data', () => ['hello', 5]);
  for (const name of ['update', 'notify_hello']) rpc.addMethod(name, ([first]) => `${heard.push(`${name} ${first}`)}`);
  rpc.addMethod('nothing', () => undefined);
  rpc.addMethod('later', () => new Promise((resolve) => setImmediate(() => resolve('later'))));
  rpc.addMethod('crash', () => {
    throw new Error('the password is swordfish');
  });
  const all = { ...defaultLimits, ...limits };
  const path = join(testFolder(), 's');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const transport = new SocketTransport(socket, { maxFrameBytes: all.maxFrameBytes });
    const turn = new Turn(() => 0);
    void new Connection(transport, {
      rpc,
      limits: all,
      turn,
      load: new Load(all),
      changes: () => false,
      lasts: true,
    }).run();
  });
  afterTest(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const wire: Wire = await wireTo(path, dialect);
  return { wire, heard, incidents };
}
