import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivedSessionId } from '../../daemon/adapters/ids.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import type { Part, Usage } from '../../protocol/schema.ts';
import { lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { samples } from '../support/samples.ts';

const home = '/home/dev/.codex';
const source = codexSource(home);
const thread = '019d0001-2222-7333-8444-555555555551';
const inDay = (name: string) => `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${name}`;
const plain = transcriptOf(source, join(home, inDay(`${thread}.jsonl`)));

const here = dirname(fileURLToPath(import.meta.url));
const fixture = (name: string) => readFileSync(join(here, `../fixtures/codex/${name}/input.jsonl`), 'utf8');
const textOf = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

function read(text: string, cuts: number[] = [], fold = new SourceFold()) {
  const results = readInto(fold, source, plain, linesOf(text), cuts);
  const messages = fold
    .list()
    .messages.map(({ message, parts }): Shown => ({ ...message, parts: parts.filter(isShown) }));
  return { fold, results, messages };
}
type Shown = { [name: string]: unknown; parts: Part[] };
const isShown = (part: { type: string }) => part.type !== 'data';
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

let clock = 0;
const line = (type: string, payload: object) => {
  clock += 1000;
  return { timestamp: new Date(Date.UTC(2026, 2, 4) + clock).toISOString(), type, payload };
};
const event = (type: string, more: object = {}) => line('event_msg', { type, ...more });
const item = (type: string, more: object = {}) => line('response_item', { type, ...more });
const user = (...texts: string[]) =>
  item('message', { role: 'user', content: texts.map((text) => ({ type: 'input_text', text })) });
const said = (text: string) => item('message', { role: 'assistant', content: [{ type: 'output_text', text }] });
const called = (id: string, name = 'shell') =>
  item('function_call', { name, arguments: `{"command":["${id}"]}`, call_id: id });
const gave = (id: string, output: unknown = 'done') => item('function_call_output', { call_id: id, output });
const tokens = (input: number, output = 0) => ({
  input_tokens: input,
  cached_input_tokens: 0,
  output_tokens: output,
  reasoning_output_tokens: 0,
  total_tokens: input + output,
});
const counted = (last: object, total: object) =>
  event('token_count', { info: { last_token_usage: last, total_token_usage: total } });
const started = (turn: string) => event('task_started', { turn_id: turn });
const completed = (turn: string) => event('task_complete', { turn_id: turn });

describe('identify', () => {
  const lines = { reading: 'lines', sessionKey: thread };
  it.each([
    [inDay(`${thread}.jsonl`), lines],
    [inDay(`${thread.toUpperCase()}.jsonl`), lines],
    [inDay(`${thread}.jsonl.zst`), { ...lines, compressed: 'zstd' }],
    [`archived_sessions/rollout-2026-03-04T10-00-00-${thread}.jsonl`, lines],
    [`archived_sessions/2026/rollout-2026-03-04T10-00-00-${thread}.jsonl.zst`, { ...lines, compressed: 'zstd' }],
    [`sessions/rollout-${thread}.jsonl`, lines],
    [inDay(`${thread}.json`), undefined],
    [inDay(`${thread}.jsonl.zst.tmp`), undefined],
    [inDay('note.jsonl'), undefined],
    [`sessions/2026/${thread}.jsonl`, undefined],
    [`rollout-2026-03-04T10-00-00-${thread}.jsonl`, undefined],
    [`log/rollout-2026-03-04T10-00-00-${thread}.jsonl`, undefined],
    [`../sessions/rollout-2026-03-04T10-00-00-${thread}.jsonl`, undefined],
    ['history.jsonl', undefined],
    ['', undefined],
  ])('%s', (path, place) => {
    expect(source.identify(join(home, path))).toEqual(place);
  });

  it('enters its own folder, sessions and archived_sessions, and nothing else', () => {
    const folders = ['', 'sessions', 'sessions/2026/03', 'archived_sessions', 'log', 'worktrees/a/sessions', '..'];
    expect(folders.filter((folder) => source.enters(join(home, folder)))).toEqual(folders.slice(0, 4));
  });
});

lineSourceContract({
  source,
  pathOf: (_, session) => inDay(`${thread.slice(0, -1)}${session}.jsonl`),
});

describe('the session', () => {
  it('of a fork or a subagent has its parent; what its parent says of itself is not taken for its own', () => {
    const { session } = read(fixture('fork')).fold;
    expect(session).toMatchObject({
      parentId: derivedSessionId('codex', '019d0000-2222-7333-8444-555555555550'),
      directory: '/home/dev/tea',
      origin: { source: 'codex', externalId: thread },
    });
    expect(session?.metadata).toMatchObject({ cliVersion: '0.150.0', originator: 'codex_cli_rs', agentRole: 'worker' });
    expect(session?.metadata).not.toHaveProperty('gitBranch');
  });

  it('of a subagent of before parent_thread_id is found in its source', () => {
    const spawn = { subagent: { thread_spawn: { parent_thread_id: 'ABC' } } };
    const { session } = read(textOf(line('session_meta', { id: thread, source: spawn }), user('go'))).fold;
    expect(session?.parentId).toBe(derivedSessionId('codex', 'abc'));
  });

  it('is titled by the words of a person, not by what Codex or an editor put before them', () => {
    const wrapped = [
      '# AGENTS.md instructions for /home/dev\n\n<INSTRUCTIONS>x</INSTRUCTIONS>',
      '<environment_context>x</environment_context>',
      '<user_instructions>x</user_instructions>',
      '<turn_aborted>x</turn_aborted>',
    ];
    const { fold, messages } = read(
      textOf(...wrapped.map((text) => user(text)), user(...wrapped), user('<div> is wide')),
    );
    expect(fold.session?.title).toBe('<div> is wide');
    expect(messages).toHaveLength(1);
    expect(read(fixture('old')).fold.session?.title).toBe('Count the cups');
  });

  it('is titled by the event of a prompt, should context in the user’s name not be known as such', () => {
    const { fold } = read(textOf(user('Unknown context'), user('Steep'), event('user_message', { message: 'Steep' })));
    expect(fold.session?.title).toBe('Steep');
  });

  it('follows the name that the thread is given, and the model of its turns', () => {
    const { session } = read(fixture('turn')).fold;
    expect(session).toMatchObject({ title: 'Blue pot', model: { providerId: 'openai', modelId: 'gpt-tea-2' } });
    const models = read(fixture('turn')).messages.map((message) => message.model);
    expect(models).toContainEqual({ providerId: 'openai', modelId: 'gpt-tea-1', variant: 'high' });
  });
});

describe('messages', () => {
  it('of the assistant are one a turn, up to what the user says while it works', () => {
    const { messages } = read(fixture('turn'));
    expect(messages.map(({ role, parts }) => [role, ...parts.map((part) => part.type)])).toEqual([
      ['user', 'text'],
      ['assistant', 'reasoning', 'text', 'tool', 'tool', 'tool', 'tool', 'patch'],
      ['user', 'text', 'file'],
      ['assistant', 'text'],
      ['user', 'text'],
      ['assistant'],
    ]);
  });

  it('are not doubled by the events that say the same, in either history mode', () => {
    for (const name of ['old', 'paginated', 'legacy', 'migrated']) {
      const { messages } = read(fixture(name));
      const texts = messages.flatMap(({ role, parts }) =>
        parts.flatMap((part) => (part.type === 'text' ? [`${role} ${part.text}`] : [])),
      );
      const items = [...fixture(name).matchAll(/"type":"(?:input|output)_text","text":/g)];
      expect(texts.length, name).toBeGreaterThan(0);
      expect(texts.length, name).toBeLessThanOrEqual(items.length);
    }
    expect(read(fixture('old')).messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
  });

  it('tell what went wrong in their turn: an error, or that it was interrupted', () => {
    expect(read(fixture('turn')).messages.at(-1)).toMatchObject({
      role: 'assistant',
      error: { kind: 'Error', message: 'You have reached your limit of tea.', reason: 'usage_limit_exceeded' },
    });
    expect(read(fixture('paginated')).messages.at(-1)).toMatchObject({
      role: 'assistant',
      error: { kind: 'TurnAborted', message: 'interrupted' },
    });
  });

  it('[P26] the same item twice is one, also without an id; a prompt typed again is another', () => {
    const lines = [started('t'), user('ok'), said('Hi'), called('c'), gave('c')];
    const once = read(textOf(...lines));
    expect(read(textOf(...lines.flatMap((each, at) => (at === 0 ? [each] : [each, each])))).messages).toEqual(
      once.messages,
    );
    const again = [completed('t'), started('t2'), user('ok'), said('Hi')];
    expect(read(textOf(...lines, ...again)).messages).toHaveLength(4);
  });
});

describe('usage', () => {
  const sums = (fold: SourceFold) =>
    [...fold.messages.values()].flatMap(({ usage }) => (usage ? [(usage as Usage).input] : []));

  it('of a turn grows with each response; a total that was told already is not counted again', () => {
    const text = textOf(
      started('t'),
      user('Hi'),
      called('c'),
      counted(tokens(10), tokens(10)),
      gave('c'),
      counted(tokens(10), tokens(10)),
      said('Ho'),
      counted(tokens(10), tokens(20)),
      counted(tokens(10), tokens(20)),
    );
    expect(sums(read(text).fold)).toEqual([20]);
    expect(sums(read(text, everyLine(text)).fold)).toEqual([20]);
  });

  it('is that of the turn it comes in, before or behind the items that it is for', () => {
    const behind = textOf(
      user('Hi'),
      said('Ho'),
      counted(tokens(1), tokens(1)),
      user('Hi?'),
      said('Ho!'),
      counted(tokens(2), tokens(3)),
    );
    const before = textOf(
      user('Hi'),
      counted(tokens(1), tokens(1)),
      said('Ho'),
      user('Hi?'),
      counted(tokens(2), tokens(3)),
      said('Ho!'),
    );
    expect(sums(read(behind).fold)).toEqual([1, 2]);
    expect(sums(read(before).fold)).toEqual([1, 2]);
  });

  it('what comes behind words that the user said meanwhile is of the answer before them', () => {
    const text = textOf(started('t'), user('Hi'), called('c'), user('Stop'), counted(tokens(7), tokens(7)), said('Ok'));
    expect(read(text).messages.map(({ usage }) => (usage as Usage)?.input)).toEqual([
      undefined,
      7,
      undefined,
      undefined,
    ]);
  });

  it('begins anew after a total that is that of one request; an older total that comes late is not counted', () => {
    const anew = textOf(user('Hi'), counted(tokens(10), tokens(10)), counted(tokens(4), tokens(4)));
    expect(sums(read(anew).fold)).toEqual([14]);
    const totals = [10, 15, 20, 15, 20].map((total) => counted(tokens(total === 10 ? 10 : 5), tokens(total)));
    expect(sums(read(textOf(user('Hi'), ...totals)).fold)).toEqual([20]);
  });

  it('has what was cached beside the input, and counts a record of another thread not at all', () => {
    const usage = {
      input_tokens: 100,
      cached_input_tokens: 60,
      cache_write_input_tokens: 30,
      output_tokens: 5,
      reasoning_output_tokens: 2,
    };
    const record = (thread_id: string) => line('token_usage_record', { thread_id, usage, thread_token_usage: usage });
    const { messages } = read(textOf(user('Hi'), record('other'), record(thread)));
    expect(messages[1]?.usage).toEqual({ input: 10, output: 5, reasoning: 2, cacheRead: 60, cacheWrite: 30 });
    expect(messages).toHaveLength(2);
  });
});

describe('tools', () => {
  const toolOf = (...lines: unknown[]) => read(textOf(user('Hi'), called('c'), ...lines)).messages[1]?.parts[0];

  it.each([
    ['Exit code: 1\nWall time: 0.2 seconds\nOutput:\nno', 'error'],
    ['Exit code: 0\nWall time: 0.2 seconds\nOutput:\nExit code: 1', 'completed'],
    ['Chunk ID: 1a\nWall time: 0.1 seconds\nProcess exited with code 127\nOutput:\n', 'error'],
    ['Chunk ID: 1a\nWall time: 0.1 seconds\nProcess running with session ID 7\nOutput:\n', 'completed'],
    ['{"output":"no","metadata":{"exit_code":2,"duration_seconds":0.1}}', 'error'],
    ['{"output":"no"}', 'completed'],
    ['Process exited with code 0', 'completed'],
  ])('%j ends them as %s', (output, state) => {
    expect(toolOf(gave('c', output))).toMatchObject({ state });
  });

  it.each([
    event('exec_command_end', { call_id: 'c', exit_code: 1 }),
    event('patch_apply_end', { call_id: 'c', success: false, changes: {} }),
    event('mcp_tool_call_end', { call_id: 'c', result: { Err: 'gone' } }),
    event('mcp_tool_call_end', { call_id: 'c', result: { Ok: { content: [], isError: true } } }),
    event('item_completed', { item: { type: 'CommandExecution', id: 'c', exit_code: 1 } }),
    event('item_completed', { item: { type: 'FileChange', id: 'c', status: 'declined' } }),
  ])('%j says that they failed', (end) => {
    expect(toolOf(end, gave('c'))).toMatchObject({ state: 'error', output: 'done' });
  });

  it('take their times from the event of their end', () => {
    const item = { type: 'CommandExecution', id: 'c', exit_code: 0, duration: { secs: 1, nanos: 5e8 } };
    expect(toolOf(event('item_completed', { item, completed_at_ms: 5000 }), gave('c'))).toMatchObject({
      startedAt: 3500,
      endedAt: 5000,
    });
    expect(
      toolOf(event('item_completed', { item, started_at_ms: 1000, completed_at_ms: 5000 }), gave('c')),
    ).toMatchObject({ state: 'completed', startedAt: 1000, endedAt: 5000 });
  });

  it('run until their output comes, in a later read too; an output without a call is kept', () => {
    const text = textOf(
      user('Hi'),
      called('c'),
      event('exec_command_end', { call_id: 'c', exit_code: 1 }),
      gave('c'),
      gave('?'),
    );
    const { fold, results } = read(text, [2, 3]);
    expect(results[0]?.ops.at(-1)?.params).toMatchObject({ part: { type: 'tool', state: 'running' } });
    expect(fold.list()).toEqual(read(text).fold.list());
    const [tool, , orphan] = [...fold.parts.values()].slice(1);
    expect(tool).toMatchObject({ state: 'error', input: { command: ['c'] }, output: 'done' });
    expect(orphan).toMatchObject({ kind: 'codex/function_call_output' });
  });

  it('[P33] that share an id are told apart by their order: each has its own output', () => {
    const text = textOf(
      user('Hi'),
      ...[called('c'), gave('c', 'one'), called('c'), gave('c', 'two'), gave('c', 'three')],
      ...[user('Ho'), called('c', 'apply_patch'), gave('c', 'four')],
    );
    const { fold, messages } = read(text, [2, 4]);
    expect(messages[1]?.parts).toMatchObject([
      { callId: 'c', output: 'one' },
      { callId: 'c#2', output: 'two' },
    ]);
    expect(messages[3]?.parts).toMatchObject([{ callId: 'c#3', tool: 'apply_patch', output: 'four' }]);
    const before = fold.changes;
    read(text, [1, 3, 5, 7], fold);
    expect(fold.changes).toBe(before);
  });
});

describe('a command that the person ran', () => {
  const ran = (command: string, result: string) =>
    `<user_shell_command>\n<command>\n${command}\n</command>\n<result>\n${result}\n</result>\n</user_shell_command>`;

  it('is a tool of theirs, with its exit code, and begins an answer of its own', () => {
    const text = textOf(
      user('Hi'),
      said('Ho'),
      user(ran('ls -l\ncat </result>', 'Exit code: 0\nDuration: 0.0250 seconds\nOutput:\ntea\n')),
      user(ran('false', 'Exit code: 1\nDuration: 1 seconds\nOutput:\n')),
      said('I see.'),
    );
    for (const cuts of [[], everyLine(text)]) {
      const { fold, messages } = read(text, cuts);
      expect(fold.session?.title).toBe('Hi');
      expect(messages.map(({ role, parts }) => [role, parts.length])).toEqual([
        ['user', 1],
        ['assistant', 1],
        ['user', 1],
        ['user', 1],
        ['assistant', 1],
      ]);
      expect(messages.slice(2, 4).flatMap(({ parts }) => parts)).toMatchObject([
        {
          type: 'tool',
          tool: 'shell',
          state: 'completed',
          input: { command: 'ls -l\ncat </result>' },
          output: 'tea\n',
        },
        { type: 'tool', tool: 'shell', state: 'error', input: { command: 'false' }, output: '' },
      ]);
      const { changes } = fold;
      readInto(fold, source, plain, linesOf(text), [2]);
      expect(fold.changes).toBe(changes);
    }
  });

  it('that does not say how it ended is kept as it is', () => {
    const { fold, messages } = read(textOf(user('Hi'), user(ran('ls', 'tea')), user(ran('ls', 'Exit code: 0'))));
    expect(messages).toHaveLength(1);
    expect([...fold.parts.values()].filter(({ type }) => type === 'data')).toHaveLength(2);
  });
});

describe('a migration from legacy to paginated history', () => {
  const shownOf = ({ fold }: { fold: SourceFold }) =>
    fold.list().messages.map(({ message, parts }) => ({ message, parts: parts.filter(isShown) }));

  it.each([
    ['legacy', 'migrated'],
    ['migrated', 'legacy'],
  ])('%s, then %s makes no second copy of a message, text or tool', (first, second) => {
    for (const cuts of [[], [5, 9, 20, 31]]) {
      const once = read(fixture(first));
      const shown = shownOf(once);
      const data = once.fold.parts.size;
      expect(shown).toHaveLength(10);
      const again = read(fixture(second), cuts, once.fold);
      expect(shownOf(again)).toEqual(shown);
      // What a migration adds of its own: the begins and ends of the turns that had no name.
      expect(once.fold.parts.size - data).toBe(second === 'migrated' ? 3 : 0);
    }
  });

  it('gives the same messages as either file alone', () => {
    expect(shownOf(read(fixture('migrated')))).toEqual(shownOf(read(fixture('legacy'))));
  });

  it('reading an archived or compressed copy again changes nothing', () => {
    const { fold } = read(fixture('migrated'));
    const before = fold.changes;
    const copy = transcriptOf(source, join(home, `archived_sessions/rollout-x-${thread}.jsonl.zst`), 9999);
    readInto(fold, source, copy, linesOf(fixture('migrated')), [3, 8]);
    expect(fold.changes).toBe(before);
  });
});

it('what is remembered between reads stays small', () => {
  const many = Array.from({ length: 2000 }, (_, n) => [
    started(`t${n}`),
    user(`prompt ${n} ${'x'.repeat(1000)}`),
    called(`c${n}`),
    event('exec_command_end', { call_id: `c${n}`, exit_code: 0 }),
    gave(`c${n}`),
    counted(tokens(1), tokens(n + 1)),
    event('error', { message: 'y'.repeat(10_000) }),
    completed(`t${n}`),
  ]).flat();
  const { results, fold } = read(textOf(...many));
  expect(fold.messages.size).toBe(4000);
  expect(JSON.stringify(results.at(-1)?.state).length).toBeLessThan(80_000);
});

describe('whatever the lines, and however they are split into reads', () => {
  const n = fc.integer({ min: 0, max: 4 });
  const id = n.map((each) => `c${each}`);
  // Their calls come first: an output before its call is kept as it is, and joined when the file is read again.
  const calls = textOf(user('Hi'), ...Array.from({ length: 5 }, (_, each) => called(`c${each}`)));
  const one = fc.oneof(
    n.map((each) => started(`t${each}`)),
    n.map((each) => completed(`t${each}`)),
    fc.constant('').map(() => event('turn_aborted', { reason: 'interrupted' })),
    n.map((each) => user(`prompt ${each}`)),
    n.map((each) => said(`text ${each}`)),
    n.map((each) => item('reasoning', { summary: [{ type: 'summary_text', text: `thought ${each}` }] })),
    id.map((each) => called(each)),
    fc.tuple(id, n).map(([each, code]) => event('exec_command_end', { call_id: each, exit_code: code })),
    fc.tuple(id, n).map(([each, code]) => gave(each, `Exit code: ${code}\nOutput:\n`)),
    fc.tuple(n, n).map(([last, total]) => counted(tokens(last), tokens(total * 10))),
    n.map((each) => event('error', { message: `error ${each}` })),
    n.map((each) => line('turn_context', { turn_id: `t${each}`, model: `m${each}` })),
    n.map((each) => event('thread_name_updated', { thread_name: `name ${each}` })),
  );
  const file = fc.array(one, { maxLength: 40 }).map((lines) => calls + textOf(...lines));
  const cuts = fc.array(fc.nat(46), { maxLength: 8 });

  it('the records are the same', () => {
    fc.assert(
      fc.property(file, cuts, (text, split) => {
        expect(read(text, split).fold.list()).toEqual(read(text).fold.list());
      }),
      { numRuns: 300 },
    );
  });

  it('[P26] reading the file again, split in another way, changes nothing', () => {
    fc.assert(
      fc.property(file, cuts, cuts, (text, first, second) => {
        const { fold } = read(text, first);
        const before = fold.changes;
        read(text, second, fold);
        expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

const folder = samples && join(samples, 'codex');
describe.skipIf(!folder || !existsSync(folder))('real transcripts (needs ../shared/transcripts)', () => {
  const files = folder
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.jsonl'))
    : [];

  it.each(files.sort())('%s: messages, tools, texts and usage are those of its lines', (path) => {
    const text = readFileSync(join(folder!, path), 'utf8');
    const lines = linesOf(text);
    const id = /[0-9a-f-]{36}(?=\.jsonl$)/.exec(path)?.[0] ?? thread;
    const transcript = transcriptOf(source, join(home, inDay(`${id}.jsonl`)));
    const fold = new SourceFold();
    const results = readInto(fold, source, transcript, lines);
    expect(results.every((result) => result.badRecords === 0)).toBe(true);
    const [held, counted] = [countFold(fold), countLines(text)];
    // In that file one word stands for every value, for ids and names too: which is whose cannot be told.
    const isTrimmed = path === join('agent-sessions', 'small.jsonl');
    if (isTrimmed)
      for (const each of [held, counted]) Object.assign(each, { answers: 0, usage: [], tools: each.tools.length });
    expect(held).toEqual(counted);
    for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(60_000);

    const once = fold.list();
    const before = fold.changes;
    const total = lines.length;
    readInto(fold, source, transcript, lines, [total >> 2, total >> 1, total - 1]);
    if (!isTrimmed) expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
    const step = Math.max(1, total >> 6);
    const pieces = new SourceFold();
    const cuts = lines.map((_, index) => index - (index % step));
    readInto(pieces, source, transcript, lines, cuts);
    expect(pieces.list()).toEqual(once);
  });

  type Counts = {
    prompts: string[];
    texts: string[];
    reasoning: string[];
    answers: number;
    tools: string[];
    usage: number[];
  };

  function countFold(fold: SourceFold): Counts {
    const { messages } = fold.list();
    const textsOf = (role: string, type: string) =>
      messages
        .filter(({ message }) => message.role === role)
        .flatMap(({ parts }) => parts.flatMap((part) => (part.type === type && 'text' in part ? [part.text] : [])));
    const usages = messages.flatMap(({ message }) => (message.usage ? [message.usage as Usage] : []));
    const sum = (of: (usage: Usage) => number) => usages.reduce((all, usage) => all + of(usage), 0);
    return {
      prompts: textsOf('user', 'text'),
      texts: textsOf('assistant', 'text'),
      reasoning: textsOf('assistant', 'reasoning'),
      answers: messages.filter(({ message }) => message.role === 'assistant').length,
      tools: [...fold.parts.values()]
        .flatMap((part) => {
          if (part.type !== 'tool') return [];
          const id = /^\w+_call:/.test(part.callId) ? '' : part.callId;
          return [`${id} ${part.tool} ${part.state === 'running' ? 'runs' : 'ended'}`];
        })
        .sort(),
      usage: [
        sum((u) => u.input + u.cacheRead + u.cacheWrite),
        sum((u) => u.cacheRead),
        sum((u) => u.output),
        sum((u) => u.reasoning),
      ],
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
  type Any = any;

  /** The same by another way: plain JSON.parse, whole lists, and the last total that the file tells. */
  function countLines(text: string): Counts {
    const lines: Any[] = text
      .split('\n')
      .filter(Boolean)
      .map((each) => JSON.parse(each));
    const counts: Counts = { prompts: [], texts: [], reasoning: [], answers: 0, tools: [], usage: [0, 0, 0, 0] };
    const ended = new Set(
      lines.filter((each) => /_output$/.test(each.payload?.type)).map((each) => each.payload.call_id),
    );
    const times = new Map<string, number>();
    let answered = false;
    let total = '';
    for (const { type, payload } of lines) {
      const kind = payload.type ?? 'message';
      const texts: string[] = (payload.content ?? [])
        .flatMap((each: Any) => each.text ?? [])
        .filter((each: string) => !/^<\/?image/.test(each));
      let answers = false;
      if (type === 'response_item' && kind === 'message' && payload.role === 'user') {
        if (/^<(environment_context|turn_aborted)>/.test(texts[0]!)) continue;
        counts.prompts.push(...texts);
        answered = false;
      } else if (type === 'response_item' && kind === 'message' && payload.role === 'assistant') {
        counts.texts.push(...texts);
        answers = true;
      } else if (type === 'response_item' && kind === 'reasoning' && payload.summary.length > 0) {
        counts.reasoning.push(payload.summary.map((each: Any) => each.text).join('\n\n'));
        answers = true;
      } else if (
        type === 'response_item' &&
        /^(custom_tool|function|web_search|tool_search|image_generation)_call$/.test(kind)
      ) {
        const name = payload.name ? `${payload.namespace ?? ''}${payload.name}` : kind.replace('_call', '');
        const given = payload.call_id ?? payload.id;
        const n = given === undefined ? 0 : (times.get(given) ?? 0) + 1;
        if (given !== undefined) times.set(given, n);
        const id = n > 1 ? `${given}#${n}` : (given ?? '');
        const ends = ended.has(payload.call_id) || /^(web_search|image_generation)/.test(kind);
        counts.tools.push(`${id} ${name} ${ends ? 'ended' : 'runs'}`);
        answers = true;
      } else if (kind === 'token_count' && payload.info?.total_token_usage) {
        const t = payload.info.total_token_usage;
        counts.usage = [t.input_tokens, t.cached_input_tokens, t.output_tokens, t.reasoning_output_tokens];
        answers = JSON.stringify(t) !== total;
        total = JSON.stringify(t);
      } else if (kind === 'error' || kind === 'turn_aborted') answers = true;
      if (answers && !answered) counts.answers += 1;
      answered ||= answers;
    }
    return { ...counts, tools: counts.tools.sort() };
  }
});

it.each([
  ['apply_patch verification failed: no such line', 'error'],
  ['exec_command failed: CreateProcess', 'error'],
  ['approval policy is Never; reject command', 'error'],
  ['2 tests failed: see above', 'completed'],
])('a call that Codex itself refused or could not run has failed: %s', (output, state) => {
  const text = textOf(
    line('response_item', { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Tea' }] }),
    line('response_item', { type: 'function_call', name: 'exec_command', arguments: '{}', call_id: 'c' }),
    line('response_item', { type: 'function_call_output', call_id: 'c', output }),
  );
  const tools = read(text).messages.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool'));
  expect(tools).toMatchObject([{ state }]);
});
