import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Transcript } from '../../daemon/adapters/adapter.ts';
import { derivedSessionId } from '../../daemon/adapters/ids.ts';
import { maxEntries } from '../../daemon/adapters/sources/gemini/timeline.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { samples } from '../support/samples.ts';
import { countGemini, countGeminiFold } from './gemini-count.ts';

const home = '/home/dev/.gemini';
const source = geminiSource(home);
const parentId = 'aaaa1111-2222-4333-8444-555555555555';
const stem = 'tmp/tea/chats/session-2026-03-04T10-00-aaaa1111';

const transcriptAt = (path: string) => transcriptOf(source, join(home, path));
const plain = transcriptAt(`${stem}.jsonl`);
const document = transcriptAt(`${stem}.json`);
const textOf = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

function read(text: string, cuts: number[] = [], transcript: Transcript = plain, fold = new SourceFold()) {
  return { fold, results: readInto(fold, source, transcript, linesOf(text), cuts) };
}

/** As the engine does: what waits is not applied. */
function readWhole(text: string, fold = new SourceFold(), transcript: Transcript = document) {
  const result = source.readDocument!(transcript, text, fold);
  if (!result.wait) for (const op of result.ops) fold.apply(op);
  return { fold, result };
}

const at = (second: number) => new Date(Date.UTC(2026, 2, 4, 10, 0, second)).toISOString();
const opening = { sessionId: parentId, projectHash: 'b0ba', startTime: at(0), lastUpdated: at(0) };
const user = (id: string, content: unknown, more: object = {}) => ({
  id,
  timestamp: at(1),
  type: 'user',
  content,
  ...more,
});
const answer = (id: string, content: unknown, more: object = {}) => ({
  id,
  timestamp: at(2),
  type: 'gemini',
  content,
  tokens: { input: 10, output: 2, cached: 4, thoughts: 1, tool: 0, total: 13 },
  model: 'gemini-test-1',
  ...more,
});
const checkpoint = (...messages: unknown[]) => ({ $set: { messages, lastUpdated: at(9) } });
const asDocument = (...messages: unknown[]) => JSON.stringify({ ...opening, messages }, null, 2);
const responded = (id: string, output = 'done') => ({ functionResponse: { id, name: 'look', response: { output } } });
const call = (id: string, more: object = {}) => ({ id, name: 'look', args: { at: id }, status: 'success', ...more });

const messagesOf = (fold: SourceFold) => fold.list().messages;
const textsOf = (fold: SourceFold) =>
  [...fold.parts.values()].flatMap((part) => (part.type === 'text' ? part.text : []));
const marksOf = (fold: SourceFold) => messagesOf(fold).map(({ message }) => Object.keys(message.metadata as object)[0]);

describe('identify', () => {
  const lines = { reading: 'lines' };
  it.each([
    [`${stem}.jsonl`, { ...lines, sessionKey: 'session-2026-03-04T10-00-aaaa1111@tea' }],
    [`${stem}.json`, { reading: 'document', sessionKey: 'session-2026-03-04T10-00-aaaa1111@tea' }],
    [`tmp/tea/chats/${parentId}/steep-1.jsonl`, { ...lines, sessionKey: `${parentId}/steep-1` }],
    [`tmp/tea/chats/${parentId}/steep-1/pour-2.jsonl`, { ...lines, sessionKey: `${parentId}/steep-1/pour-2` }],
    ['tmp/tea/chats/my-own-id/steep-1.jsonl', { ...lines, sessionKey: 'my-own-id@tea/steep-1' }],
    [`tmp/tea/chats/${parentId}/steep-1.json`, undefined],
    [`${stem}.json.unreadable-1772618400000`, undefined],
    [`${stem}.jsonl.unreadable-1772618400000`, undefined],
    ['tmp/tea/chats/other.json', undefined],
    ['tmp/tea/logs.json', undefined],
    ['tmp/tea/checkpoints/session-2026-03-04T10-00-aaaa1111.jsonl', undefined],
    ['history/tea/chats/session-2026-03-04T10-00-aaaa1111.jsonl', undefined],
    ['../.gemini2/tmp/tea/chats/session-2026-03-04T10-00-aaaa1111.jsonl', undefined],
    ['', undefined],
  ])('%s is %o', (path, place) => {
    expect(source.identify(join(home, path))).toEqual(place);
  });

  it.each([
    ['', true],
    ['tmp', true],
    ['tmp/tea', true],
    ['tmp/tea/chats', true],
    [`tmp/tea/chats/${parentId}`, true],
    ['tmp/tea/tool-outputs', false],
    ['tmp/tea/checkpoints', false],
    ['extensions', false],
    ['antigravity/brain', false],
    ['..', false],
  ])('the folder %s is entered: %s', (folder, entered) => {
    expect(source.enters(join(home, folder))).toBe(entered);
  });
});

lineSourceContract({
  source,
  pathOf: (name, session) =>
    name === 'subagent'
      ? `tmp/tea/chats/aaaa111${session}-2222-4333-8444-555555555555/steep-0123.jsonl`
      : `tmp/tea/chats/session-2026-03-04T10-00-aaaa111${session}.jsonl`,
});

describe('the session', () => {
  it('of a subagent has the session whose file lies beside its folder as parent', () => {
    const path = `tmp/tea/chats/${parentId}/steep-1.jsonl`;
    const { fold } = read(textOf({ ...opening, sessionId: 'steep-1' }, user('u', 'Steep')), [], transcriptAt(path));
    const { fold: parent } = read(textOf(opening, user('u', 'Hi')));
    expect(fold.session).toMatchObject({ parentId: parent.session!.sessionId, origin: { externalId: 'steep-1' } });
    expect(parent.session).toMatchObject({
      sessionId: derivedSessionId('gemini', parentId),
      parentId: null,
      origin: { externalId: parentId },
    });
  });

  it.each([
    ['- **Workspace Directories:**\n  - /home/dev/my tea\n  - /other\n'],
    ["I'm currently working in the directory: /home/dev/my tea\n"],
    ["I'm currently working in the following directories:\n  - /home/dev/my tea\n  - /other\n"],
  ])('has the directory that its context names: %j', (words) => {
    const context = `<session_context>\nThis is the Gemini CLI.\n${words}</session_context>`;
    for (const lines of [
      [opening, checkpoint(user('c', [{ text: context }])), user('u', 'Hi')],
      [opening, user('u', [{ text: context }, { text: 'Hi' }])],
    ]) {
      const { fold } = read(textOf(...lines));
      expect(fold.session).toMatchObject({ directory: '/home/dev/my tea', title: 'Hi' });
      expect(messagesOf(fold)).toHaveLength(1);
    }
  });

  it('is waited for while its file holds nothing but a context', () => {
    const lines = linesOf(textOf(opening, checkpoint(user('c', [{ text: '<session_context>…' }]))));
    expect(source.read(plain, lines, undefined, new SourceFold(), false)).toMatchObject({ ops: [], wait: true });
  });

  it('takes the summary as its title, else the words that the person typed', () => {
    const typed = user('u', 'You are asked to …', { displayContent: [{ text: 'Look around' }] });
    const lines = [opening, user('n', 'System: Please continue.'), typed];
    expect(read(textOf(...lines)).fold.session?.title).toBe('Look around');
    expect(read(textOf(...lines, { $set: { summary: 'A look' } })).fold.session?.title).toBe('A look');
  });
});

describe('messages that come again', () => {
  it('count what was cached, thought and used once: the parts of the total', () => {
    const [message] = messagesOf(read(textOf(answer('g', 'Hi'))).fold);
    expect(message!.message.usage).toEqual({ input: 6, output: 2, reasoning: 1, cacheRead: 4, cacheWrite: 0 });
  });

  it('[P26] are the last version, with what only an earlier one told', () => {
    const text = textOf(
      opening,
      user('u', 'Hi'),
      answer('g', 'I look.', { thoughts: [{ subject: 'Look', description: 'There.' }] }),
      answer('g', 'I look.', { toolCalls: [call('c', { result: [responded('c')] })] }),
      checkpoint(
        { ...user('u', [{ text: 'Hi' }]), timestamp: at(60) },
        { id: 'g', timestamp: at(60), type: 'gemini', content: [{ text: 'I looked.' }, { functionCall: call('c') }] },
      ),
    );
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      const [, gemini] = messagesOf(fold);
      expect(messagesOf(fold)).toHaveLength(2);
      expect(gemini!.message).toMatchObject({ createdAt: Date.parse(at(2)), model: { modelId: 'gemini-test-1' } });
      expect(gemini!.message.usage).toMatchObject({ output: 2 });
      expect(gemini!.parts).toMatchObject([
        { type: 'reasoning', text: 'Look\n\nThere.' },
        { type: 'text', text: 'I looked.' },
        { type: 'tool', state: 'completed', output: 'done', input: { at: 'c' } },
      ]);
    }
  });

  it('are put once for many resumes that only write them anew', () => {
    const again = (second: number) => [
      { ...opening, startTime: at(second) },
      checkpoint(user('c', [{ text: '<session_context>…' }])),
      checkpoint({ ...user('u', [{ text: 'Hi' }]), timestamp: at(second) }),
    ];
    const first = read(textOf(opening, user('u', 'Hi'), ...again(10)));
    const { fold, results } = read(textOf(opening, user('u', 'Hi'), ...again(10), ...again(20), ...again(30)));
    expect(fold.list()).toEqual(first.fold.list());
    expect(results[0]!.ops).toEqual(first.results[0]!.ops);
  });

  it('a call is completed by the record of its answer, which is no message', () => {
    const text = textOf(
      opening,
      user('u', 'Hi'),
      { ...answer('g', [{ functionCall: { id: 'c', name: 'look', args: {} } }]) },
      user('r', [responded('c', 'a tin')]),
      user('s', [responded('c', 'a tin')]),
    );
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect(messagesOf(fold)).toHaveLength(2);
      expect([...fold.parts.values()].slice(1)).toMatchObject([{ callId: 'c', state: 'completed', output: 'a tin' }]);
    }
  });
});

describe('a status of a call', () => {
  it.each([
    ['success', 'completed'],
    ['cancelled', 'error'],
    ['executing', 'running'],
    ['constructor', 'running'],
    ['__proto__', 'running'],
  ])('%s is %s', (status, state) => {
    const { fold } = read(textOf(opening, user('u1', 'A'), answer('g1', '', { toolCalls: [call('c', { status })] })));
    expect([...fold.parts.values()].filter(({ type }) => type === 'tool')).toMatchObject([{ state }]);
  });
});

describe('what is taken back', () => {
  const lines = [opening, user('u1', 'A'), answer('g1', 'B'), user('u2', 'C'), answer('g2', 'D')];

  it('by a rewind is marked, from the named message on, and stays', () => {
    const text = textOf(...lines, { $rewindTo: 'u2' }, user('u3', 'E'));
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect(textsOf(fold)).toEqual(['A', 'B', 'C', 'D', 'E']);
      expect(marksOf(fold)).toEqual([undefined, undefined, 'rewound', 'rewound', undefined]);
    }
  });

  it('by a rewind to what is not there is all that there was, as in Gemini CLI', () => {
    expect(marksOf(read(textOf(...lines, { $rewindTo: '?' })).fold)).toEqual(Array(4).fill('rewound'));
  });

  it('by a rewind to a record that is no message begins there too', () => {
    const text = textOf(...lines.slice(0, 3), user('r', [responded('c')]), ...lines.slice(3), { $rewindTo: 'r' });
    expect(marksOf(read(text).fold)).toEqual([undefined, undefined, 'rewound', 'rewound']);
  });

  it('by a checkpoint is marked when no other one follows, and no longer when it comes again', () => {
    const short = checkpoint(user('u2', 'C'));
    expect(marksOf(read(textOf(...lines, short)).fold)).toEqual(Array(4).fill(undefined));
    const marked = ['replaced', 'replaced', undefined, 'replaced', undefined];
    expect(marksOf(read(textOf(...lines, short, user('u3', 'E'))).fold)).toEqual(marked);
    const again = textOf(...lines, short, user('u3', 'E'), checkpoint(...lines.slice(1), user('u3', 'E')));
    for (const cuts of [[], everyLine(again)])
      expect(marksOf(read(again, cuts).fold)).toEqual(Array(5).fill(undefined));
  });

  it('beyond the bound of what is remembered is still the rest of it, and the state stays small', () => {
    const id = (n: number) => `${n}`.padStart(8, '0') + parentId.slice(8);
    const many = Array.from({ length: maxEntries + 200 }, (_, n) => user(id(n), `say ${n}`));
    const text = textOf(opening, ...many, { $rewindTo: id(5) });
    const { fold, results } = read(text, [600]);
    expect(marksOf(fold).filter((mark) => mark === 'rewound')).toHaveLength(maxEntries);
    expect(messagesOf(fold)).toHaveLength(many.length);
    expect(JSON.stringify(results.at(-1)!.state).length).toBeLessThan(90_000);
    const before = fold.changes;
    read(text, [700], plain, fold);
    expect(fold.changes).toBe(before);
  });
});

describe('whatever the lines, and however they are split into reads', () => {
  const id = fc.integer({ min: 0, max: 5 }).map((n) => `m${n}`);
  const word = fc.constantFrom('A', 'B', '');
  const callOf = fc.record({
    id: fc.constantFrom('c1', 'c2'),
    status: fc.constantFrom('success', 'executing'),
    description: word,
  });
  const record = fc.oneof(
    fc.tuple(id, word).map(([name, text]) => user(`u${name}`, [{ text }])),
    fc.tuple(id, word).map(([name, text]) => answer(name, text)),
    fc
      .tuple(id, fc.array(callOf, { maxLength: 2 }))
      .map(([name, calls]) => answer(name, '', { toolCalls: calls.map((each) => ({ ...call(each.id), ...each })) })),
    fc
      .tuple(id, fc.constantFrom('c1', 'c2'))
      .map(([name, c]) => answer(name, [{ functionCall: { id: c, name: 'look' } }])),
    fc.tuple(id, fc.constantFrom('c1', 'c2'), word).map(([name, c, out]) => user(`r${name}`, [responded(c, out)])),
  );
  const line = fc.oneof(
    { weight: 6, arbitrary: record },
    fc.array(record, { maxLength: 5 }).map((messages) => checkpoint(...messages)),
    id.map((name) => ({ $rewindTo: name })),
    word.map((summary) => ({ $set: { summary, other: summary } })),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const file = fc.array(line, { minLength: 1, maxLength: 40 }).map((lines) => textOf(opening, ...lines));
  const cuts = fc.array(fc.nat(40), { maxLength: 8 });

  it('the records are the same, and [P26] reading again changes nothing', () => {
    fc.assert(
      fc.property(file, cuts, cuts, (text, first, second) => {
        const { fold } = read(text);
        expect(read(text, first).fold.list()).toEqual(fold.list());
        const before = fold.changes;
        read(text, second, plain, fold);
        expect(fold.changes, JSON.stringify(fold.lastChange)).toBe(before);
      }),
      { numRuns: 400 },
    );
  });
});

describe('a document', () => {
  const messages = [
    user('u1', 'Hi'),
    answer('g1', 'I look.', { toolCalls: [call('c', { result: [responded('c')], timestamp: at(3) })] }),
  ];

  it('read again changes nothing; rewritten, the last version of each message wins', () => {
    const { fold } = readWhole(asDocument(...messages));
    const before = fold.changes;
    readWhole(asDocument(...messages), fold);
    expect(fold.changes).toBe(before);
    readWhole(asDocument(messages[0], answer('g1', 'I looked.'), user('u2', 'Thanks')), fold);
    expect(textsOf(fold)).toEqual(['Hi', 'I looked.', 'Thanks']);
    expect(messagesOf(fold)).toHaveLength(3);
  });

  it('and the lines that a resume makes of it are one session, with nothing twice, whichever is read first', () => {
    const lines = textOf(
      opening,
      ...messages,
      { $set: { sessionId: parentId } },
      user('u2', 'More'),
      answer('g2', 'Yes'),
    );
    const { fold: documentFirst } = readWhole(asDocument(...messages));
    read(lines, [], plain, documentFirst);
    const { fold: linesFirst } = read(lines);
    const before = linesFirst.changes;
    readWhole(asDocument(...messages), linesFirst);
    expect(linesFirst.changes).toBe(before);
    expect(documentFirst.list().messages).toEqual(linesFirst.list().messages);
    expect(textsOf(linesFirst)).toEqual(['Hi', 'I look.', 'More', 'Yes']);
  });

  it.each(['', '{"sessionId":"a","mess', asDocument(...messages).slice(0, 300)])(
    'half written is waited for: %j',
    (text) => {
      expect(readWhole(text).result).toEqual({ ops: [], state: null, badRecords: 0, wait: true });
    },
  );

  it('without any message is waited for', () => {
    expect(readWhole(asDocument()).result).toMatchObject({ ops: [], wait: true });
  });

  it.each(['[]', '7', '{"messages":"none"}', `{"messages":${'['.repeat(500)}${']'.repeat(500)}}`])(
    'of another shape is kept whole and counted: %j',
    (text) => {
      const { fold, result } = readWhole(text);
      expect(result).toMatchObject({ badRecords: 1, state: null });
      const [kept] = [...fold.parts.values()];
      expect(kept).toMatchObject({ type: 'data', kind: 'gemini/unparsed' });
      expect(kept?.type === 'data' && [text, JSON.stringify(kept.value)].includes(text)).toBe(true);
    },
  );

  it('with entries that are no messages keeps and counts these, and takes the others', () => {
    const text = asDocument(messages[0], 'torn', { id: 'x' }, 7, user('y', 7), {
      id: 'z',
      type: 'later',
      content: 'kind',
    });
    const { fold, result } = readWhole(text);
    expect(result.badRecords).toBe(4);
    expect(messagesOf(fold)).toHaveLength(1);
    expect([...fold.parts.values()].filter((part) => part.type === 'data')).toHaveLength(5);
  });

  it('whatever it holds, never throws, and read again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), fc.jsonValue(), (values, member) => {
        const odd = { id: 'odd', type: 'gemini', content: member, toolCalls: values, thoughts: values, tokens: member };
        const { fold } = readWhole(asDocument(messages[0], odd, user('v', values), ...values));
        const before = fold.changes;
        readWhole(asDocument(messages[0], odd, user('v', values), ...values), fold);
        expect(fold.changes).toBe(before);
      }),
    );
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

describe.skipIf(!samples)('real transcripts (skipped where there are none)', () => {
  const folder = join(samples ?? '', 'gemini');
  const files = samples
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.jsonl?$/.test(path))
    : [];
  const textAt = (path: string) => readFileSync(join(folder, path), 'utf8');

  it.each(files.sort())('%s: all of it is there (needs ../shared/transcripts)', (path) => {
    const text = textAt(path);
    const fold = new SourceFold();
    const take = (cuts: number[] = []) => {
      if (path.endsWith('.jsonl')) return read(text, cuts, plain, fold).results;
      return [readWhole(text, fold).result];
    };
    const results = take();
    expect(countGeminiFold(fold)).toEqual(countGemini(text));
    const before = fold.changes;
    const total = linesOf(text).length;
    take([total >> 2, total >> 1, total - 1]);
    expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
    if (path.endsWith('.jsonl')) expect(read(text, everyLine(text)).fold.list()).toEqual(fold.list());
    for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(20_000);
  });

  it('three snapshots of one document: messages keep their ids, the last version wins (needs ../shared/transcripts)', () => {
    const snapshots = files.filter((path) => path.includes('f7633853')).sort();
    expect(snapshots).toHaveLength(3);
    const fold = new SourceFold();
    let ids: string[] = [];
    for (const path of snapshots) {
      readWhole(textAt(path), fold);
      expect([...fold.messages.keys()].slice(0, ids.length)).toEqual(ids);
      ids = [...fold.messages.keys()];
      expect(countGeminiFold(fold)).toEqual(countGemini(textAt(path)));
    }
    expect(fold.list()).toEqual(readWhole(textAt(snapshots[2]!)).fold.list());
  });
});
