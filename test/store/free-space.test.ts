// store/compact: freed pages go back to the disk in bites, while others write (PROTOCOL.md 5 and 9).
import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Compaction } from '../../daemon/engine/compaction.ts';
import type { OnRollback } from '../../daemon/engine/writer.ts';
import { FreeSpace } from '../../daemon/store/free-space.ts';
import { openStore } from '../../daemon/store/open.ts';
import { root } from '../support/build.ts';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';

test.each(['schema-1.db', 'schema-3.db'])('the store of %s can be compacted from its first start on', (name) => {
  const { data } = testHome().paths;
  mkdirSync(data, { recursive: true });
  copyFileSync(join(root, 'test/fixtures/stores', name), join(data, 'store.db'));
  for (let start = 0; start < 2; start += 1) {
    const store = openStore(data);
    expect(store.db.pragma('auto_vacuum', { simple: true })).toBe(2);
    expect(store.db.pragma('integrity_check', { simple: true })).toBe('ok');
    store.close();
  }
});

describe('compaction', () => {
  test('shortens the file in many bites, among the appends of others, and changes nothing', async () => {
    const { data } = testHome().paths;
    const records = openRecords(data);
    const { writer, db } = records;
    const put = (at: number, text: string) =>
      op('artifact/put', { sessionId: `ses_${at % 2}`, kind: 'k', key: `${at}`, data: text });
    for (const sessionId of ['ses_0', 'ses_1']) await writer.appendOne(owner, op('session/create', { sessionId }));
    for (let at = 0; at < 1_000; at += 1) await writer.appendOne(owner, put(at, 'x'.repeat(10_000)));
    await writer.appendOne(owner, op('session/delete', { sessionId: 'ses_0' }));
    // The journal still holds the events; a cut lets their bodies go.
    const retention = {
      async cut() {
        await writer.write(() =>
          db.exec(`DELETE FROM body WHERE seq IN (SELECT b.seq FROM body b JOIN event e USING (seq)
          JOIN session s ON s.key = e.session WHERE s.id = 'ses_0')`),
        );
      },
    };
    let bites = 0;
    const counted = {
      write: <T>(work: (onRollback: OnRollback) => T) => {
        bites += 1;
        return writer.write(work);
      },
    };
    const before = readTables(records);
    const size = () => statSync(join(data, 'store.db')).size;
    db.pragma('wal_checkpoint(TRUNCATE)');
    const large = size();
    const compaction = new Compaction({
      space: new FreeSpace(db),
      retention,
      writer: counted,
      runtime: records.runtime,
    });
    const appended: Promise<unknown>[] = [];
    const running = compaction.run();
    expect(compaction.run()).toBe(running);
    for (let at = 0; at < 20; at += 1) appended.push(writer.appendOne(owner, put(1, `y${at}`)));
    await Promise.all(appended);
    const freed = await running;
    expect(freed).toBeGreaterThan(4_000_000);
    expect(bites).toBeGreaterThan(5);
    expect(large - size()).toBeGreaterThan(4_000_000);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const after = readTables(records);
    expect(after.get('ses_1')!.artifacts.length).toBe(before.get('ses_1')!.artifacts.length);
    expect(await compaction.run()).toBe(0);
  });
});
