// store/check: every store that sessiond made is whole; each thing that can be wrong is found and told in words.
import { copyFileSync, mkdirSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { checkStore } from '../../daemon/store/check.ts';
import { inspectStore } from '../../daemon/store/inspect.ts';
import type { Db } from '../../daemon/store/open.ts';
import { openStore, shippedMigrations } from '../../daemon/store/open.ts';
import { root } from '../support/build.ts';
import { afterTest, daemonInProcess, testHome } from '../support/daemon.ts';

const stores = join(root, 'test/fixtures/stores');
const newest = shippedMigrations().at(-1)!.version;

function storeOf(schema: number): { folder: string; db: Db } {
  const folder = testHome().paths.data;
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(stores, `schema-${schema}.db`), join(folder, 'store.db'));
  const db = new Database(join(folder, 'store.db'));
  afterTest(() => db.close());
  return { folder, db };
}

test.each(readdirSync(stores))('%s is whole', (name) => {
  const { db } = storeOf(Number(/\d+/.exec(name)![0]));
  expect(checkStore(db)).toEqual({ ok: true, problems: [] });
});

test.each([
  ['UPDATE store SET head_seq = head_seq - 1', /^the journal goes on to event \d+, behind its head \d+$/],
  ['UPDATE store SET head_tag = head_tag + 1', /^event \d+ is not the one that head was written with$/],
  ['DELETE FROM event WHERE seq = 3', /^events 1 to \d+: 1 missing$/],
  ['UPDATE store SET floor_seq = head_seq + 5', /^events up to \d+ are pruned, and the newest is said to be \d+$/],
  ['DELETE FROM store', /its own row is missing$/],
  [
    'UPDATE event SET version = version + 100 WHERE seq = 2',
    /^session ses_. has \d+ versions between \d+ and \d+, not each once$/,
  ],
  [
    "UPDATE session SET record = json_set(record, '$.version', 999) WHERE id = 'ses_a'",
    /^session ses_a is at version 999, and its newest event at \d+$/,
  ],
  ['DELETE FROM body WHERE seq IN (SELECT body FROM message LIMIT 1)', /^1 row of message without content$/],
  ['DELETE FROM body WHERE seq IN (SELECT body FROM part LIMIT 1)', /^1 row of part without content$/],
  ['UPDATE event SET actor = 99 WHERE seq = 1', /^1 row of event without a known actor$/],
  [
    'UPDATE store SET ledger_keyed = (SELECT min(entry) FROM ledger)',
    /^1 row of ledger that the index of op ids has not$/,
  ],
  ["DELETE FROM session WHERE id = 'ses_a'", /^\d+ rows of message without a session$/],
])('%s is found', (sql, told) => {
  const { db } = storeOf(newest);
  db.pragma('foreign_keys = OFF');
  db.exec(sql);
  const { ok, problems } = checkStore(db);
  expect(ok).toBe(false);
  expect(problems).toContainEqual(expect.stringMatching(told));
});

test('what is wrong very often is told a hundred times', () => {
  const { db } = storeOf(newest);
  const session = db.prepare('SELECT * FROM session').get() as { key: number };
  db.transaction(() => {
    for (let at = 0; at < 150; at += 1) {
      db.prepare("INSERT INTO session SELECT key + 1000 + ?, 'ses_x' || ?, null, null, null, null, null, null, 'idle', 0, 0, 0, 0, null FROM session WHERE key = ?").run(at, at, session.key); // biome-ignore format: one statement
      db.prepare("INSERT INTO event SELECT seq + 1000 + ?, ?, 7, type, at, null, actor, op_id, 0, tag FROM event WHERE seq = 1").run(at * 2, session.key + 1000 + at); // biome-ignore format: one statement
      db.prepare("INSERT INTO event SELECT seq + 1001 + ?, ?, 9, type, at, null, actor, op_id, 0, tag FROM event WHERE seq = 1").run(at * 2, session.key + 1000 + at); // biome-ignore format: one statement
    }
  })();
  const { problems } = checkStore(db);
  expect(problems).toHaveLength(101);
  expect(problems.at(-1)).toBe('and there is more');
});

/** Writes over a page in the middle of the file. */
function spoil(path: string): void {
  const fd = openSync(path, 'r+');
  const middle = Math.floor(statSync(path).size / 4096 / 2) * 4096;
  for (let page = -2; page <= 2; page += 1) writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, middle + page * 4096);
}

test('a file that is damaged is told as such, and nothing else of it', () => {
  const { folder, db } = storeOf(newest);
  db.close();
  spoil(join(folder, 'store.db'));
  const { problems } = inspectStore(folder)!;
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) expect(problem).toMatch(/damaged|cannot be read/);
});

test('the daemon answers, also of a store that is not whole', async () => {
  const home = testHome();
  mkdirSync(home.paths.data, { recursive: true });
  copyFileSync(join(stores, `schema-${newest}.db`), join(home.paths.data, 'store.db'));
  const client = daemonInProcess(home).connect();
  expect(await client.call('store/check', {})).toEqual({ ok: true, problems: [] });
  const db = new Database(join(home.paths.data, 'store.db'));
  db.exec('DELETE FROM body WHERE seq IN (SELECT body FROM message LIMIT 1)');
  db.close();
  expect(await client.call('store/check', {})).toMatchObject({
    ok: false,
    problems: [expect.stringContaining('event'), '1 row of message without content'],
  });
});

test('without a daemon it migrates nothing, and waits for no daemon that runs [P22]', () => {
  const { folder, db } = storeOf(1);
  db.close();
  expect(inspectStore(folder)).toMatchObject({ schema: 1, newestSchema: newest, problems: [] });
  expect(inspectStore(folder)).toMatchObject({ schema: 1 });
  expect(inspectStore(testHome().paths.data)).toBeUndefined();
  const store = openStore(folder);
  expect(() => inspectStore(folder)).toThrow(/another sessiond holds the store/);
  store.close();
});
