// show over the real daemon: what it folds and how that is seen, the last messages, the pager.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure } from '../../cli/commands/show.ts';
import type { Client } from '../../protocol/client.ts';
import type { Json, PartContent } from '../../protocol/schema.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, run } from './run-cli.ts';

const at = Date.parse('2026-01-02T10:00:00Z');

type Message = {
  parts: PartContent[];
  role?: 'user';
  metadata?: Record<string, boolean>;
  error?: Json;
  createdAt?: number;
};

/** A home with the session `ses_s`, which holds these messages of an assistant. */
async function sessionOf(messages: Message[]): Promise<{ home: Home; client: Client }> {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const sessionId = 'ses_s';
  await client.call('session/create', { sessionId, title: 'a session', occurredAt: at });
  for (const [index, { parts, ...given }] of messages.entries()) {
    const messageId = `msg_${index}`;
    await client.call('message/put', {
      sessionId,
      messageId,
      role: 'assistant',
      createdAt: at,
      occurredAt: at,
      ...given,
    });
    for (const part of parts) await client.call('part/put', { sessionId, messageId, part, occurredAt: at });
  }
  return { home, client };
}

const text = (words: string): Message => ({ parts: [{ type: 'text', text: words }] });
const show = async (home: Home, ...args: string[]) => (await run(home, ['show', 's', ...args])).stdout;

test('long texts, reasoning, tool output and what an agent puts in are folded, and shown whole by the option told', async () => {
  const long = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
  const { home } = await sessionOf([
    {
      parts: [
        { type: 'text', text: long },
        { type: 'reasoning', text: 'let me think\nabout it' },
        { type: 'text', text: 'injected context', synthetic: true },
        { type: 'text', text: '<system-reminder>be brief</system-reminder>my own words' },
        {
          type: 'tool',
          callId: 'c',
          tool: 'Bash',
          state: 'completed',
          input: { command: 'npm test', timeout: 5 },
          output: long,
        },
        { type: 'data', kind: 'x/y', value: { hidden: 'treasure' } },
      ],
    },
  ]);
  const folded = await show(home);
  expect(folded).toContain('  line 39\n  + more: line 40');
  expect(folded).toContain('(60 lines, --full)');
  expect(folded).toContain('  + reasoning: let me think about it (2 lines, --full)\n');
  expect(folded).toContain('  + put in by the agent: injected context (16 characters, --full)\n');
  expect(folded).toContain('  + <system-reminder>: be brief (43 characters, --full)\n  my own words\n');
  expect(folded).toMatch(/> Bash completed: npm test\n {2}\+ output: line 0 .* \(100 lines, --tools\)\n/);
  expect(folded).toContain('\n+ 1 other record (--records)\n');

  const tools = await show(home, '--tools');
  expect(tools).toContain('  input:\n    command: npm test\n    timeout: 5\n  output:\n    line 0\n');
  expect(tools).toContain('    line 99\n');
  expect(tools).toContain('(60 lines, --full)');

  const full = await show(home, '--full');
  for (const whole of ['  line 99\n', '    line 99\n', '  let me think\n  about it\n', 'injected context\n']) {
    expect(full).toContain(whole);
  }
  expect(full).toContain('  <system-reminder>be brief</system-reminder>my own words\n');
  expect(full).not.toContain('--full');
  expect(full).not.toContain('treasure');
  expect(full).toContain('\n+ 1 other record (--records)\n');

  const records = await show(home, '--records');
  expect(records).toContain('  data x/y\n    {\n      "hidden": "treasure"\n    }\n');
  expect(records).toContain('(60 lines, --full)');
  expect(await show(home, '--full', '--records')).not.toMatch(/--full|--records/);
});

test('a short output is shown: folding it would save nothing', async () => {
  const tool = {
    type: 'tool',
    callId: 'c',
    tool: 'Bash',
    state: 'error',
    output: 'one\ntwo',
    error: 'exit 1',
  } as const;
  const { home } = await sessionOf([{ parts: [tool] }]);
  expect(await show(home)).toContain('> Bash error\n    one\n    two\n    exit 1\n');
});

test('messages that an agent took back are one line each', async () => {
  const { home } = await sessionOf([
    { ...text('the first answer'), metadata: { rewound: true } },
    { ...text('the second answer'), metadata: { replaced: true } },
    text('the third answer'),
  ]);
  const shown = await show(home);
  expect(shown).toContain('\nassistant 2026-01-02 10:00:00 · rewound, 1 part (--full)\n');
  expect(shown).toContain('\nassistant 10:00:00 · replaced, 1 part (--full)\n');
  expect(shown).not.toContain('the first answer');
  expect(await show(home, '--full')).toContain('assistant 2026-01-02 10:00:00 · rewound\n  the first answer\n');
});

const tool = (given: object): PartContent =>
  ({ type: 'tool', callId: 'c', tool: 'shell', state: 'completed', ...given }) as PartContent;

test("a helper's messages in a session that is no subagent's are one line each, marked as the helper's", async () => {
  const metadata = { isSidechain: true };
  const { home, client } = await sessionOf([
    { ...text('look for it'), role: 'user', metadata },
    { parts: [tool({ tool: 'Grep', input: { pattern: 'TODO' } })], metadata },
  ]);
  const shown = await show(home);
  expect(shown).toContain('\nuser (subagent) 2026-01-02 10:00:00 · 1 part (--full) · look for it\n');
  expect(shown).toContain('\nassistant (subagent) 10:00:00 · 1 part (--full) · Grep completed: TODO\n');
  expect(await show(home, '--full')).toContain('\nuser (subagent) 2026-01-02 10:00:00\n  look for it\n');

  await client.call('session/create', { sessionId: 'ses_sub', parentId: 'ses_s' });
  await client.call('message/put', { sessionId: 'ses_sub', messageId: 'msg_sub', role: 'user', metadata });
  expect((await run(home, ['show', 'sub'])).stdout).not.toContain('(subagent)');
});

test('a tool that still runs in a session that stood still for over an hour has no result', async () => {
  const { home, client } = await sessionOf([{ parts: [tool({ state: 'running', input: { cmd: 'ls' } })] }]);
  expect(await show(home)).toContain('> shell no result: ls\n');
  await client.call('session/update', { sessionId: 'ses_s', title: 'news' });
  expect(await show(home)).toContain('> shell running: ls\n');
});

test('an error is told in words and once; an empty message of a user says that it is empty', async () => {
  const { home } = await sessionOf([
    { parts: [], role: 'user' },
    { parts: [], error: { kind: 'TurnAborted', message: 'by the user' } },
    { parts: [], error: { kind: 'ApiError', message: 'no luck', status: 500 } },
    { ...text('You hit your limit'), error: { kind: 'ApiError', message: 'You hit your limit', status: 429 } },
  ]);
  const body = (await show(home)).split('\n\n').slice(1);
  expect(body.map((message) => message.trimEnd().split('\n').slice(1))).toEqual([
    ['  (empty)'],
    ['    interrupted'],
    ['    ApiError: no luck'],
    ['  You hit your limit'],
  ]);
});

test("what Codex's shell writes above an output is left out; an exit code other than 0 stands with the tool", async () => {
  const head =
    'Chunk ID: e9f006\nWall time: 0.4767 seconds\nProcess exited with code 0\nOriginal token count: 0\nOutput:\n';
  const { home } = await sessionOf([
    {
      parts: [
        tool({ input: { cmd: 'a' }, output: `${head}from a` }),
        tool({ input: { cmd: 'b' }, output: 'Exit code: 2\nWall time: 0.2 seconds\nOutput:\nfrom b', state: 'error' }),
        tool({ input: { cmd: 'c' }, output: 'Wall time: 1 second\nProcess running with session ID 7\nOutput:\n' }),
        tool({ input: { cmd: 'd' }, output: 'Exit code: 2' }),
      ],
    },
  ]);
  expect(await show(home)).toContain(
    '  > shell completed: a\n    from a\n  > shell error (exit 2): b\n    from b\n' +
      '  > shell completed: c\n    Process running with session ID 7\n  > shell completed: d\n    Exit code: 2\n',
  );
  expect(await show(home, '--tools')).toContain('    Chunk ID: e9f006\n');
});

test('a patch is told by its files, its changes by --tools', async () => {
  const { home } = await sessionOf([
    {
      parts: [
        { type: 'patch', files: ['/src/a.txt', '/src/b.txt'] },
        { type: 'patch', files: { '/src/c.txt': { type: 'update', unified_diff: '-x\n+y' } } },
        { type: 'patch', files: [{ filePath: '/src/d.txt', fileDiff: '-1\n+2', newContent: 'all of it' }] },
      ],
    },
  ]);
  expect(await show(home)).toContain('  patch a.txt, b.txt\n  patch c.txt\n  patch d.txt\n');
  const tools = await show(home, '--tools');
  expect(tools).toContain('  patch c.txt\n    -x\n    +y\n  patch d.txt\n    -1\n    +2\n');
  expect(tools).not.toContain('all of it');
});

test('a plan is shown as its steps', async () => {
  const steps = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      step: `step ${index}`,
      status: index === 0 ? 'completed' : 'pending',
    }));
  const todos = [{ content: 'write it', status: 'in_progress', activeForm: 'writing it' }];
  const { home } = await sessionOf([
    {
      parts: [
        tool({ tool: 'TodoWrite', input: { todos }, output: 'Todos have been modified' }),
        tool({ tool: 'update_plan', input: { plan: steps(14) }, output: 'Plan updated' }),
      ],
    },
  ]);
  const shown = await show(home);
  expect(shown).toContain(
    '  > TodoWrite completed: 0 of 1 done\n    [ ] write it\n  > update_plan completed: 1 of 14 done\n    [x] step 0\n    [ ] step 1\n',
  );
  expect(shown).toContain('    [ ] step 11\n    + 2 more steps (--tools)\n');
  expect(shown).not.toContain('Plan updated');
});

test('a date is told once: not again in parentheses, not again at each message of the day', async () => {
  const { home } = await sessionOf([text('a'), text('b'), { ...text('c'), createdAt: at + 86_400_000 }]);
  const shown = await show(home);
  expect(shown).toMatch(/\ncreated {4}2026-01-02 10:00\n/);
  expect(shown.match(/2026-01-02 10:00:00/g)).toHaveLength(1);
  expect(shown).toContain('\nassistant 10:00:00\n  b\n\nassistant 2026-01-03 10:00:00\n  c\n');
});

test('--last shows the last messages in their order, also when each is a page of its own, and tells of the others', async () => {
  const huge = 'x'.repeat(300_000);
  const { home } = await sessionOf([text('one'), text('two'), text(`three ${huge}`), text(`four ${huge}`)]);
  const shown = await show(home, '--last', '3');
  expect(shown).toContain('\n+ 1 earlier message (without --last)\n');
  expect(shown).not.toContain('  one');
  expect(shown.indexOf('  two')).toBeLessThan(shown.indexOf('  three'));
  expect(shown.indexOf('  three')).toBeLessThan(shown.indexOf('  four'));
  const { messages } = JSON.parse(await show(home, '--last', '2', '--json')) as {
    messages: { message: { id: string } }[];
  };
  expect(messages.map(({ message }) => message.id)).toEqual(['msg_2', 'msg_3']);
  expect(await show(home, '--last', '9')).toBe(await show(home));
  expect(await run(home, ['show', 's', '--last', '0'])).toMatchObject({ code: 2, stdout: '' });
});

test('a transcript of Claude Code shows a slash command as it was typed', async () => {
  const home = cliHome();
  const id = '11111111-2222-4333-8444-555555555555';
  const command = '<command-name>/review</command-name>\n<command-args>src</command-args>';
  append(transcriptPath(home.claude, id), line(id, 'user', command) + line(id, 'assistant', 'looks good'));
  await run(home, ['start']);
  const [session] = JSON.parse((await run(home, ['ls', '--json'])).stdout) as { id: string }[];
  const { stdout } = await run(home, ['show', session!.id.slice(0, 12)]);
  expect(stdout).toContain('  /review src\n');
  expect(stdout).toContain('  looks good\n');
});

/** Runs show in this process, on a terminal; returns what came to the terminal itself. */
async function onTerminal(home: Home, env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const { context, out } = fakeTerminal(home, { input: Object.assign(new PassThrough(), { isTTY: true }) as never });
  Object.assign(context.env, env);
  const command = new Command();
  configure(command, context);
  await command.parseAsync(['s', ...args], { from: 'user' });
  return out.text;
}

test('on a terminal the transcript goes through $PAGER, coloured and whole', async () => {
  const { home } = await sessionOf([text('hello')]);
  const file = join(home.folder, 'paged');
  expect(await onTerminal(home, { PAGER: `cat > ${file}` })).toBe('');
  const paged = readFileSync(file, 'utf8');
  expect(paged).toContain('a session');
  expect(paged).toContain('  hello\n');
  expect(paged).toContain('\x1b[1m');
});

test('quitting the pager early, and its exit code, are no failure', async () => {
  const { home } = await sessionOf([text('x\n'.repeat(200_000))]);
  const file = join(home.folder, 'paged');
  expect(await onTerminal(home, { PAGER: `head -1 > ${file}; exit 3` }, '--full')).toBe('');
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
});

test('no pager with --no-pager, PAGER=cat, a dumb terminal, or one that cannot be started', async () => {
  const { home } = await sessionOf([text('hello')]);
  const file = join(home.folder, 'paged');
  expect(await onTerminal(home, { PAGER: `cat > ${file}` }, '--no-pager')).toContain('hello');
  expect(await onTerminal(home, { PAGER: `cat > ${file}`, TERM: 'dumb' })).toContain('hello');
  expect(existsSync(file)).toBe(false);
  expect(await onTerminal(home, { PAGER: 'cat', TERM: 'xterm' })).toContain('hello');
  expect(await onTerminal(home, { PAGER: 'exec 2>&-; no-such-pager', TERM: 'xterm' })).toContain('hello');
});
