import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedMessageId, derivedPartId, derivedSessionId } from '../../daemon/adapters/ids.ts';
import { casesOf, nameIds, writeEvents } from '../contract/source.ts';
import { transcriptOf } from '../support/fold-source.ts';
import type { Row, Tables, Tree } from '../support/opencode.ts';
import { buildDatabase, Folds, home, readDatabase, readTree, source } from '../support/opencode.ts';
import { samples } from '../support/samples.ts';

type Input = { tree: Tree } | { tables: Tables };
const cases = casesOf('opencode').map(({ text, ...rest }) => ({ ...rest, input: JSON.parse(text) as Input }));
const trees = cases.flatMap(({ name, input }) => ('tree' in input ? [[name, input.tree] as const] : []));

function read(tree: Tree, folds = new Folds()) {
  return { folds, ...readTree(tree, folds) };
}

describe('identify', () => {
  it.each([
    ['opencode.db', join(home, 'opencode.db')],
    ['opencode.db-wal', join(home, 'opencode.db')],
    ['opencode-dev.db', join(home, 'opencode-dev.db')],
    ['opencode-my.branch_1.db-wal', join(home, 'opencode-my.branch_1.db')],
    ['opencode.db-shm', undefined],
    ['opencode.db.bak', undefined],
    ['other.db', undefined],
    ['storage/opencode.db', undefined],
    ['../opencode.db', undefined],
    ['', undefined],
  ])('%s belongs to the database %s', (path, database) => {
    const place = database === undefined ? undefined : { reading: 'database', path: database };
    expect(source.identify(join(home, path))).toEqual(place);
  });

  it.each([
    ['storage/session/prj/ses_1.json', 'ses_1', '0/prj/ses_1.json'],
    ['storage/message/ses_1/msg_1.json', 'ses_1', '1/ses_1/msg_1.json'],
    ['storage/part/msg_1/prt_1.json', 'msg_1', '2/msg_1/prt_1.json'],
    ['storage/session/ses_1.json', undefined],
    ['storage/session/prj/deeper/ses_1.json', undefined],
    ['storage/todo/ses_1/x.json', undefined],
    ['storage/session_diff/ses_1.json', undefined],
    ['storage/migration', undefined],
    ['storage/part/msg_1/prt_1.json.tmp', undefined],
    ['snapshot/part/msg_1/prt_1.json', undefined],
    ['../storage/part/msg_1/prt_1.json', undefined],
  ])('%s is a document of %s', (path, sessionKey, order?: string) => {
    const place = sessionKey === undefined ? undefined : { reading: 'document', sessionKey, order };
    expect(source.identify(join(home, path))).toEqual(place);
  });

  it.each([
    ['', true],
    ['storage', true],
    ['storage/session', true],
    ['storage/session/prj', true],
    ['storage/part/msg_1', true],
    ['storage/message', true],
    ['storage/session_diff', false],
    ['snapshot', false],
    ['log', false],
    ['..', false],
  ])('of the folders, %s is entered: %s', (folder, isEntered) => {
    expect(source.enters(join(home, folder))).toBe(isEntered);
  });
});

it.each(cases.map((each) => [each.name, each] as const))(
  '%s gives the ops that are written beside it',
  (name, { input, events }) => {
    const folds = new Folds();
    const result =
      'tree' in input ? readTree(input.tree, folds) : readDatabase(buildDatabase(input.tables).path, folds);
    const actual = { badRecords: result.badRecords, ops: nameIds(result.ops) };
    if (process.env.SESSIOND_WRITE_FIXTURES) writeEvents('opencode', name, actual);
    else expect(actual).toEqual(events);
  },
);

describe('a tree of documents', () => {
  it.each(trees)('%s, read in any order, ends in the same records', (_name, tree) => {
    const paths = Object.keys(tree);
    const { folds, waiting } = read(tree);
    fc.assert(
      fc.property(fc.shuffledSubarray(paths, { minLength: paths.length }), (order) => {
        const shuffled = new Folds();
        expect(readTree(tree, shuffled, order).waiting.sort()).toEqual(waiting);
        expect(shuffled.unordered()).toEqual(folds.unordered());
      }),
      { numRuns: 50 },
    );
  });

  it.each(trees)('%s, read again in any order, changes nothing', (_name, tree) => {
    const { folds } = read(tree);
    const before = folds.changes;
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(tree)), (order) => {
        readTree(tree, folds, order);
        expect(folds.changes).toBe(before);
      }),
      { numRuns: 50 },
    );
  });

  it.each(trees)('%s: never throws, whatever its documents hold, and gives ops that the store takes', (_name, tree) => {
    const paths = Object.keys(tree);
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(null, '', -1, 1e13, 1e300, [], {}, '\ud800', '__proto__', [null], 'x'.repeat(600)),
    );
    const change = fc.record({
      path: fc.constantFrom(...paths),
      steps: fc.array(fc.nat({ max: 30 }), { maxLength: 4 }),
      value: values,
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), (changes) => {
        const changed = structuredClone(tree);
        for (const { path, steps, value } of changes)
          changed[path] = changedAt(changed[path], steps, structuredClone(value));
        const { folds } = read(changed);
        const before = folds.changes;
        read(changed, folds);
        // Two documents that say to be the same record take turns.
        if (areIdsUnique(changed)) expect(folds.changes).toBe(before);
      }),
      { numRuns: 200 },
    );
  });

  it('[P33] shares no id with the same tree of another session', () => {
    const [, tree] = trees.find(([name]) => name === 'tree-turn')!;
    const other = JSON.parse(JSON.stringify(tree).replaceAll('ses_tea', 'ses_tee')) as Tree;
    const [one, two] = [tree, other].map((each) => [...read(each).folds.bySession.values()][0]!);
    const ids = [...one!.messages.keys(), ...one!.parts.keys()];
    expect(two!.messages.size + two!.parts.size).toBe(ids.length);
    expect(ids.filter((id) => two!.messages.has(id) || two!.parts.has(id))).toEqual([]);
  });
});

const session = (more: Row = {}): Tree => ({
  'storage/session/prj/ses_1.json': {
    id: 'ses_1',
    directory: '/tea',
    title: 'New session - 2026-01-02T03:04:05.678Z',
    version: '1.1.0',
    time: { created: 1000, updated: 2000 },
    ...more,
  },
});
const message = (id: string, more: Row = {}): Tree => ({
  [`storage/message/ses_1/${id}.json`]: { id, sessionID: 'ses_1', role: 'user', time: { created: 3000 }, ...more },
});
const part = (id: string, messageID: string, more: Row): Tree => ({
  [`storage/part/${messageID}/${id}.json`]: { id, sessionID: 'ses_1', messageID, ...more },
});
const said = (text: string) => ({ type: 'text', text });

describe('a session', () => {
  it('is made of its own document, with its times and the id that `opencode --session` takes', () => {
    const { folds, ops } = read(session({ title: 'Tea', parentID: 'ses_0', slug: 'warm-tea', projectID: 'prj' }));
    expect(folds.of('ses_1').session).toMatchObject({
      sessionId: derivedSessionId('opencode', 'ses_1'),
      parentId: derivedSessionId('opencode', 'ses_0'),
      title: 'Tea',
      directory: '/tea',
      agent: 'opencode',
      origin: { source: 'opencode', externalId: 'ses_1', path: join(home, 'storage/session/prj/ses_1.json') },
      metadata: { version: '1.1.0', slug: 'warm-tea', projectID: 'prj', share: null },
    });
    expect(ops.map((op) => op.occurredAt)).toEqual([1000, 2000, 2000]);
  });

  it('is titled by its first prompt until opencode names it', () => {
    const unnamed = { ...session(), ...message('msg_1'), ...message('msg_2') };
    const synthetic = part('prt_0', 'msg_1', { ...said('Called the Read tool'), synthetic: true });
    const prompts = { ...part('prt_1', 'msg_1', said('Make\n tea')), ...part('prt_2', 'msg_2', said('And cake')) };
    const { folds } = read({ ...unnamed, ...synthetic, ...prompts });
    expect(folds.of('ses_1').session?.title).toBe('Make tea');
    read(session({ title: 'Tea and cake' }), folds);
    expect(folds.of('ses_1').session?.title).toBe('Tea and cake');
    read({ ...unnamed, ...session({ title: 'Tea and cake' }), ...synthetic, ...prompts }, folds);
    expect(folds.of('ses_1').session?.title).toBe('Tea and cake');
  });

  it('keeps the title that a user gave it here when something else of it changes', () => {
    const { folds } = read(session({ title: 'Tea' }));
    folds.of('ses_1').session!.title = 'by hand';
    read(
      session({ title: 'Tea', share: { url: 'https://opncd.ai/s/1' }, time: { created: 1000, updated: 9000 } }),
      folds,
    );
    expect(folds.of('ses_1').session).toMatchObject({ title: 'by hand', metadata: { share: 'https://opncd.ai/s/1' } });
  });

  it('is told that its share was withdrawn, that it is archived, and that it is so no more', () => {
    const archived = session({ share: { url: 'x' }, time: { created: 1, updated: 2, archived: 3 } });
    const { folds } = read(archived);
    expect(folds.of('ses_1').session).toMatchObject({ archived: true, metadata: { share: 'x' } });
    read(session(), folds);
    expect(folds.of('ses_1').session).toMatchObject({ archived: false, metadata: { share: null } });
    expect(read(session()).folds.of('ses_1').session).not.toHaveProperty('archived');
  });

  it('has the model that it names, else that of its last answer', () => {
    const answer = { role: 'assistant', providerID: 'acme', modelID: 'brew-1' };
    const brew = { providerId: 'acme', modelId: 'brew-1' };
    expect(read({ ...session(), ...message('msg_1', answer) }).folds.of('ses_1').session?.model).toEqual(brew);
    const named = session({ model: { id: 'brew-2', providerID: 'acme', variant: 'high' } });
    const { session: own } = read({ ...named, ...message('msg_1', answer) }).folds.of('ses_1');
    expect(own?.model).toEqual({ providerId: 'acme', modelId: 'brew-2', variant: 'high' });
  });
});

describe('a document', () => {
  it('waits for the record that it belongs to', () => {
    const later = { ...message('msg_1'), ...part('prt_1', 'msg_1', said('Tea')) };
    const { folds, waiting, ops } = read(later);
    expect(waiting).toEqual(Object.keys(later));
    expect(ops).toEqual([]);
    expect(read({ ...later, ...session() }, folds).waiting).toEqual([]);
    expect(folds.of('ses_1').parts.size).toBe(1);
  });

  it('that is written again replaces what it was', () => {
    const state = { status: 'running', input: { command: 'pour' }, time: { start: 4000 } };
    const tool = { type: 'tool', callID: 'call_1', tool: 'bash' };
    const around = { ...session(), ...message('msg_1', { role: 'assistant' }) };
    const { folds } = read({ ...around, ...part('prt_1', 'msg_1', { ...tool, state }) });
    const id = derivedPartId('opencode', 'ses_1', 'prt:prt_1');
    expect(folds.findPart(id)).toMatchObject({ state: 'running', startedAt: 4000 });
    const done = { ...state, status: 'completed', output: 'poured', time: { start: 4000, end: 5000 } };
    read(part('prt_1', 'msg_1', { ...tool, state: done }), folds);
    expect(folds.findPart(id)).toMatchObject({ state: 'completed', output: 'poured', endedAt: 5000, index: 0 });
  });

  it.each(['', '{"id":"ses_1","ti', '[]', '7', 'null'])('that is %j counts as bad and gives nothing', (text) => {
    for (const path of ['session/prj/ses_1', 'message/ses_1/msg_1', 'part/msg_1/prt_1'])
      expect(read({ [`storage/${path}.json`]: text })).toMatchObject({ badRecords: 1, ops: [], waiting: [] });
  });

  it('keeps a field of any name, also `__proto__`', () => {
    const tree = { ...session(), ...message('msg_1', { role: 'assistant' }) };
    const path = Object.keys(tree).find((name) => name.includes('message')) as string;
    const text = JSON.stringify(tree[path]).replace(/}$/, ',"__proto__":{"a":1},"constructor":"c"}');
    const { ops } = read({ ...tree, [path]: text });
    const metadata = ops.flatMap((op) => (op.type === 'message/put' ? [op.params.metadata] : []));
    expect(metadata).toMatchObject([{ constructor: 'c' }]);
    expect(JSON.stringify(ops)).toContain('"value":{"__proto__":{"a":1}}');
  });

  it('of a part that names no session counts as bad: nothing tells whose it is', () => {
    const lost = { 'storage/part/msg_1/prt_1.json': { id: 'prt_1', messageID: 'msg_1', ...said('Tea') } };
    expect(read({ ...session(), ...message('msg_1'), ...lost })).toMatchObject({ badRecords: 1, waiting: [] });
  });

  it('that has no ids of its own has those of its path', () => {
    const { folds } = read({
      'storage/session/prj/ses_1.json': { title: 'Tea' },
      'storage/message/ses_1/msg_1.json': { role: 'user' },
      'storage/part/msg_1/prt_1.json': { sessionID: 'ses_1', ...said('Tea') },
    });
    expect([...folds.of('ses_1').messages.keys()]).toEqual([derivedMessageId('opencode', 'ses_1', 'msg_1')]);
    expect([...folds.of('ses_1').parts.keys()]).toEqual([derivedPartId('opencode', 'ses_1', 'prt:prt_1')]);
  });

  it('is never read as lines', () => {
    const transcript = transcriptOf(source, join(home, 'storage/session/prj/ses_1.json'));
    const state = { any: 1 };
    expect(source.read(transcript, [{ text: '{}', offset: 0 }], state, new Folds(), true)).toEqual({
      ops: [],
      state,
      badRecords: 0,
    });
  });
});

describe.skipIf(samples === undefined)('the sample tree (needs ../shared/transcripts)', () => {
  const folder = join(samples ?? '', 'opencode/agent-sessions/storage_v2');
  const tree: Tree = Object.fromEntries(
    (samples === undefined ? [] : readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      .filter((path) => path.endsWith('.json'))
      .map((path) => [`storage/${path}`, readFileSync(join(folder, path), 'utf8')]),
  );

  it('is taken in whole, but for the two parts that name no session', () => {
    const { folds, badRecords, waiting } = read(tree);
    const records = Object.entries(tree).map(([path, text]) => ({
      kind: path.split('/')[1],
      ...JSON.parse(String(text)),
    }));
    const count = (kind: string) => records.filter((record) => record.kind === kind).length;
    const lost = records.filter((record) => record.kind === 'part' && !record.sessionID);
    const lists = folds.list();
    expect(waiting).toEqual([]);
    expect(lost.length).toBe(2);
    expect(badRecords).toBe(lost.length);
    expect(lists.length).toBe(count('session'));
    expect(lists.flatMap(({ messages }) => messages).length).toBe(count('message'));
    const parts = lists.flatMap(({ messages }) => messages.flatMap((each) => each.parts));
    const ofPart = new Set(
      [...folds.bySession].flatMap(([key, fold]) =>
        [...fold.keys.keys()].filter((k) => k.startsWith('prt:')).map((k) => `${key} ${k}`),
      ),
    );
    expect(ofPart.size).toBe(count('part') - lost.length);
    const texts = records.filter((record) => record.kind === 'part' && record.type === 'text' && record.sessionID);
    expect(parts.flatMap((each) => (each.type === 'text' ? [each.text] : [])).sort()).toEqual(
      texts.map((record) => record.text).sort(),
    );
    expect(parts.filter((each) => each.type === 'tool').length).toBe(2);
    expect(lists.map((each) => each.session?.title).sort()).toEqual(['OpenCode Large', 'OpenCode Small']);
    const before = folds.changes;
    read(tree, folds);
    expect(folds.changes).toBe(before);
  });
});

/** The document with a value put where the steps lead, taken modulo what is there. */
function changedAt(document: unknown, steps: number[], value: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof document !== 'object' || document === null) return value;
  const names = Object.keys(document);
  if (names.length === 0) return value;
  const name = names[step % names.length]!;
  (document as Row)[name] = changedAt((document as Row)[name], rest, value);
  return document;
}

function areIdsUnique(tree: Tree): boolean {
  const ids = Object.entries(tree).map(([path, document]) => {
    const id = typeof document === 'object' && document !== null ? (document as Row).id : undefined;
    return `${path.split('/')[1]} ${typeof id === 'string' && id !== '' ? id.toWellFormed() : path}`;
  });
  return new Set(ids).size === ids.length;
}
