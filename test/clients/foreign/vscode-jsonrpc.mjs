// A client of sessiond on vscode-jsonrpc, as a VS Code extension would have it: see ../foreign.ts for what it does.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';

const [path, name] = process.argv.slice(2);
const [sessionId, messageId] = [`ses_${name}`, `msg_${name}`];
const part = { type: 'text', text: `from ${name}: 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301` };
const ops = [
  { type: 'session/create', params: { sessionId, title: `${name} 𝄞` } },
  { type: 'message/put', params: { sessionId, messageId, role: 'user' } },
  { type: 'part/put', params: { sessionId, messageId, partId: `prt_${name}`, part } },
].map((op, index) => ({ opId: `${name}-${index}`, ...op }));

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let isAppended = false;
let cursor;

const textOf = ({ type, data }) => {
  if (type === 'part/updated') return data.text ?? '';
  return type.startsWith('session/') ? (data.title ?? '') : '';
};

function take(params) {
  if (params.prev !== cursor) tell({ gap: [params.prev, cursor] });
  for (const event of params.events ?? []) tell({ seq: event.seq, type: event.type, text: textOf(event) });
  cursor = params.cursor;
}

/** Resolves when the connection is over. */
async function follow(socket) {
  const connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
  const over = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  // A call under way is never answered by a connection that ended: disposing of it rejects the call.
  connection.onClose(() => connection.dispose());
  connection.onError(() => {});
  for (const method of ['events/batch', 'events/caughtUp', 'events/bookmark']) connection.onNotification(method, take);
  connection.listen();
  await connection.sendRequest('initialize', { protocolVersion: 1, client: { name, version: '1' } });
  tell({ connected: true });
  if (!isAppended) {
    const result = await connection.sendRequest('ops/append', { ops });
    if (result.rejected.length > 0) throw new Error(`rejected: ${JSON.stringify(result.rejected)}`);
    isAppended = true;
    tell({ appended: result.cursor });
  }
  const from = cursor ?? 'start';
  const snapshot = cursor ? { snapshot: 'never' } : {};
  const started = await connection.sendRequest('events/subscribe', { from, ...snapshot });
  tell({ subscribed: started.mode, from });
  cursor = started.cursor;
  await over;
}

for (;;) {
  const socket = connect(path).on('error', () => {});
  try {
    await once(socket, 'connect');
    await follow(socket);
  } catch (error) {
    // An answer that is an error is no cut.
    if (socket.readyState === 'open') throw error;
  }
  await pause(50);
}
