// A program that hands ops over to an outbox in a file until it is killed, run as a process of its own by test/crash/intents.test.ts:
// SOCKET FILE FROM TO. It says `found N`: how many ops one before it has left; `kept N` when the op N and all before it are kept;
// and `all` when nothing waits any more.
import { connect } from '../../protocol/node/connect.ts';
import { fileIntents } from '../../protocol/node/file-intents.ts';

const [socket, file, from, to] = process.argv.slice(2) as [string, string, string, string];

const client = connect(socket, {
  reconnect: { baseMs: 5, maxMs: 50 },
  intents: {
    store: fileIntents(file),
    onHandedBack: (back) => {
      console.log(`back ${back.op.opId} ${back.why}`);
      process.exitCode = 1;
    },
  },
});
await client.intents.opened();
console.log(`found ${client.intents.size}`);
let last: Promise<unknown> = Promise.resolve();
for (let n = Number(from); n < Number(to); n += 1) {
  const opId = `op-${n}`;
  last =
    n === 0
      ? client.append({ opId, type: 'session/create', params: { sessionId: 'ses_a' } })
      : client.append({
          opId,
          type: 'message/put',
          params: { sessionId: 'ses_a', messageId: `msg_${n}`, role: 'user' },
        });
  if (n % 7 !== 0) continue;
  await client.intents.kept();
  console.log(`kept ${n}`);
}
await last;
while (client.intents.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
console.log('all');
await client.close();
