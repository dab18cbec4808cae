// `sessiond restore`: a backup takes the place of the store, as another store, so that every cursor from before is told so
// (P1). It is copied beside the store and looked at before anything is done to the store, and put in its place by one rename:
// killed anywhere, the old store or the new one is there, whole.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { formatCursor } from '../../protocol/cursor.ts';
import { checkStore } from './check.ts';
import { renameDurably, syncPath } from './durable.ts';
import type { Db } from './open.ts';
import {
  applicationId,
  isBusy,
  isDamage,
  newStoreId,
  StoreError,
  shippedMigrations,
  storeFault,
  takeLock,
} from './open.ts';

/** Why a file is not restored, with what to do; nothing was changed. */
export class RestoreError extends Error {
  /** 7: another process has what is needed. */
  readonly exitCode: 1 | 7;
  constructor(message: string, options: ErrorOptions & { exitCode?: 1 | 7 } = {}) {
    super(message, options);
    this.name = 'RestoreError';
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What is in the backup: `head` is the cursor that it was made at. */
export type Prepared = { file: string; bytes: number; schema: number; head: string; sessions: number };

/**
 * `aside`: where the store is that was replaced, undefined where there was none. `withdrawn`: capabilities and shares of the
 * backup that were taken back since, and stay so; null where the store that was replaced is too damaged to tell.
 */
export type Restored = {
  path: string;
  storeId: string;
  head: string;
  aside: string | undefined;
  withdrawn: number | null;
};

/** `onStep`: told before each step; a crash test dies here. */
export type RestoreOptions = { onStep?: () => void };

const suffixes = ['', '-wal', '-shm'] as const;

export class Restore {
  readonly prepared: Prepared;
  readonly #folder: string;
  readonly #store: string;
  readonly #draft: string;
  readonly #lock: Db;
  readonly #onStep: () => void;

  /**
   * Copies `file` beside the store in `folder` and looks at it; a daemon may run meanwhile. Throws RestoreError; nothing of it is
   * left then.
   */
  constructor(folder: string, file: string, { onStep = () => {} }: RestoreOptions = {}) {
    this.#onStep = onStep;
    this.#store = realPath(join(folder, 'store.db'));
    this.#draft = join(dirname(this.#store), 'store.restoring');
    checkFile(file, this.#store, this.#draft);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#lock = lockRestores(folder);
    try {
      this.#clear();
      this.prepared = this.#copy(file);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /**
   * Puts it in the place of the store. `now`: ms since the epoch, for the name of the one that was there. Throws StoreError
   * where a daemon runs, RestoreError for what can be put right; the old store stands then.
   */
  commit(now: number): Restored {
    let lock: Db | undefined;
    try {
      lock = takeLock(join(this.#folder, 'store.lock'));
      return this.#replace(now);
    } catch (error) {
      throw fullDisk(error, dirname(this.#store)) ?? error;
    } finally {
      this.discard();
      lock?.close();
    }
  }

  /** Leaves all as it was. Idempotent. */
  discard(): void {
    if (!this.#lock.open) return;
    this.#clear();
    this.#lock.close();
  }

  #clear(): void {
    for (const suffix of [...suffixes, '-journal']) rmSync(this.#draft + suffix, { force: true });
  }

  #copy(file: string): Prepared {
    this.#onStep();
    try {
      for (const suffix of ['', '-wal']) {
        if (suffix !== '' && !existsSync(file + suffix)) continue;
        copyFileSync(file + suffix, this.#draft + suffix, constants.COPYFILE_FICLONE);
        chmodSync(this.#draft + suffix, 0o600);
      }
      this.#onStep();
      const db = new Database(this.#draft);
      try {
        // What its log holds goes into the file, which is then all there is of it.
        db.pragma('journal_mode = DELETE');
        return { file, ...lookAt(db, file), bytes: statSync(this.#draft).size };
      } finally {
        db.close();
      }
    } catch (error) {
      if (isDamage(error)) throw unusable(file, `is damaged (${String(error)})`, error);
      throw fullDisk(error, dirname(this.#draft)) ?? notCopied(error, file, this.#draft) ?? error;
    }
  }

  #replace(now: number): Restored {
    const [store, draft] = [this.#store, this.#draft];
    const aside = existsSync(store) ? freeName(store, now) : undefined;
    this.#onStep();
    const gone = aside === undefined ? none : settle(store);
    this.#onStep();
    const renewed = renew(draft, gone);
    syncPath(draft);
    this.#onStep();
    if (aside !== undefined) {
      keep(store, aside);
      this.#onStep();
      // Only of a store that is damaged: of any other they are part of the file by now. Beside another file they would ruin it.
      for (const suffix of ['-wal', '-shm']) {
        if (existsSync(store + suffix)) renameSync(store + suffix, aside + suffix);
      }
      syncPath(dirname(store));
    }
    this.#onStep();
    renameDurably(draft, store);
    this.#onStep();
    return { path: store, aside, ...renewed };
  }
}

/** Refuses what is surely no backup, before anything is copied. */
function checkFile(file: string, store: string, draft: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) throw new RestoreError(`there is no file ${file}`);
  if (!found.isFile()) throw new RestoreError(`${file} is no file: name a backup that 'sessiond backup' made`);
  if (realPath(file) === draft) {
    throw new RestoreError(`${file} is where the file to restore is copied to: give it another name`);
  }
  const live = statSync(store, { throwIfNoEntry: false });
  if (live?.ino === found.ino && live.dev === found.dev) {
    throw new RestoreError(`${file} is the store itself: name a backup of it`);
  }
  // What a store holds may all be in its log.
  if (existsSync(`${file}-wal`)) return;
  const header = readHeader(file);
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw unusable(file, 'is not a sessiond store');
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const bytes = pageSize * header.readUInt32BE(28);
  if (found.size < bytes) throw unusable(file, `is cut off: it has ${found.size} of ${bytes} bytes`);
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(100);
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new RestoreError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
  try {
    readSync(fd, header);
    return header;
  } finally {
    closeSync(fd);
  }
}

function lookAt(db: Db, file: string) {
  const schema = db.pragma('user_version', { simple: true }) as number;
  const newest = shippedMigrations().at(-1)!.version;
  if (db.pragma('application_id', { simple: true }) !== applicationId || schema === 0) {
    throw unusable(file, 'is not a sessiond store');
  }
  if (schema > newest) {
    throw new RestoreError(
      `${file} has schema ${schema} and this sessiond knows schema ${newest}: restore it with the newer sessiond that wrote it`,
    );
  }
  const { problems } = checkStore(db);
  if (problems.length > 0) {
    const others = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
    throw unusable(file, `is not whole (${problems[0]}${others})`);
  }
  const sessions = db.prepare('SELECT count(*) FROM session WHERE record IS NOT NULL').pluck().get() as number;
  return { schema, head: headOf(db), sessions };
}

function headOf(db: Db): string {
  const row = db.prepare('SELECT store_id AS storeId, head_seq AS seq, head_tag AS tag FROM store').get();
  const { storeId, seq, tag } = row as { storeId: string; seq: number; tag: number };
  return formatCursor({ storeId, seq, tag: tag.toString(36) });
}

/** By table, the rows that were taken back: id and when. */
type Gone = { capability: [string, number][]; share: [string, number][] };

const none: Gone = { capability: [], share: [] };

const goneColumns = { capability: 'revoked_at', share: 'ended_at' } as const;
const goneTables = Object.keys(goneColumns) as (keyof Gone)[];

/**
 * Makes the old store one file, with all that was acknowledged, and reads what was taken back. Undefined where it is so damaged
 * that it cannot be.
 */
function settle(store: string): Gone | undefined {
  let db: Db | undefined;
  try {
    db = new Database(store);
    if (db.pragma('journal_mode = DELETE', { simple: true }) !== 'delete') throw inUse(store);
    const opened = db;
    return Object.fromEntries(goneTables.map((table) => [table, goneFrom(opened, table)])) as Gone;
  } catch (error) {
    if (storeFault(error) === 'io') return undefined;
    if (isBusy(error)) throw inUse(store, error);
    throw error;
  } finally {
    db?.close();
  }
}

function goneFrom(db: Db, table: keyof Gone): [string, number][] {
  // Of what is no store of ours nothing is taken.
  if (db.pragma('application_id', { simple: true }) !== applicationId || !hasTable(db, table)) return [];
  const column = goneColumns[table];
  return db.prepare(`SELECT id, ${column} FROM ${table} WHERE ${column} IS NOT NULL`).raw().all() as [string, number][];
}

/** Makes another store of the copy: nobody's cursor, page token or link from before is good there. */
function renew(draft: string, gone: Gone | undefined) {
  const db = new Database(draft);
  try {
    const storeId = newStoreId();
    let withdrawn = 0;
    db.transaction(() => {
      db.prepare('UPDATE store SET store_id = ?').run(storeId);
      const columns = db.prepare("SELECT name FROM pragma_table_info('store')").pluck().all();
      if (columns.includes('secret')) db.prepare('UPDATE store SET secret = ?').run(randomBytes(32));
      for (const table of goneTables) {
        if (!gone || !hasTable(db, table)) continue;
        const column = goneColumns[table];
        const end = db.prepare(`UPDATE ${table} SET ${column} = ? WHERE id = ? AND ${column} IS NULL`);
        for (const [id, at] of gone[table]) withdrawn += end.run(at, id).changes;
      }
    })();
    return { storeId, head: headOf(db), withdrawn: gone ? withdrawn : null };
  } finally {
    db.close();
  }
}

function hasTable(db: Db, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;
}

/** Gives the store a second name, so that it is there until the new one has its first. */
function keep(store: string, aside: string): void {
  try {
    linkSync(store, aside);
  } catch (error) {
    if (!/^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EMLINK)$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error;
    copyFileSync(store, aside, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL); // a file system without links
    syncPath(aside);
  }
}

/** `store.replaced-20261122T043547Z.db`, beside the store. */
function freeName(store: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  for (let count = 1; ; count += 1) {
    const name = join(dirname(store), `store.replaced-${stamp}${count === 1 ? '' : `-${count}`}.db`);
    if (!suffixes.some((suffix) => existsSync(name + suffix))) return name;
  }
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function lockRestores(folder: string): Db {
  try {
    return takeLock(join(folder, 'restore.lock'));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new RestoreError(`another restore into ${folder} is under way: wait for its end`, {
      cause: error,
      exitCode: 7,
    });
  }
}

function inUse(store: string, cause?: unknown): RestoreError {
  return new RestoreError(`another program has ${store} open: end that, then again`, { cause, exitCode: 7 });
}

function unusable(file: string, why: string, cause?: unknown): RestoreError {
  return new RestoreError(`${file} ${why}: take another backup`, { cause });
}

function notCopied(error: unknown, file: string, draft: string): RestoreError | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return undefined;
  return new RestoreError(`${file} cannot be copied to ${dirname(draft)} (${code})`, { cause: error });
}

function fullDisk(error: unknown, folder: string): RestoreError | undefined {
  const code = String((error as { code?: unknown }).code);
  if (!/^(ENOSPC|EDQUOT|SQLITE_FULL)$/.test(code)) return undefined;
  const { bavail, bsize } = statfsSync(folder);
  return new RestoreError(
    `the disk of ${folder} is full (${bavail * bsize} bytes are free): make room for a copy of the backup there`,
    { cause: error },
  );
}
