// Restoring without a daemon: what comes in is looked at first, the old store stays whole beside it, and each refusal says what
// to do and changes nothing.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openStore, shippedMigrations } from '../../daemon/store/open.ts';
import { Restore, RestoreError } from '../../daemon/store/restore.ts';
import { root } from '../support/build.ts';
import { afterTest, testFolder, testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';
import { hasSmallDisks, mountSmallDisk } from '../support/small-disk.ts';

const now = Date.UTC(2026, 10, 22, 4, 35, 47);
const newest = shippedMigrations().at(-1)!.version;
const fixture = (schema: number) => join(root, `test/fixtures/stores/schema-${schema}.db`);

/** A store in a folder of its own with that session in it, closed. */
async function storeWith(sessionId: string): Promise<string> {
  const folder = testHome().paths.data;
  const records = openRecords(folder);
  await records.writer.appendOne(owner, op('session/create', { sessionId }));
  records.close();
  return folder;
}

function sessionsOf(path: string): string[] {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare('SELECT id FROM session WHERE record IS NOT NULL ORDER BY id').pluck().all() as string[];
  } finally {
    db.close();
  }
}

function idOf(path: string): unknown {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare('SELECT store_id FROM store').pluck().get();
  } finally {
    db.close();
  }
}

/** All files with what is in them. */
const picture = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(RestoreError);
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

describe('a restored store', () => {
  test('is another store with what was in the backup; the old one lies beside it, whole', async () => {
    const folder = await storeWith('ses_old');
    const store = join(folder, 'store.db');
    const oldId = idOf(store);
    const file = join(testFolder(), 'backup.db');
    copyFileSync(fixture(newest), file);
    const before = readFileSync(file);
    const restore = new Restore(folder, file);
    expect(restore.prepared).toMatchObject({ file, schema: newest, sessions: sessionsOf(file).length });
    const restored = restore.commit(now);
    const aside = join(folder, 'store.replaced-20261122T043547Z.db');
    expect(restored).toMatchObject({ path: store, aside, withdrawn: 0, storeId: idOf(store) });
    expect(restored.head.split('.').slice(1)).toEqual(restore.prepared.head.split('.').slice(1));
    expect(new Set([oldId, idOf(file), idOf(store)]).size).toBe(3);
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(sessionsOf(aside)).toEqual(['ses_old']);
    expect(sessionsOf(store)).toEqual(sessionsOf(file));
    expect(statSync(store).mode & 0o777).toBe(0o600);
    const records = openRecords(folder);
    expect([...readTables(records).keys()].sort()).toEqual(sessionsOf(file));
    await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_new' }));
  });

  test.each(shippedMigrations().map(({ version }) => version))('may come from schema %i', (schema) => {
    const folder = testHome().paths.data;
    const restored = new Restore(folder, fixture(schema)).commit(now);
    expect(restored.aside).toBeUndefined();
    const records = openRecords(folder);
    expect(records.journal.storeId).toBe(restored.storeId);
    expect(readTables(records).has('ses_a')).toBe(true);
  });

  test('has a key of its own for page tokens', async () => {
    const folder = await storeWith('ses_old');
    const secretOf = () => {
      const store = openStore(folder);
      store.close();
      return store.secret.toString('hex');
    };
    const before = secretOf();
    const file = join(testFolder(), 'b.db');
    copyFileSync(join(folder, 'store.db'), file);
    new Restore(folder, file).commit(now);
    expect(secretOf()).not.toBe(before);
  });

  test('twice in one second keeps both that were replaced', async () => {
    const folder = await storeWith('ses_old');
    for (let round = 0; round < 2; round += 1) new Restore(folder, fixture(newest)).commit(now);
    const kept = readdirSync(folder).filter((name) => name.startsWith('store.replaced'));
    expect(kept.sort()).toEqual(['store.replaced-20261122T043547Z-2.db', 'store.replaced-20261122T043547Z.db']);
  });

  test('may come from a store that was copied by hand, with its log', async () => {
    const from = testHome().paths.data;
    const records = openRecords(from);
    await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_logged' }));
    const hand = testFolder();
    for (const suffix of ['', '-wal']) copyFileSync(join(from, `store.db${suffix}`), join(hand, `store.db${suffix}`));
    records.close();
    const folder = testHome().paths.data;
    new Restore(folder, join(hand, 'store.db')).commit(now);
    expect(sessionsOf(join(folder, 'store.db'))).toEqual(['ses_logged']);
    expect(readdirSync(hand).sort()).toEqual(['store.db', 'store.db-wal']);
  });

  test('takes the place of one that crashed, whose log is not lost', async () => {
    const crashed = testHome().paths.data;
    const records = openRecords(crashed);
    await records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_logged' }));
    const folder = testHome().paths.data;
    mkdirSync(folder, { recursive: true });
    for (const suffix of ['', '-wal'])
      copyFileSync(join(crashed, `store.db${suffix}`), join(folder, `store.db${suffix}`));
    records.close();
    const { aside } = new Restore(folder, fixture(newest)).commit(now);
    expect(sessionsOf(aside!)).toEqual(['ses_logged']);
    expect(readdirSync(folder).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
  });

  test('takes the place of one that is damaged, with its log, which would ruin the new one', async () => {
    const folder = await storeWith('ses_old');
    const store = join(folder, 'store.db');
    writeFileSync(store, 'not a database at all '.repeat(1_000));
    writeFileSync(`${store}-wal`, 'nor a log');
    const { aside } = new Restore(folder, fixture(newest)).commit(now);
    expect(readFileSync(aside!, 'utf8')).toContain('not a database');
    expect(sessionsOf(store)).toContain('ses_a');
    expect(existsSync(`${store}-wal`)).toBe(false);
  });

  test('stays where a link leads to, when the store is kept elsewhere', async () => {
    const elsewhere = await storeWith('ses_old');
    const folder = testHome().paths.data;
    mkdirSync(folder, { recursive: true });
    symlinkSync(join(elsewhere, 'store.db'), join(folder, 'store.db'));
    const { path, aside } = new Restore(folder, fixture(newest)).commit(now);
    expect(path).toBe(join(elsewhere, 'store.db'));
    expect(sessionsOf(aside!)).toEqual(['ses_old']);
    expect(sessionsOf(join(folder, 'store.db'))).toContain('ses_a');
  });

  test('[P29] what was taken back since the backup stays taken back', async () => {
    const folder = await storeWith('ses_old');
    const store = join(folder, 'store.db');
    const change = (sql: string) => {
      const db = new Database(store);
      db.exec(sql);
      db.close();
    };
    const cap = (id: string) =>
      `INSERT INTO capability VALUES ('${id}', null, 'l', '{}', 1, null, null, 1, null, x'00', null);`;
    change(
      `${cap('cap_a')} ${cap('cap_b')} INSERT INTO share VALUES ('shr_a', 's', 'h', '[]', null, null, 1, null, null)`,
    );
    const file = join(testFolder(), 'b.db');
    copyFileSync(store, file);
    change("UPDATE capability SET revoked_at = 77 WHERE id = 'cap_a'; UPDATE share SET ended_at = 78");
    expect(new Restore(folder, file).commit(now).withdrawn).toBe(2);
    const db = new Database(store);
    expect(db.prepare('SELECT id, revoked_at FROM capability ORDER BY id').raw().all()).toEqual([
      ['cap_a', 77],
      ['cap_b', null],
    ]);
    expect(db.prepare('SELECT ended_at FROM share').pluck().get()).toBe(78);
    db.close();
  });
});

describe('a restore is refused with what to do, and changes nothing', () => {
  /** The folder is the same before and behind; a lock's own file is nothing of the store. */
  async function expectRefused(makeFile: (folder: string, place: string) => string, told: RegExp): Promise<void> {
    const folder = await storeWith('ses_old');
    const file = makeFile(folder, testFolder());
    const before = picture(folder);
    expect(refusal(() => new Restore(folder, file).commit(now))).toMatch(told);
    rmSync(join(folder, 'restore.lock'), { force: true });
    expect(picture(folder)).toEqual(before);
  }

  const copied = (schema: number, place: string) => {
    const file = join(place, 'b.db');
    copyFileSync(fixture(schema), file);
    return file;
  };
  const changed = (place: string, sql: string) => {
    const file = copied(newest, place);
    const db = new Database(file);
    db.exec(sql);
    db.close();
    return file;
  };

  test('a file that is not there', () =>
    expectRefused((_, place) => join(place, 'b.db'), /^there is no file .*b\.db$/));
  test('a folder', () => expectRefused((_, place) => place, /is no file: name a backup/));
  test('an empty file', () =>
    expectRefused((_, place) => {
      writeFileSync(join(place, 'b.db'), '');
      return join(place, 'b.db');
    }, /is not a sessiond store: take another backup$/));
  test('a file that is no SQLite', () =>
    expectRefused(() => join(root, 'package.json'), /is not a sessiond store: take another backup$/));
  test('a database of another program', () =>
    expectRefused((_, place) => changed(place, 'PRAGMA application_id = 1'), /is not a sessiond store: take another/));
  test('a truncated file', () =>
    expectRefused((_, place) => {
      const file = copied(newest, place);
      truncateSync(file, 40_000);
      return file;
    }, /is cut off: it has 40000 of \d+ bytes: take another backup$/));
  test('a newer schema', () =>
    expectRefused(
      (_, place) => changed(place, `PRAGMA user_version = ${newest + 1}`),
      new RegExp(`has schema ${newest + 1} and this sessiond knows schema ${newest}: restore it with the newer`),
    ));
  test('a file that is not whole', () =>
    expectRefused(
      (_, place) => changed(place, 'DELETE FROM event WHERE seq = 3'),
      /is not whole \(events .*: 1 missing\)/,
    ));
  test('the live store itself', () =>
    expectRefused((folder) => join(folder, 'store.db'), /is the store itself: name a backup/));
  test('the live store through a symlink, and by another name of its', async () => {
    for (const link of [symlinkSync, linkSync]) {
      await expectRefused((folder) => {
        link(join(folder, 'store.db'), join(folder, 'another'));
        return join(folder, 'another');
      }, /is the store itself/);
    }
  });

  test('while a daemon holds the store [P22]', async () => {
    const folder = await storeWith('ses_old');
    const store = openStore(folder);
    const id = idOf(join(folder, 'store.db'));
    expect(() => new Restore(folder, fixture(newest)).commit(now)).toThrow(/another sessiond holds the store/);
    expect(idOf(join(folder, 'store.db'))).toBe(id);
    store.close();
    expect(readdirSync(folder).sort()).toEqual(['restore.lock', 'store.db', 'store.lock']);
  });

  test('while another restore is under way, which goes on', async () => {
    const folder = await storeWith('ses_old');
    const first = new Restore(folder, fixture(newest));
    expect(refusal(() => new Restore(folder, fixture(1)))).toContain('another restore');
    first.commit(now);
    expect(sessionsOf(join(folder, 'store.db'))).toContain('ses_a');
  });

  test('while another program has the store open', async () => {
    const folder = await storeWith('ses_old');
    const other = openRecords(folder);
    const reader = new Database(join(folder, 'store.db'));
    afterTest(() => reader.close());
    reader.exec('BEGIN; SELECT * FROM store');
    other.close();
    const restore = new Restore(folder, fixture(newest));
    expect(refusal(() => restore.commit(now))).toMatch(/another program has .*store\.db open: end that/);
    expect(sessionsOf(join(folder, 'store.db'))).toEqual(['ses_old']);
  });

  test.skipIf(!hasSmallDisks)('where the disk of the store is full', () => {
    const folder = join(testFolder(), 's');
    mountSmallDisk(folder, 96 * 1024);
    expect(statSync(fixture(newest)).size).toBeGreaterThan(96 * 1024);
    expect(refusal(() => new Restore(folder, fixture(newest)))).toMatch(
      /the disk of .* is full \(\d+ bytes are free\): make room/,
    );
    expect(readdirSync(folder)).toEqual(['restore.lock']);
  });
});

test('what a restore that was killed has left goes with the next', async () => {
  const folder = await storeWith('ses_old');
  for (const name of ['store.restoring', 'store.restoring-wal', 'store.restoring-journal'])
    writeFileSync(join(folder, name), 'half of it');
  const restore = new Restore(folder, fixture(newest));
  restore.discard();
  restore.discard();
  expect(readdirSync(folder).sort()).toEqual(['restore.lock', 'store.db', 'store.lock']);
});
