// The store as it lies there, for whoever has no daemon to ask: its schema, and what is wrong with it. Migrates nothing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { checkStore } from './check.ts';
import type { Db } from './open.ts';
import { applicationId, isDamage, shippedMigrations, takeLock } from './open.ts';

export type StoreReport = { path: string; schema: number; newestSchema: number; problems: string[] };

/** Undefined where there is no store. Throws StoreError where a daemon holds it. */
export function inspectStore(folder: string): StoreReport | undefined {
  const path = join(folder, 'store.db');
  if (!existsSync(path)) return undefined;
  const lock = takeLock(join(folder, 'store.lock'));
  let db: Db | undefined;
  const report = { path, schema: 0, newestSchema: shippedMigrations().at(-1)!.version };
  try {
    db = new Database(path, { fileMustExist: true });
    report.schema = db.pragma('user_version', { simple: true }) as number;
    const isOurs = db.pragma('application_id', { simple: true }) === applicationId;
    return { ...report, problems: isOurs ? checkStore(db).problems : ['it is no store of sessiond'] };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...report, problems: [`it cannot be read: ${(error as Error).message}`] };
  } finally {
    db?.close();
    lock.close();
  }
}
