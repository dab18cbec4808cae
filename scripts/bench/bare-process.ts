// Bare rows as a process of its own, for a floor on another disk than this process has. It is sent how much to commit, and
// answers when that is on disk.
import { BareRows } from './bare-rows.ts';
import type { StoredRow } from './part-put.ts';

const [folder, row] = process.argv.slice(2) as [string, string];
const bare = new BareRows(folder, JSON.parse(row) as StoredRow);
process.on('message', ({ transactions, rows }: { transactions: number; rows: number }) => {
  for (let n = 0; n < transactions; n += 1) bare.commit(rows);
  process.send!('committed');
});
process.once('disconnect', () => process.exit());
process.send!('ready');
