import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copilotSource } from '../../daemon/adapters/sources/copilot.ts';
import { lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { samples } from '../support/samples.ts';

const home = '/home/dev/.copilot';
const source = copilotSource(home);
const key = '22222222-2222-4333-8444-555555555555';
const keyOf = (session: number) => key.replace('2222', `222${session}`);
const plain = transcriptOf(source, join(home, `session-state/${key}/events.jsonl`));
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

function read(text: string, cuts: number[] = []) {
  const fold = new SourceFold();
  const results = readInto(fold, source, plain, linesOf(text), cuts);
  return { fold, results };
}
const textOf = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const event = (type: string, id: string, data: object) => ({ type, data, id, timestamp: '2026-05-06T10:00:00Z' });
const user = (id: string, content: string, more: object = {}) => event('user.message', id, { content, ...more });
const answer = (id: string, content: string, more: object = {}) =>
  event('assistant.message', id, { content, toolRequests: [], ...more });
const asked = (...ids: string[]) => ({ toolRequests: ids.map((toolCallId) => ({ toolCallId, name: 'bash' })) });
const usage = (apiCallId: string, outputTokens: number) =>
  event('session.usage_record', `usage-${apiCallId}`, { usage: { apiCallId, inputTokens: 10, outputTokens } });

describe('identify', () => {
  it.each([
    ['session-state/abc/events.jsonl', 'abc'],
    ['session-state/abc.jsonl', 'abc'],
    ['session-state/abc/workspace.yaml', undefined],
    ['session-state/abc/files/events.jsonl', undefined],
    ['session-state/events.jsonl/x', undefined],
    ['events.jsonl', undefined],
    ['history-session-state/abc.jsonl', undefined],
    ['../.copilot2/session-state/abc.jsonl', undefined],
  ])('%s is the transcript of %s', (path, sessionKey) => {
    const place = source.identify(join(home, path));
    expect(place).toEqual(sessionKey === undefined ? undefined : { reading: 'lines', sessionKey });
  });

  it('enters no folder that holds no sessions', () => {
    const folders = ['', 'session-state', 'session-state/abc', 'logs', 'session-state/abc/checkpoints', '..'];
    const entered = folders.filter((folder) => source.enters(join(home, folder)));
    expect(entered).toEqual(['', 'session-state', 'session-state/abc']);
  });
});

lineSourceContract({
  source,
  pathOf: (name, session) =>
    name === 'older' ? `session-state/${keyOf(session)}.jsonl` : `session-state/${keyOf(session)}/events.jsonl`,
});

describe('an answer', () => {
  it('has the usage of the record with its own call, also when others come between, in whatever reads', () => {
    const text = textOf(
      user('u', 'Hi'),
      usage('1', 1),
      usage('2', 2),
      answer('b', 'Two', { apiCallId: '2', outputTokens: 99 }),
      answer('a', 'One', { apiCallId: '1' }),
      answer('c', 'None', { apiCallId: '3' }),
    );
    for (const cuts of [[], everyLine(text)]) {
      const messages = [...read(text, cuts).fold.messages.values()].slice(1);
      expect(messages).toMatchObject([{ usage: { output: 2 } }, { usage: { output: 1 } }, {}]);
      expect(messages[2]).not.toHaveProperty('usage');
    }
  });

  it('is of the model that was chosen last, where it names none; that of a helper does not change the session', () => {
    const chosen = (newModel: string) => event('session.model_change', newModel, { newModel });
    const helped = { model: 'm-3', parentToolCallId: 't' };
    const text = textOf(chosen('m-1'), user('u', 'Hi'), chosen('m-2'), answer('a', 'Ho'), answer('b', 'Hm', helped));
    const { fold, results } = read(text);
    expect(results[0]!.ops[0]!.params).toMatchObject({ model: { providerId: 'github-copilot', modelId: 'm-1' } });
    expect(fold.session?.model).toMatchObject({ modelId: 'm-2' });
    expect([...fold.messages.values()].slice(1)).toMatchObject([
      { model: { modelId: 'm-2' } },
      { model: { modelId: 'm-3' }, metadata: { parentToolCallId: 't' } },
    ]);
  });
});

describe('what has no place of its own', () => {
  it('is in the metadata when it is small, else beside the message, whatever it is called', () => {
    const long = 'x'.repeat(300);
    const text = `{"type":"user.message","id":"u","data":{"content":"Hi","mood":"calm","__proto__":"${long}"}}\n`;
    const { fold } = read(text);
    expect([...fold.messages.values()]).toMatchObject([{ metadata: { id: 'u', mood: 'calm' } }]);
    const part = [...fold.parts.values()].find(({ type }) => type === 'data');
    expect(JSON.stringify(part)).toContain(`"value":{"__proto__":"${long}"}`);
  });
});

describe('a tool', () => {
  const start = event('tool.execution_start', 's', { toolCallId: 't', toolName: 'bash', arguments: 1 });
  const done = event('tool.execution_complete', 'c', { toolCallId: 't', success: true, result: { content: 'ok' } });
  const toolsOf = (fold: SourceFold) => [...fold.parts.values()].filter((part) => part.type === 'tool');

  it('is one, whether its start or the answer that asks for it comes first, in whatever reads', () => {
    for (const lines of [
      [user('u', 'Hi'), answer('a', '', asked('t')), start, done],
      [user('u', 'Hi'), start, answer('a', '', asked('t')), done],
      [start, user('u', 'Hi'), answer('a', '', asked('t')), done],
      [user('u', 'Hi'), start, done],
      [done, user('u', 'Hi'), answer('a', '', asked('t')), start, done],
    ]) {
      const text = textOf(...lines);
      for (const cuts of [[], everyLine(text)]) {
        const { fold } = read(text, cuts);
        expect(toolsOf(fold)).toMatchObject([{ callId: 't', tool: 'bash', state: 'completed', output: 'ok' }]);
        const before = fold.changes;
        readInto(fold, source, plain, linesOf(text), [1, 3]);
        expect(fold.changes).toBe(before);
      }
    }
  });

  it('whose start is lost is there with its result, and stays so when an answer asks for it later', () => {
    const text = textOf(user('u', 'Hi'), done, answer('a', '', asked('t')));
    const { fold } = read(text);
    expect(toolsOf(fold)).toMatchObject([{ tool: '', state: 'completed', output: 'ok' }]);
    const before = fold.changes;
    for (const cuts of [[], everyLine(text)]) readInto(fold, source, plain, linesOf(text), cuts);
    expect(fold.changes).toBe(before);
  });

  it.each([
    [{ shellExecution: { exitCode: 0 } }, 'completed'],
    [{ shellExecution: { exitCode: 2 } }, 'error'],
    [{ shellExecution: { exitCode: null } }, 'completed'],
    [{ result: { content: 'no\n<exited with exit code 2>' } }, 'completed'],
    [{ success: false }, 'error'],
  ])('whose completion says %j ends as %s: what only its words say is not guessed', (more, state) => {
    const data = { toolCallId: 't', success: true, result: { content: 'no' }, ...more };
    const text = textOf(user('u', 'Hi'), answer('a', '', asked('t')), event('tool.execution_complete', 'c', data));
    expect(toolsOf(read(text).fold)).toMatchObject([{ state }]);
  });

  it('is running until its completion is there', () => {
    const text = textOf(user('u', 'Hi'), answer('a', '', asked('t')), start);
    expect(toolsOf(read(text).fold)).toMatchObject([{ state: 'running' }]);
  });
});

describe('the title', () => {
  it('is what the person typed first, not what a skill, a helper or Copilot itself said', () => {
    const text = textOf(
      user('a', 'Read this skill', { source: 'skill-tea' }),
      user('b', 'Go on', { isAutopilotContinuation: true }),
      user('c', 'Taste', { parentToolCallId: 't' }),
      user('d', '  '),
      user('e', 'Make tea', { transformedContent: '<now/>Make tea' }),
      user('f', 'More'),
    );
    expect(read(text).fold.session?.title).toBe('Make tea');
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

const folder = samples && join(samples, 'copilot');
const files = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.jsonl'))
  : [];

describe.skipIf(!folder)('real transcripts (needs ../shared/transcripts)', () => {
  it.each(files.sort())('%s: messages, tools, texts and records are all there', (path) => {
    const text = readFileSync(join(folder!, path), 'utf8');
    const { fold, results } = read(text);
    const counted = countLines(text);
    expect(countFold(fold)).toEqual(counted);
    expect(counted.texts.length).toBeGreaterThan(0);
    const before = fold.changes;
    const total = linesOf(text).length;
    readInto(fold, source, plain, linesOf(text), [total >> 2, total >> 1, total - 1]);
    expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
    expect(read(text, everyLine(text)).fold.list()).toEqual(fold.list());
    expect(results.every(({ badRecords }) => badRecords === 0)).toBe(true);
  });

  it('the tokens of the messages are those that Copilot itself sums up at the end', () => {
    const path = files.find((file) => file.includes('generated'))!;
    const text = readFileSync(join(folder!, path), 'utf8');
    const end = JSON.parse(text.trimEnd().split('\n').at(-1)!);
    const { usage: total } = end.data.modelMetrics.mock;
    const messages = [...read(text).fold.messages.values()] as { usage?: Counted }[];
    const sum = (of: (usage: Counted) => number) => messages.reduce((n, { usage }) => n + (usage ? of(usage) : 0), 0);
    expect(sum((usage) => usage.input + usage.cacheRead + usage.cacheWrite)).toBe(total.inputTokens);
    expect(sum((usage) => usage.output)).toBe(total.outputTokens);
    expect(total.inputTokens).toBeGreaterThan(0);
  });

  it('a session of a version without usage records has its output tokens, as Copilot itself sums them up', () => {
    const text = readFileSync(join(folder!, 'vibecodingtracker/copilot.jsonl'), 'utf8');
    const { fold } = read(text);
    expect(fold.session).toMatchObject({
      directory: '/home/wei/repo/VibeCodingTracker',
      model: { modelId: 'claude-sonnet-4.6' },
      origin: { externalId: '96ef38f0-9d09-45c3-8124-6448c36090ed' },
      metadata: { copilotVersion: '1.0.34', branch: 'refactor/gemini-copilot-new-formats' },
    });
    const outputs = ([...fold.messages.values()] as { usage?: Counted }[]).map(({ usage }) => usage?.output ?? 0);
    expect(outputs.reduce((sum, output) => sum + output, 0)).toBe(2848);
  });

  type Counted = { input: number; output: number; cacheRead: number; cacheWrite: number };

  function countFold(fold: SourceFold) {
    const messages = [...fold.messages.values()];
    const parts = [...fold.parts.values()];
    const tools = parts.filter((part) => part.type === 'tool');
    return {
      users: messages.filter(({ role }) => role === 'user').length,
      answers: messages.filter(({ role }) => role === 'assistant').length,
      tools: tools.map((tool) => `${tool.callId} ${tool.state}`).sort(),
      texts: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
      reasoning: parts.filter((part) => part.type === 'reasoning').length,
      // Of events that made no message, tool or result of their own.
      others: parts.filter(
        (part) => part.type === 'data' && /^copilot\/(session|system|hook|assistant\.turn)/.test(part.kind),
      ).length,
    };
  }

  /** The same counts by another way: plain JSON.parse, sets of ids. */
  function countLines(text: string): ReturnType<typeof countFold> {
    // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
    const events: any[] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const of = (type: string) => events.filter((each) => each.type === type).map(({ data }) => data);
    const answers = of('assistant.message');
    const first = events.findIndex(({ type }) => type === 'user.message' || type === 'assistant.message');
    const told = events.slice(first).filter(({ type }) => /^tool\.execution_(start|complete)$/.test(type));
    const ids = new Set([
      ...answers.flatMap(({ toolRequests }) => toolRequests.map((each: { toolCallId: string }) => each.toolCallId)),
      ...told.map(({ data }) => data.toolCallId),
    ]);
    const results = new Map(of('tool.execution_complete').map((data) => [data.toolCallId, data.success]));
    const stateOf = (id: string) => (results.has(id) ? (results.get(id) ? 'completed' : 'error') : 'running');
    return {
      users: of('user.message').length,
      answers: answers.length,
      tools: [...ids].map((id) => `${id} ${stateOf(id)}`).sort(),
      texts: events
        .filter(({ type, data }) => /^(user|assistant)\.message$/.test(type) && data.content !== '')
        .map(({ data }) => data.content),
      reasoning: answers.filter(({ reasoningText }) => reasoningText).length,
      others: events.filter(({ type }) => /^(session|system|hook|assistant\.turn)/.test(type)).length,
    };
  }
});
