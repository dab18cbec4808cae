// Where in the ledger an op id stands: whatever is in memory, on its way to the index or there, it is found (P14).
import { expect, test } from 'vitest';
import { Ledger } from '../../daemon/store/ledger.ts';
import { OpKeys } from '../../daemon/store/op-keys.ts';
import type { Db } from '../../daemon/store/open.ts';
import { openStore } from '../../daemon/store/open.ts';
import { afterTest, testFolder } from '../support/daemon.ts';
import { Dice } from '../support/history-run/dice.ts';

function ledgerIn(folder: string, maxRecent: number) {
  const store = openStore(folder);
  afterTest(() => store.close());
  const { db } = store;
  return { db, ledger: new Ledger(db, new OpKeys(db, maxRecent)), close: () => store.close() };
}

const digest = Buffer.alloc(32, 1);
const put = (ledger: Ledger, n: number, at = n) =>
  ledger.put('owner', `op-${n}`, { digest, seq: n, version: n, ids: {} }, at);
const found = (ledger: Ledger, count: number) =>
  Array.from({ length: count }, (_, n) => ledger.find('owner', `op-${n}`)?.seq ?? null);
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

function inTransaction(db: Db, ledger: Ledger, work: () => void): void {
  db.exec('BEGIN');
  work();
  ledger.flush();
  db.exec('COMMIT');
}

const inIndex = (db: Db) => db.prepare('SELECT count(*) FROM ledger_key').pluck().get() as number;
const keyed = (db: Db) => db.prepare('SELECT ledger_keyed FROM store').pluck().get() as number;

test('[P14] every op id is found while keys gather, leave and have left, also after each start', () => {
  const folder = testFolder();
  const count = 5_000;
  let { db, ledger, close } = ledgerIn(folder, 600);
  for (let from = 0; from < count; from += 100) {
    inTransaction(db, ledger, () => numbers(100).forEach((n) => void put(ledger, from + n)));
    if (from % 1_000 !== 900) continue;
    expect(found(ledger, from + 200)).toEqual([...numbers(from + 100), ...Array(100).fill(null)]);
    close();
    ({ db, ledger, close } = ledgerIn(folder, 600));
    expect(found(ledger, from + 100)).toEqual(numbers(from + 100));
  }
  // Most have left, and none twice.
  expect(inIndex(db)).toBeGreaterThan(count / 2);
  expect(keyed(db)).toBeGreaterThan(count / 2);
  expect(db.prepare('SELECT count(DISTINCT entry) FROM ledger_key').pluck().get()).toBe(inIndex(db));
});

test('[P14] what a rollback took back is not found, and what comes in its place is, also after a start', () => {
  const folder = testFolder();
  const dice = new Dice(1, 'op-keys');
  let { db, ledger, close } = ledgerIn(folder, 300);
  const kept: (number | null)[] = [];
  for (let n = 0; n < 6_000; ) {
    db.exec('BEGIN');
    const from = n;
    const [whole, part] = [dice.next() < 0.15, dice.next() < 0.3];
    for (let of = 0; of < 40; of += 1, n += 1) put(ledger, n);
    if (part) {
      db.exec('SAVEPOINT some');
      for (let of = 0; of < 40; of += 1, n += 1) put(ledger, n);
      db.exec('ROLLBACK TO some; RELEASE some');
    }
    ledger.flush();
    db.exec(whole ? 'ROLLBACK' : 'COMMIT');
    if (whole) ledger.reset();
    for (let of = from; of < n; of += 1) kept.push(whole || of >= from + 40 ? null : of);
    if (dice.next() < 0.05) {
      close();
      ({ db, ledger, close } = ledgerIn(folder, 300));
    }
  }
  expect(found(ledger, kept.length)).toEqual(kept);
  close();
  ({ db, ledger, close } = ledgerIn(folder, 300));
  expect(found(ledger, kept.length)).toEqual(kept);
  expect(inIndex(db)).toBeGreaterThan(1_000);
});

test('[P14] what is pruned goes from the index too, and a ledger that was pruned empty begins anew', () => {
  const folder = testFolder();
  let { db, ledger, close } = ledgerIn(folder, 300);
  for (let from = 0; from < 2_000; from += 100)
    inTransaction(db, ledger, () => numbers(100).forEach((n) => void put(ledger, from + n)));
  inTransaction(db, ledger, () => ledger.prune(500, 200));
  expect(found(ledger, 400)).toEqual([...Array(200).fill(null), ...numbers(400).slice(200)]);
  expect(
    db.prepare('SELECT count(*) FROM ledger_key WHERE entry NOT IN (SELECT entry FROM ledger)').pluck().get(),
  ).toBe(0);
  inTransaction(db, ledger, () => ledger.prune(1e9, 1e6));
  expect([inIndex(db), keyed(db)]).toEqual([0, 0]);
  inTransaction(db, ledger, () => void put(ledger, 3));
  close();
  ({ db, ledger, close } = ledgerIn(folder, 300));
  expect(found(ledger, 4)).toEqual([null, null, null, 3]);
});

test('[P14] two op ids that share a key are told apart', () => {
  const { db } = ledgerIn(testFolder(), 300);
  const keys = new OpKeys(db, 300);
  const row = db.prepare("INSERT INTO ledger VALUES (?, 7, 'owner', ?, x'00', 1, 1, '{}', 1)");
  for (const entry of [1, 2]) {
    row.run(entry, `op-${entry}`);
    keys.add(7, entry);
  }
  expect(keys.find(7).sort()).toEqual([1, 2]);
});

test('[P14] a refused batch that is sent again leaves nothing in the index that no op has', () => {
  const { db, ledger } = ledgerIn(testFolder(), 300);
  for (let from = 0; from < 3_000; from += 100)
    inTransaction(db, ledger, () => {
      db.exec('SAVEPOINT batch');
      for (const n of numbers(50)) put(ledger, from + n);
      db.exec('ROLLBACK TO batch; RELEASE batch');
      for (const n of numbers(100)) put(ledger, from + 99 - n);
    });
  expect(found(ledger, 3_000)).toEqual(numbers(3_000));
  inTransaction(db, ledger, () => ledger.prune(1e9, 1e6));
  expect(inIndex(db)).toBe(0);
});
