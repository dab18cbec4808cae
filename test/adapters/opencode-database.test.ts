import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedPartId } from '../../daemon/adapters/ids.ts';
import { casesOf } from '../contract/source.ts';
import { testFolder } from '../support/daemon.ts';
import { asNobody } from '../support/nobody.ts';
import type { Positions, Row, Tables, Tree } from '../support/opencode.ts';
import { buildDatabase, Folds, look, migrated, putRow, readDatabase, readTree, source } from '../support/opencode.ts';
import { samples } from '../support/samples.ts';

const inputs = new Map(
  casesOf('opencode').map(({ name, text }) => [name, JSON.parse(text) as { tree: Tree; tables: Tables }]),
);
const databases = [...inputs].flatMap(([name, { tables }]) => (tables ? [[name, tables] as const] : []));
const tablesOf = (name: string) => structuredClone(inputs.get(name)!.tables);

function read(path: string, positions: Positions = new Map(), limit?: number) {
  const folds = new Folds();
  return { folds, positions, ...readDatabase(path, folds, positions, limit) };
}

describe('a database', () => {
  it.each(databases)('%s, read in any bites, gives the same records', (_name, tables) => {
    const { path } = buildDatabase(tables);
    const whole = read(path).folds.list();
    expect(whole.length).toBeGreaterThan(0);
    for (const limit of [1, 2, 3, 7]) expect(read(path, new Map(), limit).folds.list(), `${limit}`).toEqual(whole);
  });

  it.each(databases)('%s, read again from its start in any bites, changes nothing', (_name, tables) => {
    const { path } = buildDatabase(tables);
    const { folds } = read(path);
    const before = folds.changes;
    for (const limit of [1, 2, 3, 500]) {
      readDatabase(path, folds, new Map(), limit);
      expect(folds.changes).toBe(before);
    }
  });

  it.each(databases)('%s gives nothing where nothing is new, and never more than was asked for', (_name, tables) => {
    const { path } = buildDatabase(tables);
    const { folds, positions } = read(path);
    expect(readDatabase(path, folds, positions).ops).toEqual([]);
    for (const { sessionKey } of look(path, (database) => database.streams())) {
      for (const limit of [1, 4])
        expect(look(path, (database) => database.read(sessionKey, -1, limit)).records.length).toBeLessThanOrEqual(
          limit,
        );
    }
  });

  it('gives of a live session the same records as of one that is read when all is over', () => {
    const tables = tablesOf('database-events');
    const rows = new Map([...tables.message!, ...tables.part!].map((row) => [row.id, row]));
    const events = tables.event!;
    const { path, db } = buildDatabase({
      ...tables,
      session: [],
      message: [],
      part: [],
      event: [],
      event_sequence: [],
    });
    const live = new Folds();
    const positions: Positions = new Map();
    for (const [seq, event] of events.entries()) {
      putRow(db, 'event', event);
      putRow(db, 'event_sequence', { aggregate_id: event.aggregate_id, seq });
      project(db, event, rows);
      readDatabase(path, live, positions);
    }
    putRow(db, 'session', tables.session![0]!);
    const { folds } = read(buildDatabase(tables).path);
    expect(live.list().map(({ messages }) => messages)).toEqual(folds.list().map(({ messages }) => messages));
    expect(live.of('ses_db').session).toMatchObject({ title: 'A cup of tea', metadata: { agent: 'build' } });
    const before = live.changes;
    readDatabase(path, live, new Map(), 3);
    expect(live.changes).toBe(before);
  });

  it.each([
    ['of rows', false],
    ['of rows and of the events since', true],
  ])('that opencode migrated from a tree adds nothing to it: %s', (_name, withEvents) => {
    for (const name of ['tree-turn', 'tree-special']) {
      const { tree } = inputs.get(name)!;
      const sound = Object.fromEntries(
        Object.entries(tree).filter(([path, document]) => typeof document === 'object' && !/prt_2[24]/.test(path)),
      );
      const folds = new Folds();
      readTree(sound, folds);
      const before = folds.changes;
      const tables = migrated(sound, 1_770_000_000_000);
      const session = tables.session![0]!.id;
      const late = { sessionID: session, info: { id: session } };
      const event = { id: 'evt_1', aggregate_id: session, seq: 0, type: 'session.updated.1', data: late };
      if (withEvents) Object.assign(tables, { event: [event], event_sequence: [{ aggregate_id: session, seq: 0 }] });
      expect(tables.part!.length).toBeGreaterThan(8);
      const { path } = buildDatabase(tables);
      for (const limit of [2, 500]) {
        const { ops } = readDatabase(path, folds, new Map(), limit);
        expect(ops.length).toBeGreaterThan(tables.part!.length);
        expect(folds.changes).toBe(before);
      }
    }
  });

  it('gives of records that opencode removed what their last event told, also of several sessions in one look', () => {
    const { session, event, event_sequence } = tablesOf('database-events');
    const other = JSON.parse(
      JSON.stringify({ session, event, event_sequence }).replace(/(ses|evt|msg|prt)_/g, '$1_x'),
    ) as Tables;
    const both = Object.fromEntries(
      Object.entries({ session, event, event_sequence }).map(([name, rows]) => [name, [...rows!, ...other[name]!]]),
    );
    const { path } = buildDatabase(both);
    const ends = ['ses_db', 'ses_xdb'].map((key) => look(path, (database) => database.read(key, -1, 500)));
    const atOnce = look(path, (database) => ['ses_db', 'ses_xdb'].map((key) => database.read(key, -1, 500)));
    expect(atOnce).toEqual(ends);
    const { folds } = read(path, new Map(), 1);
    for (const [key, id] of [
      ['ses_db', 'prt_03'],
      ['ses_xdb', 'prt_x03'],
    ] as const)
      expect(folds.findPart(derivedPartId('opencode', key, `prt:${id}`))).toMatchObject({ state: 'completed' });
    const before = folds.changes;
    readDatabase(path, folds, new Map(), 2);
    expect(folds.changes).toBe(before);
  });

  it('with columns that hold no text keeps what they hold, and goes on', () => {
    const { path, db } = buildDatabase(tablesOf('database-events'));
    const bad = read(path).badRecords;
    const { seq } = db.prepare('SELECT seq FROM event_sequence').get() as { seq: number };
    const add = db.prepare(`INSERT INTO event VALUES (hex(randomblob(8)), 'ses_db', ?, ?, ?)`);
    const bytes = Buffer.from([0xff, 0xfe, 0x31]);
    add.run(seq + 1, 'x.y.1', bytes);
    add.run(seq + 2, 'message.updated.1', bytes);
    add.run(seq + 3, bytes, '{"a":1}');
    db.prepare('UPDATE event_sequence SET seq = ?').run(seq + 3);
    const { folds, badRecords } = read(path);
    const held = (number: number) => folds.findPart(derivedPartId('opencode', 'ses_db', `event:${number}`));
    expect(held(seq + 1)).toMatchObject({ kind: 'opencode/x.y.1', value: String(bytes) });
    expect(held(seq + 2)).toMatchObject({ kind: 'opencode/message.updated.1', value: String(bytes) });
    expect(held(seq + 3)).toMatchObject({ kind: `opencode/${bytes}`, value: { a: 1 } });
    expect(badRecords).toBe(bad + 2);
  });

  it('with numbers of events that are no position gives the events of the others', () => {
    const { path, db } = buildDatabase(tablesOf('database-events'));
    const { folds: sound } = read(path);
    const add = db.prepare(`INSERT INTO event VALUES (hex(randomblob(8)), 'ses_db', ?, 'x.y.1', '{}')`);
    const largest = 2n ** 63n - 1n;
    for (const seq of [largest, 2n ** 53n, 1.5, 'text', Buffer.from('1')]) add.run(seq);
    db.prepare('UPDATE event_sequence SET seq = ?').run(largest);
    for (const limit of [1, 500]) {
      const { folds, positions } = read(path, new Map(), limit);
      expect(folds.list()).toEqual(sound.list());
      expect([...positions.values()].every(({ offset }) => Number.isSafeInteger(offset))).toBe(true);
      expect(readDatabase(path, folds, positions).ops).toEqual([]);
    }
  });

  it('of any version is read as far as it has what is needed', () => {
    const tables = tablesOf('database-events');
    const names = Object.keys(tables);
    for (const name of names) {
      const { [name]: _gone, ...left } = tables;
      expect(() => read(buildDatabase(left).path)).not.toThrow();
      // A table of that name which is another.
      expect(() => read(buildDatabase({ ...left, [name]: [] }).path)).not.toThrow();
      const { path, db } = buildDatabase(left);
      db.exec(`CREATE TABLE ${name} (something_else text)`);
      expect(() => read(path)).not.toThrow();
    }
    const { event: _event, event_sequence: _sequence, ...rows } = tables;
    const { folds } = read(buildDatabase(rows).path);
    expect([...folds.of('ses_db').messages.keys()].length).toBe(2);
    expect(read(buildDatabase({ other: [] }).path)).toMatchObject({ ops: [] });
  });

  it.each(databases)(
    '%s: never throws, whatever its rows hold, and gives ops that the store takes',
    (_name, tables) => {
      const all = Object.entries(tables).flatMap(([table, rows]) => rows.map((_, index) => ({ table, index })));
      const value = fc.oneof(
        fc.jsonValue({ maxDepth: 2 }).map((json) => JSON.stringify(json)),
        fc.constantFrom(
          null,
          '',
          'torn {',
          -1,
          1e13,
          1e300,
          0.5,
          '{"info":{"id":7}}',
          '{"part":{"id":"x","messageID":"y"}}',
          '"\\ud800"',
        ),
      );
      const column = fc.constantFrom(
        'data',
        'data',
        'type',
        'time_updated',
        'time_created',
        'title',
        'model',
        'message_id',
        'session_id',
      );
      const change = fc.record({ at: fc.constantFrom(...all), column, value });
      const ownerOf = (index: number, value: string | null) => ({
        at: { table: 'part', index },
        column: 'message_id' as const,
        value,
      });
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const changed = structuredClone(tables);
          for (const { at, column, value } of changes) {
            const row = changed[at.table]![at.index]!;
            const mustBe = at.table.startsWith('event') && value === null;
            if (column in row && !mustBe) row[column] = value;
          }
          const { path, db } = buildDatabase(changed);
          const { folds } = read(path, new Map(), 3);
          const before = folds.changes;
          readDatabase(path, folds, new Map(), 3);
          expect(folds.changes).toBe(before);
          db.close();
        }),
        // Found by chance once: none, and the text of none.
        { numRuns: 40, examples: tables.part?.[6] ? [[[ownerOf(2, 'null'), ownerOf(6, null)]]] : [] },
      );
    },
  );
});

/** What opencode does with an event: it writes the row in the same transaction. */
function project(db: Database.Database, event: Row, last: Map<unknown, Row>): void {
  const data = event.data as { info?: Row; part?: Row };
  const told = data.part ?? data.info;
  const type = String(event.type);
  if (!told || type.startsWith('session')) {
    if (told && type.startsWith('session')) {
      const time = told.time as { created: number; updated: number };
      const texts = { id: told.id, directory: told.directory, title: told.title, version: told.version };
      const more = {
        slug: told.slug ?? null,
        agent: told.agent ?? null,
        model: told.model ?? null,
        project_id: 'prj_1',
      };
      putRow(db, 'session', { ...texts, ...more, time_created: time.created, time_updated: time.updated });
    }
    return;
  }
  const { id, sessionID, messageID, ...rest } = told;
  const final = last.get(id);
  // Removed in the end: opencode deletes the row.
  if (!final) return;
  putRow(db, data.part ? 'part' : 'message', {
    ...final,
    ...(messageID ? { message_id: messageID } : {}),
    session_id: sessionID,
    data: rest,
  });
}

describe('a session without events', () => {
  const at = 1_770_000_000_000;
  const session = (id: string, updated: number) => ({
    id,
    title: 'Tea',
    directory: '/tea',
    version: '1.2.0',
    time_created: at,
    time_updated: updated,
  });
  const message = (id: string, updated: number, role = 'assistant') => ({
    id,
    session_id: 'ses_1',
    time_created: at,
    time_updated: updated,
    data: { role },
  });
  const part = (id: string, updated: number, text: string, of = 'msg_1') => ({
    id,
    message_id: of,
    session_id: 'ses_1',
    time_created: at,
    time_updated: updated,
    data: { type: 'text', text },
  });
  const textsOf = (folds: Folds) =>
    [...folds.of('ses_1').parts.values()].map((each) => (each.type === 'text' ? each.text : ''));

  it('is read oldest message first, whatever changed last, and goes on with what changes', () => {
    const tables = {
      session: [session('ses_1', at + 500)],
      message: [message('msg_2', at + 200), message('msg_1', at + 900, 'user')],
      part: [part('prt_2', at + 300, 'second', 'msg_2'), part('prt_1', at + 50, 'first')],
    };
    const { path, db } = buildDatabase(tables);
    const { folds, positions } = read(path, new Map(), 1);
    expect(textsOf(folds)).toEqual(['first', 'second']);
    putRow(db, 'part', part('prt_2', at + 1000, 'second, changed', 'msg_2'));
    putRow(db, 'message', message('msg_3', at + 1002));
    // Written before its message was last changed, and read before it.
    putRow(db, 'part', part('prt_3', at + 1001, 'third', 'msg_3'));
    const { ops } = readDatabase(path, folds, positions, 1);
    expect(textsOf(folds)).toEqual(['first', 'second, changed', 'third']);
    expect(ops.some((op) => op.key === 'prt:prt_1')).toBe(false);
    expect(readDatabase(path, folds, positions).ops).toEqual([]);
  });

  it('takes a part whose own column names no session for one of the session of its message', () => {
    const tables = {
      session: [session('ses_1', at), session('ses_2', at)],
      message: [message('msg_1', at)],
      part: [
        part('prt_1', at, 'one'),
        { ...part('prt_2', at, 'two'), session_id: null },
        { ...part('prt_3', at, 'three'), session_id: '' },
        { ...part('prt_4', at, 'of no message', 'msg_9'), session_id: null },
      ],
    };
    const { path, db } = buildDatabase(tables);
    const { folds, positions } = read(path);
    expect(textsOf(folds)).toEqual(['one', 'two', 'three']);
    putRow(db, 'part', { ...part('prt_2', at + 1, 'two, changed'), session_id: null });
    readDatabase(path, folds, positions);
    expect(textsOf(folds)).toEqual(['one', 'two, changed', 'three']);
  });

  it('remembers of a message whose id is a megabyte not even that', () => {
    const id = `msg_${'x'.repeat(2 ** 20)}`;
    const tables = { session: [session('ses_1', at)], message: [message('msg_1', at), message(id, at + 1)], part: [] };
    const { folds, positions } = read(buildDatabase(tables).path);
    expect(folds.of('ses_1').messages.size).toBe(2);
    expect(JSON.stringify([...positions.values()]).length).toBeLessThan(1000);
  });

  it('is followed within one millisecond', () => {
    const tables = {
      session: [session('ses_1', at)],
      message: [message('msg_1', at)],
      part: [part('prt_1', at, 'one')],
    };
    const { path, db } = buildDatabase(tables);
    const { folds, positions } = read(path);
    putRow(db, 'part', part('prt_2', at, 'two'));
    readDatabase(path, folds, positions);
    expect(textsOf(folds)).toEqual(['one', 'two']);
  });

  it('gives a thousand rows of the same millisecond in bites', () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      part(`prt_${String(index).padStart(4, '0')}`, at, `${index}`),
    );
    const { path, db } = buildDatabase({
      session: [session('ses_1', at - 5)],
      message: [message('msg_1', at)],
      part: many,
    });
    const { folds, positions } = read(path, new Map(), 300);
    expect(textsOf(folds).length).toBe(1_000);
    const before = folds.changes;
    for (const row of many) putRow(db, 'part', { ...row, time_updated: at + 1, data: { type: 'text', text: 'again' } });
    readDatabase(path, folds, positions, 300);
    expect(new Set(textsOf(folds))).toEqual(new Set(['again']));
    expect(folds.changes).toBe(before + 1_000);
  });

  it('that was left alone for a day is looked at again when its own row changes', () => {
    const tables = {
      session: [session('ses_1', at), { ...session('ses_2', at + 48 * 3600_000), title: 'Later' }],
      message: [message('msg_1', at)],
      part: [part('prt_1', at, 'one')],
    };
    const { path, db } = buildDatabase(tables);
    const { folds, positions } = read(path);
    putRow(db, 'part', part('prt_1', at + 1000, 'two'));
    expect(readDatabase(path, folds, positions).ops).toEqual([]);
    putRow(db, 'session', session('ses_1', at + 48 * 3600_000));
    readDatabase(path, folds, positions);
    putRow(db, 'part', part('prt_1', at + 48 * 3600_000 + 1, 'three'));
    readDatabase(path, folds, positions);
    expect(textsOf(folds)).toEqual(['three']);
    // A day later it is read once more, and then rests.
    putRow(db, 'session', { ...session('ses_2', at + 96 * 3600_000), title: 'Later' });
    const before = folds.changes;
    expect(readDatabase(path, folds, positions).ops.map((op) => op.key)).toContain('prt:prt_1');
    expect(folds.changes).toBe(before);
    expect(readDatabase(path, folds, positions).ops).toEqual([]);
  });
});

describe('another program that writes to the database', () => {
  const open = () => {
    const { path, db } = buildDatabase(tablesOf('database-events'));
    return { path, db, files: () => readdirSync(dirname(path)).sort() };
  };
  const later = { id: 'evt_99', aggregate_id: 'ses_db', seq: 19, type: 'kettle.cooled.1', data: {} };
  const add = (db: Database.Database) => {
    putRow(db, 'event', later);
    putRow(db, 'event_sequence', { aggregate_id: 'ses_db', seq: 19 });
  };
  const cooled = derivedPartId('opencode', 'ses_db', 'event:19');

  it('has what it committed seen at once, and can checkpoint, vacuum and commit right after a look and during one', () => {
    const { path, db } = open();
    const { folds, positions } = read(path);
    add(db);
    readDatabase(path, folds, positions);
    expect(folds.findPart(cooled)).toMatchObject({ kind: 'opencode/kettle.cooled.1' });
    expect(db.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
    db.pragma('busy_timeout = 0');
    look(path, (database) => {
      database.streams();
      database.read('ses_db', -1, 2);
      putRow(db, 'event', { ...later, id: 'evt_100', seq: 20 });
      expect(db.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
      db.exec('VACUUM');
    });
    db.exec('VACUUM');
    expect(db.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
  });

  it('is read while it holds BEGIN EXCLUSIVE, as of its last commit', () => {
    const { path, db } = open();
    db.exec('BEGIN EXCLUSIVE');
    add(db);
    const { folds, positions } = read(path);
    expect(folds.of('ses_db').parts.size).toBeGreaterThan(5);
    expect(folds.findPart(cooled)).toBeUndefined();
    db.exec('COMMIT');
    readDatabase(path, folds, positions);
    expect(folds.findPart(cooled)).toBeDefined();
  });

  it('that does not use WAL and holds BEGIN EXCLUSIVE makes the look fail at once, and then go on', () => {
    const { path, db } = open();
    db.pragma('journal_mode = DELETE');
    db.exec('BEGIN EXCLUSIVE');
    const before = performance.now();
    expect(() => look(path, (database) => database.streams())).toThrow(/locked/);
    expect(performance.now() - before).toBeLessThan(1_000);
    db.exec('COMMIT');
    expect(read(path).folds.of('ses_db').parts.size).toBeGreaterThan(5);
  });

  it('and closed cleanly finds only the empty files of WAL, and removes them with its own', () => {
    const { path, db, files } = open();
    db.close();
    expect(files()).toEqual(['opencode.db']);
    expect(read(path).folds.of('ses_db').parts.size).toBeGreaterThan(5);
    expect(files()).toEqual(['opencode.db', 'opencode.db-shm', 'opencode.db-wal']);
    const next = new Database(path);
    add(next);
    next.close();
    expect(files()).toEqual(['opencode.db']);
    expect(read(path).folds.findPart(cooled)).toBeDefined();
  });

  it('and was killed has what it committed to its log seen', () => {
    const { path, db } = open();
    add(db);
    const copy = join(testFolder(), 'opencode.db');
    for (const end of ['', '-wal']) copyFileSync(`${path}${end}`, `${copy}${end}`);
    expect(existsSync(`${copy}-shm`)).toBe(false);
    expect(read(copy).folds.findPart(cooled)).toBeDefined();
  });

  it('left a folder that we may not write to: that fails until it lives again', async () => {
    const { path, db } = open();
    db.close();
    chmodSync(path, 0o644);
    chmodSync(dirname(path), 0o555);
    try {
      await asNobody(() => {
        expect(() => look(path, (database) => database.streams())).toThrow(/readonly/);
      });
    } finally {
      chmodSync(dirname(path), 0o700);
    }
  });

  it('is not there, or its file is no database: opening it throws, and nothing is made', () => {
    const folder = testFolder();
    expect(() => source.openDatabase!(join(folder, 'opencode.db'))).toThrow();
    writeFileSync(
      join(folder, 'opencode.db'),
      'no database at all, but long enough to be taken for a header of one'.repeat(20),
    );
    expect(() => source.openDatabase!(join(folder, 'opencode.db'))).toThrow(/not a database/);
    mkdirSync(join(folder, 'opencode-dir.db'));
    expect(() => source.openDatabase!(join(folder, 'opencode-dir.db'))).toThrow();
    expect(readdirSync(folder).sort()).toEqual(['opencode-dir.db', 'opencode.db']);
  });
});

describe.skipIf(samples === undefined)('the sample database (needs ../shared/transcripts)', () => {
  const copy = () => {
    const path = join(testFolder(), 'opencode.db');
    copyFileSync(join(samples!, 'opencode/generated-1.18.33/opencode.db'), path);
    chmodSync(path, 0o600);
    return path;
  };

  it('is taken in whole, by events and by rows', () => {
    for (const withoutEvents of [false, true]) {
      const path = copy();
      const db = new Database(path);
      if (withoutEvents) db.exec('DROP TABLE event; DROP TABLE event_sequence');
      const all = (sql: string) => db.prepare(sql).pluck().all();
      for (const limit of [3, 500]) {
        const { folds, badRecords } = read(path, new Map(), limit);
        const lists = folds.list();
        expect(badRecords).toBe(0);
        expect(lists.map(({ key }) => key).sort()).toEqual(all('SELECT id FROM session ORDER BY id'));
        expect(lists.map((each) => each.session?.title)).toEqual(all('SELECT title FROM session'));
        const parts = lists.flatMap(({ messages }) => messages.flatMap((each) => each.parts));
        for (const { key, messages } of lists) {
          const roles = `SELECT data ->> 'role' FROM message WHERE session_id = '${key}' ORDER BY time_created, id`;
          expect(messages.map(({ message }) => message.role)).toEqual(all(roles));
          const sum = (of: string) =>
            messages.reduce((total, { message }) => total + Number((message.usage as Row | undefined)?.[of] ?? 0), 0);
          expect([sum('input')]).toEqual(all(`SELECT tokens_input FROM session WHERE id = '${key}'`));
          expect([sum('output')]).toEqual(all(`SELECT tokens_output FROM session WHERE id = '${key}'`));
        }
        const own = [...folds.bySession.values()]
          .flatMap((fold) => [...fold.keys.keys()])
          .filter((key) => key.startsWith('prt:'));
        expect(own.map((key) => key.slice(4)).sort()).toEqual(all('SELECT id FROM part ORDER BY id'));
        const texts = parts.flatMap((each) => (each.type === 'text' ? [each.text] : [])).sort();
        expect(texts).toEqual(
          (all(`SELECT data ->> 'text' FROM part WHERE data ->> 'type' = 'text'`) as string[]).sort(),
        );
        const outputs = parts.flatMap((each) => (each.type === 'tool' ? [each.output] : [])).sort();
        expect(outputs.length).toBeGreaterThan(0);
        expect(outputs).toEqual(
          (all(`SELECT data ->> '$.state.output' FROM part WHERE data ->> 'type' = 'tool'`) as string[]).sort(),
        );
        const before = folds.changes;
        readDatabase(path, folds, new Map(), limit === 3 ? 500 : 7);
        expect(folds.changes).toBe(before);
      }
      db.close();
    }
  });
});
