// The ledger: op ids and their first results, so that an op can be sent twice (PROTOCOL.md 3). The idempotency key is
// (principal, opId); the same key with other content is OpIdReused (P14).
import { hash } from 'node:crypto';
import { OpKeys } from './op-keys.ts';
import type { Db } from './open.ts';

export type LedgerEntry = { digest: Buffer; seq: number | null; version: number; ids: Record<string, string> };

export class Ledger {
  readonly #keys: OpKeys;
  readonly #find;
  readonly #put;
  readonly #findBatch;
  readonly #putBatch;
  readonly #findRecord;
  readonly #putRecord;
  readonly #hasBefore;
  readonly #prune;
  readonly #pruneBatches;

  /** One of a store writes: it holds in memory where the last op ids stand. */
  constructor(db: Db, keys = new OpKeys(db)) {
    this.#keys = keys;
    this.#find = db.prepare(
      'SELECT digest, seq, version, ids FROM ledger WHERE entry = ? AND principal = ? AND op_id = ?',
    );
    this.#put = db.prepare('INSERT INTO ledger VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#findBatch = db.prepare('SELECT digest FROM ledger_batch WHERE principal = ? AND batch_id = ?').pluck();
    this.#putBatch = db.prepare('INSERT OR IGNORE INTO ledger_batch VALUES (?, ?, ?, ?)');
    this.#findRecord = db.prepare('SELECT digest FROM source_record WHERE op_key = ?').pluck();
    this.#putRecord = db.prepare(
      'INSERT INTO source_record VALUES (?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest',
    );
    this.#hasBefore = db
      .prepare(`
        SELECT ifnull((SELECT at FROM ledger ORDER BY entry LIMIT 1) < $time, 0)
            OR EXISTS (SELECT 1 FROM ledger_batch WHERE at < $time)`)
      .pluck();
    this.#prune = db.prepare(`
      DELETE FROM ledger WHERE at < ? AND entry IN (SELECT entry FROM ledger ORDER BY entry LIMIT ?)`);
    this.#pruneBatches = db.prepare(`
      DELETE FROM ledger_batch WHERE (principal, batch_id) IN
        (SELECT principal, batch_id FROM ledger_batch WHERE at < ? ORDER BY at LIMIT ?)`);
  }

  /** Whether there is something to prune before `time`. */
  hasBefore(time: number): boolean {
    return this.#hasBefore.get({ time }) === 1;
  }

  /**
   * Forgets op ids and batch ids from before `time` (ms since the epoch), the oldest first and at most `limit` of each.
   * Records of sources are kept for ever (PROTOCOL.md 5).
   */
  prune(time: number, limit: number): void {
    // Rows lie in the order of their time, which never decreases: what is too old is at the front.
    this.#keys.drop(time, limit);
    this.#prune.run(time, limit);
    this.#keys.dropped();
    this.#pruneBatches.run(time, limit);
  }

  find(principal: string, opId: string): LedgerEntry | undefined {
    for (const entry of this.#keys.find(opKey(principal, opId))) {
      const row = this.#find.get(entry, principal, opId) as (Omit<LedgerEntry, 'ids'> & { ids: string }) | undefined;
      if (!row) continue;
      const { digest, seq, version, ids } = row;
      return { digest, seq, version, ids: JSON.parse(ids) as Record<string, string> };
    }
    return undefined;
  }

  put(principal: string, opId: string, entry: LedgerEntry, at: number): void {
    const { digest, seq, version, ids } = entry;
    const key = opKey(principal, opId);
    const { lastInsertRowid } = this.#put.run(key, principal, opId, digest, seq, version, JSON.stringify(ids), at);
    this.#keys.add(key, Number(lastInsertRowid));
  }

  /** The last of a transaction's writes to the ledger. */
  flush(): void {
    this.#keys.flush();
  }

  /** Forgets what is kept in memory, after a rollback. */
  reset(): void {
    this.#keys.reset();
  }

  /** The digest over the op ids of a batch that was sent before. */
  findBatch(principal: string, batchId: string): Buffer | undefined {
    return this.#findBatch.get(principal, batchId) as Buffer | undefined;
  }

  putBatch(principal: string, batchId: string, digest: Buffer, at: number): void {
    this.#putBatch.run(principal, batchId, digest, at);
  }

  /**
   * What a record of a source's session last put. Its op id stands for the record, not for one content: a newer one
   * replaces it. Two op ids may share an entry: the digest must be taken over the op id too.
   */
  findRecord(sessionId: string, opId: string): Buffer | undefined {
    return this.#findRecord.get(recordKey(sessionId, opId)) as Buffer | undefined;
  }

  putRecord(sessionId: string, opId: string, digest: Buffer): void {
    this.#putRecord.run(recordKey(sessionId, opId), digest);
  }
}

/**
 * 52 bits of derived ids, which are hashes already (adapters/ids.ts): 16 of the session's, so that the records of a session
 * lie together, and 36 of the op's.
 */
function recordKey(sessionId: string, opId: string): number {
  return Math.floor(bitsOf(sessionId, 3) / 4) * 2 ** 36 + bitsOf(opId, 6);
}

/** The first characters of what follows the prefix of an id, six bits each. */
function bitsOf(id: string, characters: number): number {
  const start = id.indexOf('_') + 1;
  let bits = 0;
  for (let at = start; at < start + characters; at += 1) bits = bits * 64 + (sixBits[id.charCodeAt(at)] ?? 0);
  return bits;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const sixBits = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, alphabet.indexOf(String.fromCharCode(code))));

/** 48 bits: what fits a number exactly. Those that share one are told apart by what they hold. */
function opKey(principal: string, opId: string): number {
  const name = `${principal}\n${opId}`;
  // It is looked for, and then put.
  if (name !== last.name) last = { name, key: Number.parseInt(hash('sha256', name, 'hex').slice(0, 12), 16) };
  return last.key;
}
let last = { name: '', key: 0 };
