import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { derivedSessionId } from '../../daemon/adapters/ids.ts';
import { titleOf } from '../../daemon/adapters/sources/pi/message.ts';
import { piSource } from '../../daemon/adapters/sources/pi.ts';
import { casesOf, lineSourceContract } from '../contract/source.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { samples } from '../support/samples.ts';

const home = '/home/dev/.pi/agent';
const source = piSource(home);
const key = '33333333-2222-4333-8444-555555555555';
const fileOf = (session = 1) =>
  `sessions/--home-dev-tea--/2026-05-06T11-00-00-000Z_${key.replace('3333', `333${session}`)}.jsonl`;
const plain = transcriptOf(source, join(home, fileOf()));
const everyLine = (text: string) => linesOf(text).map((_, index) => index);

function read(text: string, cuts: number[] = []) {
  const fold = new SourceFold();
  const results = readInto(fold, source, plain, linesOf(text), cuts);
  return { fold, results };
}
const textOf = (...lines: unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const header = { type: 'session', version: 3, id: key, cwd: '/home/dev/tea' };
const said = (id: string, second: number, role: string, content: unknown, more: object = {}) => ({
  type: 'message',
  id,
  timestamp: `2026-05-06T11:00:0${second}Z`,
  message: { role, content, ...more },
});

describe('identify', () => {
  it.each([
    ['sessions/--home-dev-tea--/2026-05-06T11-00-00-000Z_abc.jsonl', 'abc@--home-dev-tea--'],
    [`sessions/--home-dev-tea--/2026-05-06T11-00-00-000Z_${key}.jsonl`, key],
    ['sessions/----/2026-05-06T11-00-00-000Z_my_own_id.jsonl', 'my_own_id@----'],
    ['sessions/--home-dev-tea--/subagent-artifacts/2026_abc.jsonl', undefined],
    ['sessions/--home-dev-tea--/abc.jsonl', undefined],
    ['sessions/--home-dev-tea--/2026_abc.jsonl.tmp', undefined],
    ['sessions/2026_abc.jsonl', undefined],
    ['2026_abc.jsonl', undefined],
    ['../agent2/sessions/--x--/2026_abc.jsonl', undefined],
  ])('%s is the transcript of %s', (path, sessionKey) => {
    const place = source.identify(join(home, path));
    expect(place).toEqual(sessionKey === undefined ? undefined : { reading: 'lines', sessionKey });
  });

  it('enters no folder that holds no sessions', () => {
    const folders = ['', 'sessions', 'sessions/--x--', 'bin', 'sessions/--x--/y', 'sessions/x', '..', '../sessions'];
    expect(folders.filter((folder) => source.enters(join(home, folder)))).toEqual(['', 'sessions', 'sessions/--x--']);
  });
});

lineSourceContract({ source, pathOf: (_name, session) => fileOf(session) });

describe('the session', () => {
  it('has the parent that its header names, under either of its names', () => {
    const parent = '/x/2026-05-05T09-00-00-000Z_44.jsonl';
    for (const field of ['parentSession', 'branchedFrom']) {
      const { session } = read(textOf({ ...header, [field]: parent }, said('a', 1, 'user', 'Hi'))).fold;
      expect(session?.parentId).toBe(derivedSessionId('pi', '44@x'));
    }
  });

  it('is called what the person named it, for as long as they do', () => {
    const named = (name: string) => ({ type: 'session_info', timestamp: '2026-05-06T11:00:01Z', name });
    const prompt = said('a', 1, 'user', 'Hi');
    expect(read(textOf(header, prompt, named('Mine'))).fold.session?.title).toBe('Mine');
    expect(read(textOf(header, prompt, named('Mine'), named(''))).fold.session?.title).toBe('Hi');
  });

  it('is titled by the words of the person, not by what Pi puts before them', () => {
    const skill = '<skill name="brew" location="/s">\nBoil.\n</skill>';
    expect(titleOf(`${skill}\n\nfor two`)).toMatchObject({ rank: 'prompt' });
    expect(titleOf(`${skill}\n\nfor two`)?.title.trim()).toBe('for two');
    expect(titleOf(skill)).toEqual({ rank: 'command', title: '/skill:brew' });
    expect(titleOf('<file name="/a.png"></file>\n')).toBeUndefined();
    expect(titleOf('<b>bold</b>')?.title).toBe('<b>bold</b>');
  });
});

describe('the tree', () => {
  it('is kept: a message says its parent where that is not the entry before it, in whatever reads', () => {
    const child = (id: string, second: number, parentId: string | null) => ({
      ...said(id, second, 'user', id),
      parentId,
    });
    const text = textOf(header, child('a', 1, null), child('b', 2, 'a'), child('c', 3, 'a'), child('d', 4, null));
    for (const cuts of [[], everyLine(text)]) {
      const metadata = [...read(text, cuts).fold.messages.values()].map((message) => message.metadata);
      expect(metadata).toEqual([
        { entryId: 'a' },
        { entryId: 'b' },
        { entryId: 'c', parentEntryId: 'a' },
        { entryId: 'd', parentEntryId: null },
      ]);
    }
  });
});

describe('what a file does not promise', () => {
  it('[P26] an entry that is there twice is there once', () => {
    const lines = [header, said('a', 1, 'user', 'Hi'), said('b', 2, 'assistant', [{ type: 'text', text: 'Ho' }])];
    const text = textOf(...lines, ...lines.slice(1));
    expect(read(text).fold.list()).toEqual(read(textOf(...lines)).fold.list());
    expect(read(text, everyLine(text)).fold.messages.size).toBe(2);
  });

  it('[P26] an old file that Pi opens again, giving ids to its entries, stays the same session', () => {
    const old = casesOf('pi').find(({ name }) => name === 'version-1')!.text;
    const { fold } = read(old);
    const before = { messages: [...fold.messages.keys()], parts: [...fold.parts.keys()] };
    let parentId: string | null = null;
    const migrated = old
      .trimEnd()
      .split('\n')
      .map((line, index) => {
        const entry = JSON.parse(line);
        if (entry.type === 'session') return { ...entry, version: 3 };
        const tree = { id: `id${index}`, parentId };
        parentId = tree.id;
        return { ...entry, ...tree };
      });
    readInto(fold, source, plain, linesOf(textOf(...migrated)), [3]);
    expect({ messages: [...fold.messages.keys()], parts: [...fold.parts.keys()] }).toEqual(before);
    expect([...fold.messages.values()].at(-1)).toMatchObject({ metadata: { entryId: 'id7' } });
  });

  it('a count of tokens that no store would take is the most it takes, and no such cost is told', () => {
    const usage = { input: 5e12, output: 1, cost: { total: 2e9 } };
    const { fold } = read(textOf(header, said('a', 1, 'assistant', [], { usage })));
    expect([...fold.messages.values()]).toMatchObject([{ usage: { input: 1e12, output: 1 } }]);
    expect([...fold.messages.values()][0]!.usage).not.toHaveProperty('costUsd');
  });
});

// --- real transcripts ----------------------------------------------------------------------------------------------

const folder = samples && join(samples, 'pi');
const files = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.jsonl'))
  : [];

describe.skipIf(!folder)('real transcripts (needs ../shared/transcripts)', () => {
  it.each(files.sort())('%s: messages, tools, texts and costs are all there', (path) => {
    const text = readFileSync(join(folder!, path), 'utf8');
    const transcript = transcriptOf(source, join(home, 'sessions/--x--', `2026_${basename(path)}`));
    const fold = new SourceFold();
    const results = readInto(fold, source, transcript, linesOf(text));
    const counted = countLines(text);
    expect(countFold(fold)).toEqual(counted);
    expect(counted.texts.length).toBeGreaterThan(1);
    const before = fold.changes;
    const total = linesOf(text).length;
    readInto(fold, source, transcript, linesOf(text), [total >> 2, total >> 1, total - 1]);
    expect([fold.changes, fold.changes === before ? 0 : fold.lastChange]).toEqual([before, 0]);
    const pieces = new SourceFold();
    const step = Math.max(1, total >> 6);
    const cuts = linesOf(text).map((_, index) => index - (index % step));
    readInto(pieces, source, transcript, linesOf(text), cuts);
    expect(pieces.list()).toEqual(fold.list());
    for (const { state, badRecords } of results) {
      expect(badRecords).toBe(0);
      expect(JSON.stringify(state).length).toBeLessThan(20_000);
    }
  });

  it('a session of nine lines has its name, folder, model and prompt', () => {
    const text = readFileSync(join(folder!, 'agent-sessions/small.jsonl'), 'utf8');
    expect(read(text).fold.session).toMatchObject({
      title: 'Read hello.py and summarize what it prints without editing files.',
      directory: '/tmp/as-agent-fixture/project',
      agent: 'pi',
      model: { providerId: 'pi-fixture', modelId: 'pi-fixture-model' },
      origin: { source: 'pi', externalId: '019e19b4-eb48-746a-aa6b-8dfcfa37954b' },
    });
  });

  function countFold(fold: SourceFold) {
    const messages = [...fold.messages.values()] as { role: string; error?: unknown; usage?: Usage }[];
    const parts = [...fold.parts.values()];
    const tools = parts.filter((part) => part.type === 'tool');
    return {
      users: messages.filter(({ role }) => role === 'user').length,
      answers: messages.filter(({ role }) => role === 'assistant').length,
      failed: messages.filter(({ error }) => error !== undefined).length,
      tools: tools.length,
      running: tools.filter(({ state }) => state === 'running').length,
      errors: tools.filter(({ state }) => state === 'error').length,
      texts: parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
      reasoning: parts.filter((part) => part.type === 'reasoning').length,
      tokens: messages.reduce(
        (sum, { usage: u }) => sum + (u ? u.input + u.output + u.cacheRead + u.cacheWrite : 0),
        0,
      ),
      cost: messages.reduce((sum, { usage }) => sum + (usage?.costUsd ?? 0), 0),
    };
  }
  type Usage = { input: number; output: number; cacheRead: number; cacheWrite: number; costUsd?: number };

  /** The same counts by another way: plain JSON.parse, and the totals that Pi itself writes. */
  function countLines(text: string): ReturnType<typeof countFold> {
    // biome-ignore lint/suspicious/noExplicitAny: whatever is in the file
    const entries: any[] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const messages = entries.filter(({ type }) => type === 'message').map(({ message }) => message);
    const of = (role: string) => messages.filter((message) => message.role === role);
    const blocks = messages
      .filter(({ role }) => role === 'user' || role === 'assistant')
      .flatMap(({ content }) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content));
    const blocksOf = (type: string) => blocks.filter((block) => block.type === type);
    const calls = new Set(blocksOf('toolCall').map(({ id }) => id));
    const results = of('toolResult');
    const shells = of('bashExecution');
    return {
      users: of('user').length + shells.length,
      answers: of('assistant').length,
      failed: of('assistant').filter(({ stopReason }) => ['error', 'aborted'].includes(stopReason)).length,
      tools: calls.size + shells.length,
      running: calls.size - new Set(results.map(({ toolCallId }) => toolCallId)).size,
      errors:
        results.filter(({ isError }) => isError).length +
        shells.filter(({ exitCode, cancelled }) => exitCode || cancelled).length,
      texts: blocksOf('text').map((block) => block.text),
      reasoning: blocksOf('thinking').length,
      tokens: of('assistant').reduce((sum, { usage }) => sum + usage.totalTokens, 0),
      cost: of('assistant').reduce((sum, { usage }) => sum + usage.cost.total, 0),
    };
  }
});
