// The capnweb library's own client against a daemon, over WebSocket and HTTP batch, with what is on the wire seen.
import { once } from 'node:events';
import { newWebSocketRpcSession, RpcSession } from 'capnweb';
import { WebSocket } from 'ws';
import { afterTest } from '../../support/daemon.ts';
import { within } from '../../support/deadline.ts';
import type { Answer, Asking } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';

// capnweb asks it for its constants; Node has one of its own from 22 on.
globalThis.WebSocket ??= WebSocket as Anything;

/** A session over WebSocket. `heard`, `said`: the messages that came and went. */
export async function sessionOver(url: string, headers: Record<string, string> = {}) {
  const webSocket = new WebSocket(url, { headers });
  afterTest(() => webSocket.terminate());
  const heard: Anything[] = [];
  const said: Anything[] = [];
  webSocket.on('message', (data) => heard.push(JSON.parse(String(data))));
  const send = webSocket.send.bind(webSocket);
  webSocket.send = (text: Anything) => {
    said.push(JSON.parse(text));
    return send(text);
  };
  const closed = once(webSocket, 'close') as Promise<[number]>;
  await within('the WebSocket to open', once(webSocket, 'open'));
  const api: Anything = newWebSocketRpcSession(webSocket as Anything);
  return { api, webSocket, heard, said, closed: () => within('the WebSocket to close', closed) };
}

/** What `calls` makes of a stub as one HTTP batch; resolves when it settles, with the answer. */
export async function batchOver<T>(
  ask: (asking: Asking) => Promise<Answer>,
  calls: (api: Anything) => Promise<T>,
  headers: Record<string, string> = {},
): Promise<{ settled: PromiseSettledResult<T>; answer: Answer }> {
  const sent: string[] = [];
  let received: Promise<string[]> | undefined;
  let answer!: Answer;
  const post = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    answer = await ask({ path: '/capnweb', headers, body: sent.join('\n') });
    return answer.text === '' ? [] : answer.text.split('\n');
  };
  const session = new RpcSession({
    send: (text: string) => void sent.push(text),
    receive: async () => {
      received ??= post();
      const line = (await received).shift();
      if (line === undefined) throw new Error(`the batch is over: ${answer.status} ${answer.text.slice(0, 200)}`);
      return line;
    },
  });
  const [settled] = await Promise.allSettled([within('the batch', calls(session.getRemoteMain()))]);
  await received?.catch(() => {});
  return { settled, answer };
}

/** What a call rejects with. */
export async function errorOf(call: Promise<unknown>): Promise<Anything> {
  return within('an error', Promise.resolve(call)).then(
    (value) => {
      throw new Error(`no error but ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
