// A session that is deleted: all that hangs on it goes at once, and its ids stay taken.
import { expect, it } from 'vitest';
import { Pruner } from '../../daemon/store/pruner.ts';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';
import { expectSound, work } from '../support/replica.ts';

const tables = ['chunk', 'part', 'message', 'blocker', 'turn', 'artifact'];

for (const isPruned of [false, true]) {
  it(`goes with all it has, and nothing of another (${isPruned ? 'no event of it is held' : 'its events are held'})`, async () => {
    const records = openRecords(testHome().paths.data);
    const { db, journal, writer } = records;
    await work(records, 'ses_a');
    await work(records, 'ses_b');
    const other = readTables(records).get('ses_b');
    const ids = tables
      .slice(1, 5)
      .flatMap((table) => db.prepare(`SELECT id FROM ${table} WHERE session = 1`).pluck().all() as string[]);
    expect(ids).toHaveLength(6);
    const pruner = new Pruner(db, journal);
    if (isPruned) while (pruner.cut(journal.head.seq, 100));
    await writer.appendOne(owner, op('session/delete', { sessionId: 'ses_a' }));
    const rows = (sql: string) => db.prepare(sql).pluck().all();
    for (const table of tables) expect(new Set(rows(`SELECT session FROM ${table}`))).toEqual(new Set([2]));
    expect(ids.filter((id) => !records.tables.isTaken(id))).toEqual([]);
    expect(records.tables.isTaken('msg_b')).toBe(false);
    for (const id of ids) {
      const { tables: held } = records;
      const found = [held.findTurn(id), held.findMessage(id), held.findPart(id), held.findBlocker(id)];
      expect(found).toEqual([undefined, undefined, undefined, undefined]);
    }
    expect(readTables(records)).toEqual(new Map([['ses_b', other]]));
    if (!isPruned) return expectSound(records);
    const needed = tables.map((table) => `SELECT body FROM ${table}`).join(' UNION ALL ');
    const { seq } = journal.head;
    expect(rows(`SELECT seq FROM body WHERE seq NOT IN (${needed})`)).toEqual([seq]);
    const missing = `SELECT body FROM (${needed}) WHERE body NOT IN (SELECT seq FROM body)`;
    expect(rows(missing)).toEqual([]);
  });
}
