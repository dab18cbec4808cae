import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedSessionId } from '../../daemon/adapters/ids.ts';
import { qwenSource } from '../../daemon/adapters/sources/qwen.ts';
import { lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { samples } from '../support/samples.ts';

const home = '/home/dev/.qwen';
const source = qwenSource(home);
const sessionId = '11111111-2222-4333-8444-555555555555';
const plain = transcriptOf(source, join(home, `projects/-home-dev-tea/chats/${sessionId}.jsonl`));
const textOf = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

function read(text: string, cuts: number[] = [], fold = new SourceFold()) {
  return { fold, results: readInto(fold, source, plain, linesOf(text), cuts) };
}

const line = (type: string, uuid: string, parts: unknown[], more: object = {}) => ({
  uuid,
  sessionId,
  timestamp: '2026-03-04T10:00:00Z',
  type,
  cwd: '/home/dev/tea',
  message: { role: type === 'assistant' ? 'model' : 'user', parts },
  ...more,
});
const user = (uuid: string, text: string, more: object = {}) => line('user', uuid, [{ text }], more);
const called = (id: string) => ({ functionCall: { id, name: 'look', args: { at: id } } });
const responded = (id: string, output = 'done') => ({ functionResponse: { id, name: 'look', response: { output } } });
const partsOf = (fold: SourceFold) => [...fold.parts.values()];

describe('identify', () => {
  it.each([
    [`projects/-home-dev-tea/chats/${sessionId}.jsonl`, sessionId],
    [`projects/-home-dev-tea/chats/archive/${sessionId}.jsonl`, sessionId],
    ['projects/-home-dev-tea/chats/archive/mine.jsonl', 'mine@-home-dev-tea'],
    [`projects/-home-dev-tea/chats/${sessionId}.runtime.json`, undefined],
    ['projects/-home-dev-tea/chats/.jsonl', undefined],
    [`projects/-home-dev-tea/subagents/${sessionId}/agent-1.jsonl`, undefined],
    [`projects/-home-dev-tea/${sessionId}.jsonl`, undefined],
    [`tmp/0f0f/chats/${sessionId}.jsonl`, undefined],
    [`../.qwen2/projects/-home-dev-tea/chats/${sessionId}.jsonl`, undefined],
    ['', undefined],
  ])('%s is the transcript of %s', (path, sessionKey) => {
    const place = sessionKey === undefined ? undefined : { reading: 'lines', sessionKey };
    expect(source.identify(join(home, path))).toEqual(place);
  });

  it.each([
    ['', true],
    ['projects', true],
    ['projects/-home-dev-tea', true],
    ['projects/-home-dev-tea/chats/archive', true],
    ['projects/-home-dev-tea/subagents', false],
    ['tmp', false],
    ['..', false],
  ])('the folder %s is entered: %s', (folder, entered) => {
    expect(source.enters(join(home, folder))).toBe(entered);
  });
});

lineSourceContract({
  source,
  pathOf: (_name, session) => `projects/-home-dev-tea/chats/1111111${session}-2222-4333-8444-555555555555.jsonl`,
});

describe('the session', () => {
  it('has its folder, its facts, and as parent what it was forked from or started by', () => {
    const forkedFrom = { sessionId: 'before', messageUuid: 'u' };
    const more = { version: '0.24.4', gitBranch: 'main' };
    expect(read(textOf(user('u', 'Hi', { ...more, forkedFrom }))).fold.session).toMatchObject({
      parentId: derivedSessionId('qwen', 'before@-home-dev-tea'),
      directory: '/home/dev/tea',
      origin: { externalId: sessionId },
      metadata: { cliVersion: '0.24.4', gitBranch: 'main' },
    });
    const started = { type: 'system', subtype: 'parent_session', systemPayload: { parentSessionId: 'above' } };
    expect(read(textOf(started, user('u', 'Hi'))).fold.session?.parentId).toBe(
      derivedSessionId('qwen', 'above@-home-dev-tea'),
    );
    expect(read(textOf(user('u', 'Hi', { forkedFrom: { sessionId } }))).fold.session?.parentId).toBeNull();
  });

  it('takes as title what the user named it, then what the model did, then what was typed, then a command', () => {
    const system = (subtype: string, systemPayload: object) => ({ type: 'system', subtype, systemPayload });
    const lines = [
      system('slash_command', { rawCommand: '/init' }),
      user('n', 'Boiled.', { subtype: 'notification', provenance: 'system' }),
      user('u', 'Read this:\ntwelve', { systemPayload: { displayText: 'Read @tin' } }),
      system('custom_title', { customTitle: 'Tin', titleSource: 'auto' }),
      system('custom_title', { customTitle: 'Mine' }),
      system('custom_title', { customTitle: 'Other', titleSource: 'auto' }),
    ];
    const titles = lines.map((_, n) => read(textOf(...lines.slice(0, n + 1))).fold.session?.title);
    expect(titles).toEqual(['/init', '/init', 'Read @tin', 'Tin', 'Mine', 'Mine']);
  });
});

describe('messages', () => {
  it('show what the person typed; what was sent with it or in its place is synthetic', () => {
    const hook = { text: '<qwen:user-prompt-submit-context>\nwarm\n</qwen:user-prompt-submit-context>' };
    const { fold } = read(
      textOf(
        line('user', 'u1', [{ text: 'Hi' }, hook], { systemPayload: { displayText: 'Hi', hookContext: 'warm' } }),
        user('u2', 'Read this:\ntwelve', { systemPayload: { displayText: 'Read @tin' } }),
        user('u3', 'Boiled.', { subtype: 'notification', systemPayload: { displayText: 'Boiled.' } }),
      ),
    );
    expect(partsOf(fold).map((part) => part.type === 'text' && [part.text, part.synthetic === true])).toEqual([
      ['Hi', false],
      [hook.text, true],
      ['Read @tin', false],
      ['Read this:\ntwelve', true],
      ['Boiled.', true],
    ]);
  });

  it.each([
    [{ promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 2, totalTokenCount: 15 }, 3],
    [{ promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 2, totalTokenCount: 17 }, 5],
    [{ promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 2 }, 5],
  ])('count thoughts once, whether or not the output holds them: %j', (usageMetadata, output) => {
    const counts = { ...usageMetadata, cachedContentTokenCount: 4 };
    const { fold } = read(textOf(line('assistant', 'a', [{ text: 'Hi' }], { usageMetadata: counts })));
    const usage = { input: 6, output, reasoning: 2, cacheRead: 4, cacheWrite: 0 };
    expect([...fold.messages.values()]).toMatchObject([{ usage }]);
  });

  it('of several lines with one uuid are one, with all their parts; a line that is there twice counts once', () => {
    const thought = line('assistant', 'a', [{ text: 'Hm', thought: true }]);
    const words = line('assistant', 'a', [{ text: 'Ho' }, called('c')], {
      timestamp: '2026-03-04T10:00:09Z',
      model: 'tea-model',
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3 },
    });
    const text = textOf(user('u', 'Hi'), thought, words, words, thought, words);
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect(fold.messages.size).toBe(2);
      const [, message] = [...fold.messages.values()];
      expect(message).toMatchObject({ createdAt: Date.parse('2026-03-04T10:00:00Z'), usage: { input: 7, output: 3 } });
      expect(partsOf(fold).map(({ type }) => type)).toEqual(['text', 'reasoning', 'text', 'tool']);
      expect(fold.session?.model).toMatchObject({ modelId: 'tea-model' });
    }
  });

  it('hold the calls with their results; a result without a call is kept', () => {
    const result = (uuid: string, id: string, told: object) =>
      line('tool_result', uuid, [responded(id)], { toolCallResult: { callId: id, ...told } });
    const text = textOf(
      user('u', 'Hi'),
      line('assistant', 'a', [called('c1'), called('c2'), called('c3')]),
      result('r1', 'c1', { status: 'success', resultDisplay: { fileDiff: '+tea', fileName: 'tin' } }),
      result('r2', 'c2', { status: 'cancelled', resultDisplay: 'done' }),
      result('r3', '?', { status: 'success', resultDisplay: 'done' }),
    );
    for (const cuts of [[], everyLine(text)]) {
      const [, ...parts] = partsOf(read(text, cuts).fold);
      expect(parts).toMatchObject([
        { type: 'tool', callId: 'c1', state: 'completed', input: { at: 'c1' }, output: 'done' },
        { type: 'tool', callId: 'c2', state: 'error' },
        { type: 'tool', callId: 'c3', state: 'running' },
        { type: 'patch', files: [{ fileDiff: '+tea', fileName: 'tin' }] },
        { type: 'data', kind: 'qwen/functionResponse' },
      ]);
    }
  });
});

describe('what a fork copied', () => {
  it('[P33] is marked, and what it used is counted where it was first written', () => {
    const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 5 };
    const answered = (uuid: string, more: object) =>
      line('assistant', uuid, [{ text: uuid }], { usageMetadata, ...more });
    const forkedFrom = { sessionId: 'before', messageUuid: 'x' };
    const { fold } = read(textOf(answered('a', { forkedFrom }), answered('b', {})));
    expect([...fold.messages.values()]).toMatchObject([
      { metadata: { copiedFrom: 'before' } },
      { metadata: {}, usage: { input: 3, output: 5 } },
    ]);
    expect([...fold.messages.values()][0]).not.toHaveProperty('usage');
  });
});

describe('a rewind', () => {
  const chain = (...records: [uuid: string, parentUuid: string | null, more?: object][]) =>
    textOf(
      ...records.map(([uuid, parentUuid, more = {}]) => {
        const type = uuid.startsWith('a') ? 'assistant' : 'user';
        return { ...line(type, uuid, [{ text: uuid }], { promptId: `of ${uuid}` }), parentUuid, ...more };
      }),
    );
  const back = { type: 'system', subtype: 'rewind', message: undefined, systemPayload: { truncatedCount: 2 } };
  const marked = (fold: SourceFold) =>
    [...fold.messages.values()].map(({ metadata }) => (metadata as { rewound?: true }).rewound === true);

  it.each([
    ['to the record that it hangs on', 'a1', [false, false, true, true, false]],
    ['to the start', null, [true, true, true, true, false]],
    ['to a record that never was', 'nowhere', [false, false, false, false, false]],
  ])('%s marks what it takes back, which stays as it was', (_name, target, expected) => {
    const records: Parameters<typeof chain> = [
      ['u1', null],
      ['a1', 'u1'],
      ['u2', 'a1'],
      ['a2', 'u2'],
      ['w', target, back],
      ['u3', 'w'],
    ];
    const text = chain(...records);
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect(marked(fold)).toEqual(expected);
      expect([...fold.messages.values()].map(({ metadata }) => (metadata as { promptId: string }).promptId)).toEqual(
        ['u1', 'a1', 'u2', 'a2', 'u3'].map((uuid) => `of ${uuid}`),
      );
      const { changes } = fold;
      for (const again of [[], everyLine(text)]) readInto(fold, source, plain, linesOf(text), again);
      expect(fold.changes).toBe(changes);
    }
  });

  it('after another takes back what came between, and not what was gone', () => {
    const { fold } = read(
      chain(['u1', null], ['a1', 'u1'], ['w1', 'u1', back], ['a2', 'w1'], ['w2', 'w1', back], ['a3', 'w2']),
    );
    expect(marked(fold)).toEqual([false, true, true, false]);
  });

  it('to a record that is long forgotten takes back all that are remembered', () => {
    const records = Array.from(
      { length: 500 },
      (_, n) => [`u${n}`, n === 0 ? null : `u${n - 1}`] as [string, string | null],
    );
    const { fold, results } = read(chain(...records, ['w', 'u1', back]));
    expect(marked(fold).filter(Boolean)).toHaveLength(200);
    expect(marked(fold).at(-1)).toBe(true);
    expect(JSON.stringify(results.at(-1)!.state).length).toBeLessThan(2 ** 16);
  });
});

describe('whatever the lines, and however they are split into reads', () => {
  const name = fc.integer({ min: 0, max: 4 }).map(String);
  const part = fc.oneof(
    name.map((n) => ({ text: `t${n}` })),
    name.map((n) => ({ text: `t${n}`, thought: true })),
    name.map((n) => called(`c${n}`)),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const parts = fc.array(part, { maxLength: 3 });
  const record = fc.oneof(
    fc.tuple(name, parts).map(([n, each]) => line('user', n, each)),
    fc.tuple(name, parts).map(([n, each]) => line('assistant', n, each, { model: `model-${n}` })),
    name.map((n) => line('tool_result', `r${n}`, [responded(`c${n}`)], { toolCallResult: { callId: `c${n}` } })),
    name.map((n) => ({ type: 'system', uuid: n, subtype: 'custom_title', systemPayload: { customTitle: n } })),
    fc.jsonValue({ maxDepth: 2 }),
  );
  // Results come after their calls: one that does not is kept as it is, and joined when the file is read again.
  const calls = line(
    'assistant',
    'calls',
    Array.from({ length: 5 }, (_, n) => called(`c${n}`)),
  );
  const file = fc.array(record, { minLength: 1, maxLength: 30 }).map((lines) => textOf(calls, ...lines));
  const cuts = fc.array(fc.nat(30), { maxLength: 6 });

  it('the records are the same, and [P26] reading again changes nothing', () => {
    fc.assert(
      fc.property(file, cuts, cuts, (text, first, second) => {
        const { fold } = read(text);
        expect(read(text, first).fold.list()).toEqual(fold.list());
        const before = fold.changes;
        read(text, second, fold);
        expect(fold.changes, JSON.stringify(fold.lastChange)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

describe.skipIf(!samples)('real transcripts (skipped where there are none)', () => {
  const folder = join(samples ?? '', 'qwen');
  const files = samples ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];

  it.each(files.filter((path) => path.endsWith('.jsonl')).sort())(
    '%s: all of it is there (needs ../shared/transcripts)',
    (path) => {
      const text = readFileSync(join(folder, path), 'utf8');
      const { fold, results } = read(text);
      expect(countFold(fold)).toEqual(countLines(text));
      const before = fold.changes;
      const total = linesOf(text).length;
      read(text, [total >> 2, total >> 1, total - 1], fold);
      expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
      expect(read(text, everyLine(text)).fold.list()).toEqual(fold.list());
      for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(20_000);
    },
  );

  function countFold(fold: SourceFold) {
    const parts = partsOf(fold);
    const tools = parts.filter((part) => part.type === 'tool');
    const outputs = [...fold.messages.values()].map(({ usage }) => (usage as { output: number })?.output ?? 0);
    return {
      messages: fold.messages.size,
      tools: tools.length,
      completed: tools.filter(({ state }) => state === 'completed').length,
      texts: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).sort(),
      thoughts: parts.filter(({ type }) => type === 'reasoning').length,
      systems: parts.filter((part) => part.type === 'data' && isSystem(part.value)).length,
      output: outputs.reduce((sum, output) => sum + output, 0),
      title: fold.session?.title,
    };
  }

  const isSystem = (value: unknown) => (value as { type?: string } | null)?.type === 'system';

  /** The same counts by another way: plain JSON.parse and sets of names. */
  function countLines(text: string) {
    // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
    const lines: any[] = text
      .split('\n')
      .slice(0, -1)
      .map((raw) => JSON.parse(raw));
    const said = lines.filter(({ type }) => type === 'user' || type === 'assistant');
    const parts = said.flatMap(({ message }) => message.parts);
    const calls = parts.flatMap((part) => part.functionCall?.id ?? []);
    const answers = lines.flatMap(({ type, message }) => (type === 'tool_result' ? message.parts : []));
    const answered = new Set(answers.map((part) => part.functionResponse.id));
    const titles = lines.flatMap(({ systemPayload }) => systemPayload?.customTitle ?? []);
    const manual = lines.findLast(({ systemPayload: p }) => p?.customTitle && p.titleSource !== 'auto')?.systemPayload;
    const prompt = said.find(({ type }) => type === 'user')?.message.parts[0].text;
    const command = lines.find(({ systemPayload: p }) => p?.rawCommand)?.systemPayload.rawCommand;
    return {
      messages: new Set(said.map(({ type, uuid }) => `${type} ${uuid}`)).size,
      tools: new Set(calls).size,
      completed: new Set(calls.filter((id) => answered.has(id))).size,
      texts: parts.flatMap((part) => (part.text && !part.thought ? [part.text] : [])).sort(),
      thoughts: parts.filter((part) => part.thought).length,
      systems: lines.filter(isSystem).length,
      output: said.reduce((sum, { usageMetadata }) => sum + (usageMetadata?.candidatesTokenCount ?? 0), 0),
      title: manual?.customTitle ?? titles.at(-1) ?? prompt ?? command ?? null,
    };
  }
});
