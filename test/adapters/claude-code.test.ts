import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedSessionId } from '../../daemon/adapters/ids.ts';
import { foldTitle } from '../../daemon/adapters/kit/title.ts';
import { titleOfPrompt } from '../../daemon/adapters/sources/claude-code/prompt.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';

const here = dirname(fileURLToPath(import.meta.url));
const projects = '/home/dev/.claude/projects';
const source = claudeCodeSource(projects);
const parentKey = '11111111-2222-4333-8444-555555555555';

const transcriptAt = (path: string) => transcriptOf(source, join(projects, path));
const plain = transcriptAt(`-home-dev-tea/${parentKey}.jsonl`);
const textOf = (...lines: unknown[]) =>
  lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');

function read(text: string, cuts: number[] = [], transcript = plain) {
  const fold = new SourceFold();
  const results = readInto(fold, source, transcript, linesOf(text), cuts);
  return { fold, results, ops: results.flatMap((result) => result.ops) };
}
/** Cuts that end a read after each line. */
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

const user = (uuid: string, content: unknown, more: object = {}) => ({
  type: 'user',
  uuid,
  timestamp: '2026-03-04T10:00:00Z',
  message: { role: 'user', content },
  ...more,
});
const answer = (uuid: string, id: string, content: unknown[], more: object = {}, output = 1) => ({
  type: 'assistant',
  uuid,
  timestamp: '2026-03-04T10:00:01Z',
  message: { id, model: 'claude-test-1', content, usage: { input_tokens: 1, output_tokens: output } },
  ...more,
});
const said = (text: string) => ({ type: 'text', text });
const called = (id: string) => ({ type: 'tool_use', id, name: 'Bash', input: { command: id } });
const resulted = (id: string, content: unknown = 'done') => ({ type: 'tool_result', tool_use_id: id, content });

describe('identify', () => {
  it.each([
    [`-home-dev-tea/${parentKey}.jsonl`, parentKey],
    ['-home-dev-tea/abc.jsonl', 'abc@-home-dev-tea'],
    ['abc.jsonl', 'abc'],
    ['-home-dev-tea/agent-1f.jsonl', 'agent-1f@-home-dev-tea'],
    [`-home-dev-tea/${parentKey}/subagents/agent-1f.jsonl`, `${parentKey}/agent-1f`],
    ['-home-dev-tea/abc/subagents/agent-1f.jsonl', 'abc@-home-dev-tea/agent-1f'],
    [`-home-dev-tea/${parentKey}/subagents/flow/agent-1f.jsonl`, `${parentKey}/flow/agent-1f`],
    ['-home-dev-tea/abc/subagents/agent-1f.meta.json', undefined],
    ['-home-dev-tea/abc/tool-results/x.jsonl', undefined],
    ['-home-dev-tea/abc.jsonl.compact.tmp.0f', undefined],
    ['history.jsonl', undefined],
    ['../history.jsonl', undefined],
    ['../projects2/abc.jsonl', undefined],
    ['', undefined],
  ])('%s is the transcript of %s', (path, key) => {
    const place = source.identify(join(projects, path));
    expect(place).toEqual(key === undefined ? undefined : { reading: 'lines', sessionKey: key });
  });
});

lineSourceContract({
  source,
  pathOf: (name, session) => {
    const key = parentKey.replace('1111', `111${session}`);
    return name === 'subagent' ? `-home-dev-tea/${key}/subagents/agent-a1b2c3.jsonl` : `-home-dev-tea/${key}.jsonl`;
  },
});

describe('the session', () => {
  it('of a subagent has its parent, by folder or by the sessionId of its lines', () => {
    const line = user('u1', 'go', { sessionId: parentKey, agentId: '1f', isSidechain: true });
    for (const path of [`-p/${parentKey}/subagents/agent-1f.jsonl`, '-p/agent-1f.jsonl']) {
      const { session } = read(textOf(line), [], transcriptAt(path)).fold;
      expect(session).toMatchObject({ parentId: derivedSessionId('claude-code', parentKey), title: 'go' });
      expect(session?.origin).toMatchObject({ externalId: '1f', path: join(projects, path) });
    }
    expect(read(textOf(line)).fold.session?.parentId).toBeNull();
  });

  it('takes its title when a summary of this file comes, before or after its leaf', () => {
    const ours = { type: 'summary', summary: 'Ours', leafUuid: 'u1' };
    const prompt = user('u1', 'First words');
    for (const lines of [
      [ours, prompt],
      [prompt, ours],
    ]) {
      const text = textOf(...lines);
      expect(read(text).fold.session?.title).toBe('Ours');
      expect(read(text, everyLine(text)).fold.session?.title).toBe('Ours');
    }
    expect(read(textOf({ ...ours, leafUuid: 'elsewhere' }, prompt)).fold.session?.title).toBe('First words');
  });

  it('is waited for until a message comes, and carried by one of our own when it must be taken', () => {
    const lines = linesOf(textOf({ type: 'mode', mode: 'plan' }, 'garbage'));
    expect(source.read(plain, lines, undefined, new SourceFold(), false)).toMatchObject({ ops: [], wait: true });
    const { fold, results } = read(textOf({ type: 'mode', mode: 'plan' }, 'garbage'));
    expect(results[0]).toMatchObject({ badRecords: 1 });
    expect(fold.list().messages).toMatchObject([{ message: { role: 'system' }, parts: [{}, { value: 'garbage' }] }]);
  });

  it('is not given a title that the user changed, when its file is read again', () => {
    const { fold } = read(textOf(user('u1', 'First'), { type: 'ai-title', aiTitle: 'Second' }));
    fold.session!.title = 'by hand';
    readInto(fold, source, plain, linesOf(textOf(user('u1', 'First'), { type: 'ai-title', aiTitle: 'Second' })));
    expect(fold.session?.title).toBe('by hand');
  });
});

describe('titles', () => {
  it('are one line of at most 120 units and never end in half a character', () => {
    expect(foldTitle(' a\n\tb\u001b[31mc ')).toBe('a b\u001b[31mc');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 100, maxLength: 200 }), (text) => {
        const title = foldTitle(text);
        expect(title.length).toBeLessThanOrEqual(120);
        expect(title.isWellFormed()).toBe(true);
        expect(title).not.toMatch(/[\n\r\t]/);
      }),
    );
    expect(foldTitle('x'.repeat(118) + '🍵🍵')).toBe(`${'x'.repeat(118)}…`);
  });

  it('come from words, not from what is wrapped around commands', () => {
    expect(titleOfPrompt('<local-command-stdout>x</local-command-stdout>')).toBeUndefined();
    expect(titleOfPrompt('Caveat: The messages below were …')).toBeUndefined();
    expect(titleOfPrompt('<system-reminder>x</system-reminder>\n Hi')).toEqual({ rank: 'prompt', title: 'Hi' });
    const typed = '<command-message>a</command-message><command-name>/a</command-name>';
    expect(titleOfPrompt(`${typed}<command-args>make tea</command-args>`)).toEqual({
      rank: 'prompt',
      title: '/a make tea',
    });
    expect(titleOfPrompt(typed)).toEqual({
      rank: 'command',
      title: '/a',
    });
    expect(titleOfPrompt('<div> is not centred')?.title).toBe('<div> is not centred');
  });
});

describe('words of a user line', () => {
  const texts = (content: unknown) =>
    read(textOf(user('u', content))).ops.flatMap(({ params }) =>
      'part' in params && params.part.type === 'text' ? [[params.part.text, params.part.synthetic ?? false]] : [],
    );

  it.each([
    '[Request interrupted by user]',
    '[Request interrupted by user for tool use]',
    '<bash-stdout>tea</bash-stdout><bash-stderr></bash-stderr>',
    '<local-command-stdout>Set</local-command-stdout>',
    '<local-command-caveat>Caveat: The messages below</local-command-caveat>',
    '<task-notification>\n<task-id>a1</task-id>\n</task-notification>',
  ])('that Claude Code wrote without a mark are no words of a person: %s', (text) => {
    expect(texts(text)).toEqual([[text, true]]);
    expect(texts([said(text), said('go on')])).toEqual([
      [text, true],
      ['go on', false],
    ]);
  });

  it.each([
    'go on',
    'why [Request interrupted by user]?',
    '<bash-input>ls</bash-input>',
    '<command-name>/clear</command-name>',
    '<system-reminder>a</system-reminder>go on',
  ])('that a person typed are theirs: %s', (text) => {
    expect(texts(text)).toEqual([[text, false]]);
  });
});

describe('what a file does not promise', () => {
  it('[P26] the same record twice changes nothing', () => {
    const lines = [user('u1', 'Hi'), answer('a1', 'm1', [called('c1')]), user('r1', [resulted('c1')])];
    const once = read(textOf(...lines));
    const twice = read(textOf(...lines, ...lines));
    expect(twice.fold.list()).toEqual(once.fold.list());
    const text = textOf(...lines, ...lines);
    expect(read(text, everyLine(text)).fold.list()).toEqual(once.fold.list());
  });

  it('[P26] the last version of a message wins, under the same ids', () => {
    const text = textOf(user('u1', 'draft'), answer('a1', 'm1', [said('part')]), user('u1', 'final'));
    for (const { fold } of [read(text), read(text, everyLine(text))]) {
      expect(fold.messages.size).toBe(2);
      expect([...fold.parts.values()].map((part) => part.type === 'text' && part.text)).toEqual(['final', 'part']);
    }
  });

  it('[P26] a repeated line does not set the usage of its message back', () => {
    const first = answer('a1', 'm1', [said('a')], {}, 1);
    const { fold } = read(textOf(first, answer('a2', 'm1', [said('b')], {}, 50), first));
    expect([...fold.messages.values()]).toMatchObject([{ usage: { output: 50 } }]);
  });

  it('[P26] identical lines without a uuid are counted, across reads, as often as they are there', () => {
    const mode = { type: 'mode', mode: 'plan' };
    const text = textOf(user('u1', 'Hi'), mode, mode, answer('a1', 'm1', [said('Ho')]), mode);
    for (const cuts of [[], [2], [1, 3], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect([...fold.parts.values()].filter((part) => part.type === 'data')).toHaveLength(3);
      const before = fold.changes;
      for (const again of [[], [3], everyLine(text)]) readInto(fold, source, plain, linesOf(text), again);
      expect(fold.changes).toBe(before);
    }
  });

  it('[P26] a line that recurs after very many others is folded into an older one, never there twice', () => {
    const mode = { type: 'mode', mode: 'plan' };
    const others = Array.from({ length: 300 }, (_, n) => ({ type: 'last-prompt', lastPrompt: `p${n}` }));
    const text = textOf(user('u1', 'Hi'), mode, ...others, mode);
    const { fold } = read(text);
    expect(fold.parts.size).toBe(302);
    const before = fold.changes;
    readInto(fold, source, plain, linesOf(text), [200]);
    expect(fold.changes).toBe(before);
  });

  it('[P33] a fork with the same uuids is another session with ids of its own', () => {
    const text = textOf(user('u1', 'Hi'), answer('a1', 'm1', [said('Ho'), called('c1')]), user('r1', [resulted('c1')]));
    const one = read(text).fold;
    const other = read(text, [], transcriptAt('-p/99999999-2222-4333-8444-555555555555.jsonl')).fold;
    const idsOf = (fold: SourceFold) => [fold.session!.sessionId, ...fold.messages.keys(), ...fold.parts.keys()];
    expect(idsOf(one)).toHaveLength(1 + 2 + 3);
    expect(idsOf(one).filter((id) => idsOf(other).includes(id))).toEqual([]);
  });

  it('[P33] what a branch copied is marked, and what it used is counted where it was first written', () => {
    const sessionId = '99999999-2222-4333-8444-555555555555';
    const copied = { sessionId, forkedFrom: { sessionId: parentKey, messageUuid: 'x' } };
    const text = textOf(
      user('u1', 'Hi', copied),
      answer('a1', 'm1', [said('Ho')], copied, 5),
      answer('a2', 'm1', [said('!')], copied, 50),
      answer('a3', 'm2', [said('New')], { sessionId }, 7),
      answer('a4', 'm3', [said('Own')], { sessionId, forkedFrom: { sessionId } }, 9),
    );
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts, transcriptAt(`-p/${sessionId}.jsonl`));
      expect(
        [...fold.messages.values()].map(({ usage, metadata }) => [
          (usage as { output: number } | undefined)?.output,
          (metadata as { copiedFrom?: string }).copiedFrom,
        ]),
      ).toEqual([
        [undefined, parentKey],
        [undefined, parentKey],
        [7, undefined],
        [9, undefined],
      ]);
      expect([...fold.parts.values()]).toHaveLength(5);
    }
  });

  it('[P33] a uuid that several lines share costs none of them', () => {
    const text = textOf(
      user('x', 'Hi'),
      answer('x', 'x', [said('Ho')]),
      answer('x', 'y', [called('c')]),
      answer('x', 'z', [called('c')]),
      { type: 'system', uuid: 'x', content: 's' },
    );
    for (const cuts of [[], everyLine(text)]) {
      const { fold } = read(text, cuts);
      expect(fold.messages.size).toBe(4);
      const kinds = [...fold.parts.values()].map((part) => (part.type === 'text' ? part.text : part.type));
      expect(kinds).toEqual(['Hi', 'Ho', 'tool', 'tool', 'data']);
    }
  });

  it('a rewrite that drops a message leaves what was attached to it where it is', () => {
    const lines = [user('u1', 'Hi'), answer('a1', 'm1', [said('x')]), { type: 'system', uuid: 's1' }];
    const { fold } = read(textOf(...lines));
    const before = fold.changes;
    readInto(fold, source, plain, linesOf(textOf(lines[0], lines[2])));
    expect(fold.changes).toBe(before);
  });

  it('a result that comes in a later read completes its call; one without a call is kept', () => {
    const text = textOf(
      user('u1', 'Hi'),
      answer('a1', 'm1', [called('c1')]),
      user('r1', [resulted('c1'), resulted('?')]),
    );
    const { fold, results } = read(text, [2]);
    expect(results[0]!.ops.map((op) => op.type === 'part/put' && op.params.part)).toContainEqual(
      expect.objectContaining({ type: 'tool', state: 'running' }),
    );
    const [tool, orphan] = [...fold.parts.values()].slice(1);
    expect(tool).toMatchObject({ state: 'completed', input: { command: 'c1' }, output: 'done' });
    expect(orphan).toMatchObject({ type: 'data', kind: 'claude-code/tool_result' });
  });

  it('deep nesting, numbers that JSON cannot hold and halves of characters are kept in a shape that can be stored', () => {
    const deep = `{"type":"x","v":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const text = textOf(user('u1', 'Hi'), deep, '{"type":"x","n":1e999}', '{"type":"x\\ud800","\\udc00":"\\ud83c"}');
    const { fold, results } = read(text);
    expect(results[0]!.badRecords).toBe(2);
    expect([...fold.parts.values()].slice(1)).toMatchObject([
      { kind: 'claude-code/unparsed', value: deep },
      { kind: 'claude-code/unparsed', value: '{"type":"x","n":1e999}' },
      { kind: 'claude-code/x\ufffd', value: { '\ufffd': '\ufffd' } },
    ]);
  });

  it('a file without any time gives records that do not depend on when it was written to', () => {
    const text = textOf(
      { type: 'user', message: { content: 'Hi' } },
      { type: 'assistant', message: { content: [called('c')] } },
    );
    const { fold } = read(text);
    const before = fold.changes;
    readInto(fold, source, { ...plain, mtimeMs: 9999 }, linesOf(text));
    expect(fold.changes).toBe(before);
  });
});

describe('whatever the lines, and however they are split into reads', () => {
  const name = fc.integer({ min: 0, max: 9 }).map(String);
  const block = fc.oneof(
    name.map((n) => said(`t${n}`)),
    name.map((n) => called(`c${n}`)),
    name.map((n) => ({ type: 'thinking', thinking: n })),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const line = fc.oneof(
    fc.record({ uuid: fc.uuid(), text: name }).map(({ uuid, text }) => user(uuid, `say ${text}`)),
    fc
      .record({ uuid: fc.uuid(), id: name, blocks: fc.array(block, { maxLength: 3 }), output: fc.nat(9) })
      .map((a) =>
        answer(a.uuid, `m${a.id}`, a.blocks, { message: answer(a.uuid, `m${a.id}`, a.blocks, {}, a.output).message }),
      ),
    fc.record({ uuid: fc.uuid(), ids: fc.array(name, { minLength: 1, maxLength: 2 }) }).map(({ uuid, ids }) =>
      user(
        uuid,
        ids.map((id) => resulted(`c${id}`)),
        { toolUseResult: { stdout: ids } },
      ),
    ),
    name.map((n) => ({ type: 'mode', mode: n })),
    name.map((n) => ({ type: 'ai-title', aiTitle: n })),
    fc.record({ uuid: fc.uuid() }).map(({ uuid }) => ({ type: 'system', uuid })),
    fc.json({ maxDepth: 2 }),
    fc.string(),
  );
  // Results come after their calls: one that does not is kept as it is, and joined when the file is read again.
  const calls = answer(
    'a',
    'm',
    Array.from({ length: 10 }, (_, n) => called(`c${n}`)),
  );
  const file = fc.array(line, { minLength: 1, maxLength: 40 }).map((lines) => textOf(calls, ...lines));
  const cuts = fc.array(fc.nat(40), { maxLength: 8 });

  it('the records are the same', () => {
    fc.assert(
      fc.property(file, cuts, (text, split) => {
        const whole = read(text);
        const pieces = read(text, split);
        expect(pieces.fold.list()).toEqual(whole.fold.list());
        const bad = (results: { badRecords: number }[]) => results.reduce((sum, result) => sum + result.badRecords, 0);
        expect(bad(pieces.results)).toBe(bad(whole.results));
      }),
      { numRuns: 300 },
    );
  });

  it('[P26] reading the file again, split in another way, changes nothing', () => {
    fc.assert(
      fc.property(file, cuts, cuts, (text, first, second) => {
        const { fold } = read(text, first);
        const before = fold.changes;
        readInto(fold, source, plain, linesOf(text), second);
        expect(fold.changes).toBe(before);
      }),
      { numRuns: 300 },
    );
  });

  it('the same lines, state and records give the same ops', () => {
    fc.assert(
      fc.property(file, (text) => {
        expect(read(text).ops).toEqual(read(text).ops);
      }),
    );
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

const samples = join(process.env.SESSIOND_SAMPLES ?? join(here, '../../../shared/transcripts'), 'claude-code');
describe.skipIf(!existsSync(samples))('real transcripts (skipped where there are none)', () => {
  const sampleSource = claudeCodeSource(samples);
  const files = existsSync(samples)
    ? readdirSync(samples, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.jsonl'))
    : [];

  it.each(files.sort())('%s: messages, tools, texts and lines are all there', (path) => {
    const text = readFileSync(join(samples, path), 'utf8');
    const transcript = transcriptOf(sampleSource, join(samples, path));
    const fold = new SourceFold();
    const results = readInto(fold, sampleSource, transcript, linesOf(text));
    expect(countFold(fold)).toEqual(countLines(text));
    const before = fold.changes;
    const total = linesOf(text).length;
    readInto(fold, sampleSource, transcript, linesOf(text), [total >> 2, total >> 1, total - 1]);
    // In that file 46 lines were given one uuid, so what it holds depends on where the reads end while it is read again.
    if (path !== join('agent-sessions', 'small.jsonl'))
      expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
    const pieces = new SourceFold();
    const step = Math.max(1, total >> 6);
    readInto(
      pieces,
      sampleSource,
      transcript,
      linesOf(text),
      linesOf(text).map((_, index) => index - (index % step)),
    );
    expect(pieces.list()).toEqual(fold.list());
    for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(20_000);
  });

  type Counts = { messages: number; tools: number; completed: number; texts: string[]; data: number; output: number };
  function countFold(fold: SourceFold): Counts {
    const parts = [...fold.parts.values()];
    const tools = parts.filter((part) => part.type === 'tool');
    return {
      messages: [...fold.messages.values()].filter((message) => message.role !== 'system').length,
      tools: tools.length,
      completed: tools.filter((tool) => tool.state === 'completed' || tool.state === 'error').length,
      texts: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).sort(),
      data: parts.filter((part) => part.type === 'data').length,
      output: [...fold.messages.values()].reduce((sum, { usage }) => sum + ((usage as Usage)?.output ?? 0), 0),
    };
  }
  type Usage = { output: number } | undefined;

  /** The same counts by another way: plain JSON.parse, sets of names, no reading in order. */
  function countLines(text: string): Counts {
    // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
    const lines: { at: number; raw: string; line: any }[] = [];
    for (const [at, raw] of text.split('\n').slice(0, -1).entries()) {
      if (raw.trim() === '') continue;
      try {
        lines.push({ at, raw, line: JSON.parse(raw) });
      } catch {
        lines.push({ at, raw, line: null });
      }
    }
    const messages = new Set<string>();
    const calls = new Map<string, string>();
    const results = new Set<string>();
    const data = new Set<string>();
    const texts = new Map<string, string>();
    const outputs = new Map<string, number>();
    let others = 0;
    for (const { at, line } of lines) {
      const content = line?.message?.content;
      const isMessage =
        ['user', 'assistant'].includes(line?.type) && (typeof content === 'string' || Array.isArray(content));
      if (!isMessage) {
        data.add(typeof line?.type === 'string' && line.uuid ? `line ${line.type} ${line.uuid}` : `at ${at}`);
        continue;
      }
      // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
      const blocks: any[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
      const name = line.uuid ?? `at ${at}`;
      const message = line.type === 'user' ? `u ${name}` : `a ${line.message.id ?? name}`;
      if (line.type === 'assistant' || blocks.length === 0 || blocks.some((b) => b?.type !== 'tool_result'))
        messages.add(message);
      if (line.type === 'assistant' && line.message.usage)
        outputs.set(message, Math.max(outputs.get(message) ?? 0, line.message.usage.output_tokens ?? 0));
      for (const [index, block] of blocks.entries()) {
        const spot = `${message} ${name} ${index}`;
        texts.delete(spot);
        if (block?.type === 'tool_use') {
          if (block.id && (calls.get(block.id) ?? message) === message) calls.set(block.id, message);
          else others += 1;
        } else if (block?.type === 'tool_result') results.add(block.tool_use_id);
        else if (block?.type === 'text') texts.set(spot, block.text);
        else if (!['thinking', 'image', 'document'].includes(block?.type)) data.add(`block ${spot}`);
      }
      if (line.toolUseResult && typeof line.toolUseResult === 'object') data.add(`result ${name}`);
    }
    return {
      messages: messages.size,
      tools: calls.size + others,
      completed: [...calls.keys()].filter((id) => results.has(id)).length,
      texts: [...texts.values()].sort(),
      data: data.size + [...results].filter((id) => !calls.has(id)).length,
      output: [...outputs.values()].reduce((sum, output) => sum + output, 0),
    };
  }
});
