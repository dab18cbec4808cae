// Opens the store: lock, schema, pragmas, identity. One process holds a store; a crash frees it (P22, P23).
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { copyStore } from './durable.ts';
import { HeldFiles } from './held-files.ts';
import { WriteAhead } from './write-ahead.ts';

export type Db = Database.Database;

/** Refusals of a store. `exitCode` is the daemon's (PROTOCOL.md 1: 7 for a store that another daemon holds). */
export class StoreError extends Error {
  readonly code: 'locked' | 'newerSchema' | 'damaged' | 'migrationFailed' | 'foreign';
  readonly exitCode: number;
  constructor(code: StoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
    this.exitCode = code === 'locked' ? 7 : 1;
  }
}

export type Migration = { version: number; sql: string };

/** `secret`: 32 bytes that nobody else knows, always the same for a store. */
export type OpenStore = {
  db: Db;
  log: WriteAhead;
  path: string;
  secret: Buffer;
  /** Whether its file has not been removed or moved: a look so short that it is taken before each commit. */
  isThere(): boolean;
  /** Which of its files somebody has removed, moved or replaced since it was opened, if any: what is written now would be lost with it. */
  lostFile(): string | undefined;
  close(): void;
};

export type OpenOptions = {
  /** For tests of the migrations' own rules; the default is what lies in sql/. */
  migrations?: Migration[];
  /** Told before each statement batch that changes the schema; a crash test dies here. */
  onMigration?: (version: number) => void;
  /** Told before each statement that writes; a crash test dies here. */
  onWrite?: (() => void) | undefined;
};

const lockName = 'store.lock';
/** To so much its log is cut when it is begun anew; one that is larger should be. */
export const largeLogBytes = 64 * 1024 * 1024;
const incremental = 2;
/** "sesd": marks the file as ours, so that no other program's database is migrated. */
export const applicationId = 0x73657364;

/** Opens or makes `store.db` in `folder`. Throws StoreError with what to do; the caller closes. */
export function openStore(folder: string, options: OpenOptions = {}): OpenStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = takeLock(join(folder, lockName));
  const path = join(folder, 'store.db');
  let db: Db | undefined;
  try {
    db = openDatabase(path);
    migrate(db, path, options.migrations ?? shippedMigrations(), options.onMigration);
    makeCompactable(db);
    chmodSync(path, 0o600);
    if (options.onWrite) tellWrites(db, options.onWrite);
    const opened = db;
    // SQLite has its log beside the file itself, where `path` is a link to that.
    const logPath = `${realpathSync(path)}-wal`;
    const held = new HeldFiles([path, logPath, join(folder, lockName)]);
    const log = new WriteAhead(db, path, logPath);
    return {
      db: opened,
      log,
      path,
      secret: opened.prepare('SELECT secret FROM store').pluck().get() as Buffer,
      isThere: () => existsSync(path),
      lostFile: () => held.lost(),
      close() {
        log.close();
        opened.close();
        // Last: until here nobody else may open the store.
        lock.close();
      },
    };
  } catch (error) {
    db?.close();
    lock.close();
    throw error;
  }
}

function tellWrites(db: Db, onWrite: () => void): void {
  const prepare = db.prepare.bind(db);
  db.prepare = ((sql: string) => {
    const statement = prepare(sql);
    const run = statement.run.bind(statement);
    statement.run = (...values: unknown[]) => {
      onWrite();
      return run(...values);
    };
    return statement;
  }) as typeof db.prepare;
}

/**
 * An exclusive transaction on a small database of its own, never ended: the lock is the kernel's, so a crash frees it
 * and a left-over file locks nobody out.
 */
export function takeLock(path: string): Db {
  const lock = new Database(path, { timeout: 0 });
  try {
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (isDamage(error)) {
      // Something else wrote there. Emptied and not removed: the lock is on the file itself, and whoever holds it keeps
      // it, where another file of that name would be a second lock.
      truncateSync(path);
      return takeLock(path);
    }
    if (isBusy(error)) {
      const folder = dirname(path);
      throw new StoreError(
        'locked',
        `another sessiond holds the store in ${folder}: stop it with 'sessiond stop', or set SESSIOND_HOME to use ` +
          'another store',
        { cause: error },
      );
    }
    throw error;
  }
}

function openDatabase(path: string): Db {
  let db: Db | undefined;
  try {
    db = new Database(path);
    // Before the first page is written: what is freed can then be given back without writing all of the store anew.
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    // NORMAL: a commit is not on the disk before write-ahead.ts has seen to that (P10). SQLite still syncs around checkpoints.
    db.pragma('synchronous = NORMAL');
    db.pragma('foreign_keys = ON');
    // What is deleted is overwritten where its page is written anyway: a session that was deleted must not lie there for years.
    db.pragma('secure_delete = FAST');
    db.pragma('temp_store = MEMORY');
    db.pragma('cache_size = -16384');
    // engine/checkpoints.ts copies its pages back; where that fails the log grows to 256 MB before a commit does it.
    db.pragma('wal_autocheckpoint = 64000');
    db.pragma(`journal_size_limit = ${largeLogBytes}`);
    return db;
  } catch (error) {
    db?.close();
    if (isDamage(error)) throw damaged(path, error);
    throw error;
  }
}

/** The numbered files of sql/, oldest first. */
export function shippedMigrations(): Migration[] {
  const folder = fileURLToPath(new URL('./sql/', import.meta.url));
  return readdirSync(folder)
    .filter((name) => /^\d{4}\.sql$/.test(name))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), sql: readFileSync(join(folder, name), 'utf8') }));
}

function migrate(db: Db, path: string, migrations: Migration[], onMigration?: (version: number) => void): void {
  let held: number;
  try {
    held = db.pragma('user_version', { simple: true }) as number;
    checkOwner(db, path, held);
  } catch (error) {
    if (isDamage(error)) throw damaged(path, error);
    throw error;
  }
  const newest = migrations.at(-1)!.version;
  if (held > newest) {
    throw new StoreError(
      'newerSchema',
      `the store ${path} has schema ${held} and this sessiond knows schema ${newest}: start the newer sessiond that ` +
        'wrote it, or set SESSIOND_HOME to use another store',
    );
  }
  const due = migrations.filter((migration) => migration.version > held);
  if (due.length === 0) return;
  if (held > 0) copyStore(db, freshName(`${path}.schema-${held}.backup`));
  try {
    // All steps in one transaction: killed or failed anywhere inside, the old schema stands untouched.
    db.transaction(() => {
      for (const { version, sql } of due) {
        onMigration?.(version);
        db.exec(sql);
        db.pragma(`user_version = ${version}`);
      }
      if (held === 0) firstRow(db);
      db.prepare('UPDATE store SET secret = ? WHERE secret IS NULL').run(randomBytes(32));
    }).immediate();
  } catch (error) {
    throw new StoreError(
      'migrationFailed',
      `the store ${path} could not be brought from schema ${held} to ${newest} and was left as it was: ${String(error)}`,
      { cause: error },
    );
  }
}

/** A store that was made before auto_vacuum was set takes it on when all of it is written anew, once. */
function makeCompactable(db: Db): void {
  if (db.pragma('auto_vacuum', { simple: true }) === incremental) return;
  try {
    db.exec('VACUUM');
  } catch (error) {
    // Without the room for a second copy it serves as well, and stays as large as it is.
    if (storeFault(error) !== 'full') throw error;
  }
}

function checkOwner(db: Db, path: string, schema: number): void {
  const owner = db.pragma('application_id', { simple: true }) as number;
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
  if (owner === applicationId || (schema === 0 && tables === 0)) return;
  throw new StoreError(
    'foreign',
    `${path} is not a sessiond store: move it away, or set SESSIOND_HOME to another folder`,
  );
}

function firstRow(db: Db): void {
  db.pragma(`application_id = ${applicationId}`);
  const tag = randomBytes(3).readUIntBE(0, 3);
  const columns = 'one, store_id, head_seq, head_tag, last_at, floor_seq, floor_tag';
  db.prepare(`INSERT INTO store (${columns}) VALUES (1, ?, 0, ?, 0, 0, ?)`).run(newStoreId(), tag, tag);
}

/** Random, made with the store: a cursor from another store never silently matches (P1). */
export function newStoreId(): string {
  return randomBytes(8).toString('hex');
}

function freshName(path: string): string {
  return `${path}.${randomBytes(4).toString('hex')}`;
}

export function sqliteCode(error: unknown): string {
  return error instanceof Database.SqliteError ? error.code : '';
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error).startsWith('SQLITE_BUSY');
}

export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));
}

function damaged(path: string, cause: unknown): StoreError {
  return new StoreError('damaged', `the store ${path} is damaged (${String(cause)}): ${damageAdvice}`, { cause });
}

/** What to do with a store that is damaged. A log that is left beside a file that was put there by hand ruins it. */
export const damageAdvice =
  "bring a backup back with 'sessiond restore FILE' (not by hand: its -wal would stay), or move store.db and store.db-wal away " +
  'and start anew; transcripts are then read again';

/** Why a write failed, as PROTOCOL.md 1 names it; undefined for what is a bug and no fault of the disk. */
export function storeFault(error: unknown): 'full' | 'readOnly' | 'io' | undefined {
  const code = sqliteCode(error);
  if (code === 'SQLITE_FULL') return 'full';
  if (code.startsWith('SQLITE_READONLY')) return 'readOnly';
  if (/^SQLITE_(IOERR|CORRUPT|NOTADB|CANTOPEN)/.test(code)) return 'io';
  return undefined;
}
