// The client over an in-memory pair whose other end is played by hand: what it does with whatever comes, in any order.
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../protocol/client.ts';
import { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Transport } from '../../protocol/transport.ts';
import { FrameQueue, pair, TransportClosedError } from '../../protocol/transport.ts';
import { within } from '../support/deadline.ts';

type Request = { id: number; method: string; params: unknown };

const caughtUp = (subscription: string, cursor: string) =>
  JSON.stringify({ jsonrpc: '2.0', method: 'events/caughtUp', params: { subscription, prev: 's.0.a', cursor } });
const subscribed = (id: number, subscription: string) =>
  JSON.stringify({ jsonrpc: '2.0', id, result: { subscription, mode: 'live', cursor: 's.0.a', head: 's.0.a' } });

function setUp() {
  const [ours, theirs] = pair();
  const client = new Client(ours);
  const request = async (): Promise<Request> => {
    const frame = await within('a request', theirs.receive());
    return JSON.parse((frame as { text: string }).text) as Request;
  };
  return { client, theirs, request };
}

/** A transport that hands out frames as one chunk of a socket does: all of them are there at once. */
function chunked(): { transport: Transport; chunk(...texts: string[]): void } {
  const queue = new FrameQueue();
  let closed = false;
  const transport: Transport = {
    bufferedBytes: 0,
    isClosed: false,
    send: async () => {
      if (closed) throw new TransportClosedError();
    },
    receive: () => queue.shift(),
    close: () => {
      closed = true;
      queue.end();
    },
  };
  const chunk = (...texts: string[]) => {
    for (const text of texts) queue.push({ kind: 'text', text });
  };
  return { transport, chunk };
}

describe('subscribe', () => {
  it('hands the listener everything in order, also what comes right behind the reply in the same chunk', async () => {
    const { transport, chunk } = chunked();
    const client = new Client(transport);
    const got: string[] = [];
    const started = client.subscribe({}, (delivery) => void got.push((delivery.params as { cursor: string }).cursor));
    chunk(subscribed(1, 'sub_1'), caughtUp('sub_1', 's.1.a'), caughtUp('sub_1', 's.2.a'), caughtUp('sub_1', 's.3.a'));
    expect((await within('the reply', started)).subscription).toBe('sub_1');
    client.close();
    await within('the end', client.closed);
    expect(got).toEqual(['s.1.a', 's.2.a', 's.3.a']);
  });

  it('gives each of two subscriptions its own, also when their replies come the other way round', async () => {
    const { transport, chunk } = chunked();
    const client = new Client(transport);
    const got: string[] = [];
    const first = client.subscribe({}, (delivery) => void got.push(`first ${delivery.params.subscription}`));
    const second = client.subscribe({}, (delivery) => void got.push(`second ${delivery.params.subscription}`));
    chunk(subscribed(2, 'sub_b'), caughtUp('sub_b', 's.1.a'), subscribed(1, 'sub_a'), caughtUp('sub_a', 's.1.a'));
    await within('the replies', Promise.all([first, second]));
    client.close();
    await within('the end', client.closed);
    expect(got).toEqual(['second sub_b', 'first sub_a']);
  });

  it('[P7] reads no further while a listener is busy, so that the daemon feels it', async () => {
    const { transport, chunk } = chunked();
    const client = new Client(transport);
    const got: Delivery[] = [];
    let release!: () => void;
    const busy = new Promise<void>((resolve) => {
      release = resolve;
    });
    const started = client.subscribe({}, (delivery) => {
      got.push(delivery);
      return busy;
    });
    chunk(subscribed(1, 'sub_1'), caughtUp('sub_1', 's.1.a'), caughtUp('sub_1', 's.2.a'));
    await within('the reply', started);
    await new Promise((resolve) => setImmediate(resolve));
    expect(got.length).toBe(1);
    release();
    client.close();
    await within('the end', client.closed);
    expect(got.length).toBe(2);
  });

  it('delivers nothing after events/ended', async () => {
    const { transport, chunk } = chunked();
    const client = new Client(transport);
    const got: string[] = [];
    const started = client.subscribe({}, (delivery) => void got.push(delivery.type));
    const ended = { jsonrpc: '2.0', method: 'events/ended', params: { subscription: 'sub_1', reason: 'takenOver' } };
    chunk(subscribed(1, 'sub_1'), JSON.stringify(ended), caughtUp('sub_1', 's.1.a'));
    await within('the reply', started);
    client.close();
    await within('the end', client.closed);
    expect(got).toEqual(['events/ended']);
  });

  it('rejects with the refusal, and listens to nothing then', async () => {
    const { client, theirs, request } = setUp();
    const started = client.subscribe({ from: 'nonsense' }, () => expect.unreachable());
    const { id } = await request();
    const error = { code: -32012, message: 'ahead', data: { kind: 'CursorInFuture', head: 's.1.a' } };
    await theirs.send(JSON.stringify({ jsonrpc: '2.0', id, error }));
    const refused = await within(
      'the refusal',
      started.catch((found: unknown) => found),
    );
    expect(refused).toBeInstanceOf(RpcError);
    expect(refused).toMatchObject({ code: -32012, kind: 'CursorInFuture', data: { head: 's.1.a' } });
  });
});

describe('call', () => {
  it('matches replies to calls by id, however they overtake each other', async () => {
    const { client, theirs, request } = setUp();
    const calls = [client.callRaw('a', {}), client.callRaw('b', {})];
    const [first, second] = [await request(), await request()];
    await theirs.send(JSON.stringify({ jsonrpc: '2.0', id: second.id, result: 'for b' }));
    await theirs.send(JSON.stringify({ jsonrpc: '2.0', id: first.id, result: 'for a' }));
    expect(await within('both', Promise.all(calls))).toEqual(['for a', 'for b']);
  });

  it('rejects pending calls with TransportClosedError when the connection ends, and later ones at once', async () => {
    const { client, theirs, request } = setUp();
    const pending = client.call('ping', {}).catch((error: unknown) => error);
    const starting = client.subscribe({}, () => {}).catch((error: unknown) => error);
    await request();
    theirs.close();
    expect(await within('the rejection', pending)).toBeInstanceOf(TransportClosedError);
    expect(await within('the rejection', starting)).toBeInstanceOf(TransportClosedError);
    await within('closed', client.closed);
    const later = client.call('ping', {}).catch((error: unknown) => error);
    expect(await within('the rejection', later)).toBeInstanceOf(TransportClosedError);
  });

  it('does so too when this side closes', async () => {
    const { client, request } = setUp();
    const pending = client.call('ping', {}).catch((error: unknown) => error);
    await request();
    client.close();
    expect(await within('the rejection', pending)).toBeInstanceOf(TransportClosedError);
  });
});

describe('what a client does not know', () => {
  it('[P21] unknown notifications, subscriptions and members are ignored, and the connection lives on', async () => {
    const { client, theirs, request } = setUp();
    const call = client.call('ping', {});
    const { id } = await request();
    for (const message of [
      { jsonrpc: '2.0', method: 'session/init', params: [{ sessions: [] }] },
      { jsonrpc: '2.0', method: 'weather/changed' },
      { jsonrpc: '2.0', method: 'events/batch', params: { subscription: 'sub_other', events: [] } },
      { jsonrpc: '2.0', id: 4711, result: {} },
      { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error' } },
    ]) {
      await theirs.send(JSON.stringify(message));
    }
    await theirs.send(JSON.stringify({ jsonrpc: '2.0', id, result: { later: 1 }, extra: true }));
    expect(await within('the reply', call)).toEqual({ later: 1 });
  });

  it.each(['{"jsonrpc"', 'null', '5'])(
    'a daemon that sends %j cannot be followed: every call is told',
    async (text) => {
      const { client, theirs, request } = setUp();
      const pending = client.call('ping', {}).catch((error: unknown) => error);
      await request();
      await theirs.send(text);
      expect(await within('the rejection', pending, () => '', 3_000)).toBeInstanceOf(TransportClosedError);
      await within('closed', client.closed);
    },
  );

  it('a listener that throws ends the connection, so that no call waits for ever (P37)', async () => {
    const { transport, chunk } = chunked();
    const client = new Client(transport);
    const bug = new Error('a bug of the listener');
    const started = client.subscribe({}, () => {
      throw bug;
    });
    chunk(subscribed(1, 'sub_1'), caughtUp('sub_1', 's.1.a'));
    const ended = client.closed.then(
      () => 'no error',
      (error: unknown) => error,
    );
    await within('the reply', started);
    const pending = client.call('ping', {}).catch((error: unknown) => error);
    expect(await within('the rejection', pending, () => '', 3_000)).toBeInstanceOf(TransportClosedError);
    expect(await within('the bug', ended)).toBe(bug);
  });
});
