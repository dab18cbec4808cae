import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { Journal } from '../../daemon/store/journal.ts';
import { openStore, StoreError, shippedMigrations } from '../../daemon/store/open.ts';
import { root } from '../support/build.ts';
import { afterTest, testHome } from '../support/daemon.ts';

const shipped = shippedMigrations();
const newest = shipped.at(-1)!.version;
const next = { version: newest + 1, sql: 'CREATE TABLE later (x); INSERT INTO later VALUES (1);' };

function open(folder: string, options = {}) {
  const store = openStore(folder, options);
  afterTest(() => store.close());
  return store;
}

function refusal(run: () => unknown): StoreError {
  try {
    run();
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a new store', () => {
  test('has a write-ahead log, which SQLite syncs around checkpoints and we behind each commit [P10]', () => {
    const { db } = open(testHome().folder);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(db.pragma('synchronous', { simple: true })).toBe(1);
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
  });

  test('has a random id, which a plain reopening keeps', () => {
    const first = testHome().paths.data;
    const store = openStore(first);
    const { storeId } = new Journal(store.db);
    store.close();
    expect(new Journal(open(first).db).storeId).toBe(storeId);
    expect(new Journal(open(testHome().paths.data).db).storeId).not.toBe(storeId);
  });

  test('is readable by its owner only', () => {
    const { data } = testHome().paths;
    open(data);
    expect(statSync(join(data, 'store.db')).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
  });
});

describe('the lock', () => {
  test('[P22] a second opener is refused with exit code 7 and told what to do', () => {
    const { data } = testHome().paths;
    open(data);
    const error = refusal(() => openStore(data));
    expect(error).toMatchObject({ code: 'locked', exitCode: 7 });
    expect(error.message).toContain(data);
    expect(error.message).toContain('sessiond stop');
  });

  test('[P23] a left-over lock file, empty or not, locks nobody out', () => {
    const { data } = testHome().paths;
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'store.lock'), '');
    openStore(data).close();
    openStore(data).close();
  });

  test('[P22] a process that is killed frees it', () => {
    const { data } = testHome().paths;
    const script = `
      import { openStore } from ${JSON.stringify(join(root, 'daemon/store/open.ts'))};
      openStore(${JSON.stringify(data)});
      process.kill(process.pid, 'SIGKILL');`;
    const died = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { cwd: root });
    expect(died.signal).toBe('SIGKILL');
    open(data);
  });
});

describe('the schema', () => {
  test('a newer one is refused by number, and the store is left as it was', () => {
    const { data } = testHome().paths;
    openStore(data, { migrations: [...shipped, next] }).close();
    const error = refusal(() => openStore(data));
    expect(error.code).toBe('newerSchema');
    expect(error.message).toContain(`schema ${next.version}`);
    expect(error.message).toContain(`schema ${newest}`);
    expect(
      open(data, { migrations: [...shipped, next] })
        .db.prepare('SELECT x FROM later')
        .get(),
    ).toEqual({ x: 1 });
  });

  test('a migration runs after a backup copy of the store', () => {
    const { data } = testHome().paths;
    openStore(data).close();
    open(data, { migrations: [...shipped, next] });
    const [backup] = readdirSync(data).filter((name) => name.includes('.backup'));
    const copy = new Database(join(data, backup!), { readonly: true });
    afterTest(() => copy.close());
    expect(copy.pragma('user_version', { simple: true })).toBe(newest);
  });

  test('a new store makes no backup', () => {
    const { data } = testHome().paths;
    open(data);
    expect(readdirSync(data).some((name) => name.includes('backup'))).toBe(false);
  });

  test('a migration that throws leaves the old schema working', () => {
    const { data } = testHome().paths;
    openStore(data).close();
    const broken = { version: next.version + 1, sql: 'CREATE TABLE half (x); CREATE TABLE half (x);' };
    const error = refusal(() => openStore(data, { migrations: [...shipped, next, broken] }));
    expect(error.code).toBe('migrationFailed');
    const { db } = open(data);
    expect(db.pragma('user_version', { simple: true })).toBe(newest);
    expect(db.prepare("SELECT count(*) FROM sqlite_schema WHERE name IN ('later', 'half')").pluck().get()).toBe(0);
  });

  test('kill -9 inside a migration leaves the old schema working', () => {
    const { data } = testHome().paths;
    openStore(data).close();
    const script = `
      import { openStore, shippedMigrations } from ${JSON.stringify(join(root, 'daemon/store/open.ts'))};
      const later = [${JSON.stringify(next)}, { version: ${next.version + 1}, sql: 'CREATE TABLE last (x)' }];
      openStore(${JSON.stringify(data)}, {
        migrations: [...shippedMigrations(), ...later],
        onMigration: (version) => { if (version === ${next.version + 1}) process.kill(process.pid, 'SIGKILL'); },
      });`;
    const died = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { cwd: root });
    expect(died.signal).toBe('SIGKILL');
    const { db } = open(data);
    expect(db.pragma('user_version', { simple: true })).toBe(newest);
    expect(db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'later'").pluck().get()).toBe(0);
  });
});

describe('what is no store of ours', () => {
  test('another database is not migrated', () => {
    const { data } = testHome().paths;
    mkdirSync(data, { recursive: true });
    const other = new Database(join(data, 'store.db'));
    other.exec('CREATE TABLE precious (x)');
    other.close();
    expect(refusal(() => openStore(data)).code).toBe('foreign');
  });

  test('a damaged file is refused with what to do, and kept', () => {
    const { data } = testHome().paths;
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'store.db'), 'x'.repeat(10_000));
    const error = refusal(() => openStore(data));
    expect(error.code).toBe('damaged');
    expect(error.message).toContain('backup');
    expect(existsSync(join(data, 'store.db'))).toBe(true);
  });
});
