// Reads every event row of a store with better-sqlite3 and writes it to whoever connects, as a process of its own: what a
// replay costs that does nothing else.
import { once } from 'node:events';
import { createServer } from 'node:net';
import Database from 'better-sqlite3';

const [path, store] = process.argv.slice(2) as [string, string];
const batchBytes = 256 * 1024;

const db = new Database(store, { readonly: true });
const rows = db.prepare('SELECT e.*, b.json FROM event e JOIN body b ON b.seq = e.seq ORDER BY e.seq').raw();

createServer(async (socket) => {
  let batch = '';
  const flush = async () => {
    const taken = socket.write(batch);
    batch = '';
    if (!taken) await once(socket, 'drain');
  };
  for (const row of rows.iterate() as Iterable<unknown[]>) {
    batch += `${row.join(' ')}\n`;
    if (batch.length >= batchBytes) await flush();
  }
  await flush();
  socket.end();
}).listen(path, () => process.send!('listening'));
process.once('disconnect', () => process.exit());
