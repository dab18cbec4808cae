// ls over the real daemon: what it lists, how it groups it, what it says of the rest.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { printSessions } from '../../cli/list.ts';
import { waitText } from '../../cli/render/blocker.ts';
import { sessionTable } from '../../cli/render/sessions.ts';
import { makeStyle } from '../../cli/render/style.ts';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, run, shownProgram } from './run-cli.ts';

type Seed = { directory?: string | null; agent?: string; parentId?: string; at?: number; archived?: boolean };

async function seeded(sessions: Record<string, Seed>): Promise<{ home: Home; client: Client }> {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  for (const [name, { at, archived, ...given }] of Object.entries(sessions)) {
    const occurred = at === undefined ? {} : { occurredAt: at };
    const sessionId = `ses_${name}`;
    await client.call('session/create', { sessionId, title: `title of ${name}`, ...given, ...occurred });
    if (archived) await client.call('session/update', { sessionId, archived, ...occurred });
  }
  return { home, client };
}

/** The names of the sessions in a JSON listing. */
async function names(home: Home, ...args: string[]): Promise<string[]> {
  const { code, stdout } = await run(home, ['ls', '--json', ...args]);
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id.slice(4));
}

test('sessions stand below their directory, the one with the newest session first, families together', async () => {
  const { home } = await seeded({
    a1: { directory: '/src/a', at: 1000 },
    b1: { directory: '/src/b', at: 2000 },
    a2: { directory: '/src/a', at: 3000 },
    none: { at: 500 },
    child: { directory: '/elsewhere', parentId: 'ses_b1', at: 2500 },
  });
  const { stdout } = await run(home, ['ls']);
  const lines = stdout.trimEnd().split('\n').slice(1);
  expect(lines.map((line) => (line.startsWith('  ') ? line.trim().split(/ {2,}/).at(-1) : line))).toEqual([
    '/src/a',
    'title of a2',
    'title of a1',
    '/src/b',
    'title of b1',
    '└ title of child',
    '(no directory)',
    'title of none',
  ]);
  expect(stdout).not.toContain('/elsewhere');
});

test('agent, status and time filter on the daemon; a directory takes what is below it, by links too', async () => {
  const now = Date.now();
  const { home } = await seeded({
    old: { agent: 'codex', directory: '/src/a', at: now - 5 * 86_400_000 },
    new: { agent: 'codex', directory: '/src/a/deep', at: now - 3_600_000 },
    other: { agent: 'claude-code', directory: '/src/ab', at: now - 60_000 },
  });
  expect(await names(home, '--agent', 'codex')).toEqual(['new', 'old']);
  expect(await names(home, '--since', '2h')).toEqual(['other', 'new']);
  expect(await names(home, '--since', '2h', '--agent', 'codex')).toEqual(['new']);
  expect(await names(home, '--status', 'busy')).toEqual([]);
  expect(await names(home, '--status', 'idle', '--limit', '1')).toEqual(['other']);
  expect(await names(home, '--dir', '/src/a')).toEqual(['new', 'old']);
  expect(await names(home, '--dir', '/src/a/deep/../')).toEqual(['new', 'old']);
  expect(await names(home, '--dir', '/')).toHaveLength(3);
  const real = join(home.folder, 'real');
  mkdirSync(real);
  symlinkSync(real, join(home.folder, 'link'));
  await (await clientOf(home)).call('session/create', { sessionId: 'ses_linked', directory: real });
  // Relative to the folder that the command runs in.
  expect(await names(home, '--dir', 'link')).toEqual(['linked']);
});

test('a filter by directory is followed through all pages', async () => {
  const { home, client } = await seeded({});
  const ops = Array.from({ length: 600 }, (_, index) => ({
    opId: `o${index}`,
    type: 'session/create' as const,
    params: { sessionId: `ses_n${index}`, directory: index % 200 === 0 ? '/rare' : '/common' },
  }));
  await client.call('ops/append', { ops });
  expect(await names(home, '--dir', '/rare')).toEqual(['n400', 'n200', 'n0']);
  const { stdout } = await run(home, ['ls', '--dir', '/common', '--limit', '2']);
  expect(stdout).toContain(`\n595 more: ${shownProgram} ls --dir /common --all\n`);
});

test('archived sessions are hidden, --all lists and marks them', async () => {
  const { home } = await seeded({ kept: {}, put: { archived: true } });
  expect(await names(home)).toEqual(['kept']);
  expect((await names(home, '--all')).sort()).toEqual(['kept', 'put']);
  expect((await run(home, ['ls', '--all'])).stdout).toContain('[archived] title of put');
});

test('an empty list says why: nothing fits, or all are archived', async () => {
  const { home } = await seeded({ put: { archived: true } });
  expect((await run(home, ['ls'])).stdout).toBe(`No sessions but 1 archived one: ${shownProgram} ls --all\n`);
  expect((await run(home, ['ls', '--status', 'busy', '--all'])).stdout).toBe(
    `No session fits.\nAll there are: ${shownProgram} ls --all\n`,
  );
  expect((await run(home, ['ls', '--agent', 'nobody', '--json'])).stdout).toBe('[]\n');
});

test('an agent that no session is of is told with those that there are', async () => {
  const { home } = await seeded({ a: { agent: 'codex' }, b: { agent: 'claude-code', archived: true }, c: {} });
  expect((await run(home, ['ls', '--agent', 'claude'])).stdout).toBe(
    'No session is of the agent claude; there are: claude-code, codex\n',
  );
  expect((await run(home, ['ls', '--agent', 'claude-code'])).stdout).toContain('No session fits.\n');
});

test('the first read is told only while there is something to read, or nothing was taken in yet', async () => {
  const { home, client } = await seeded({ a: {} });
  const notice = async (bytesBehind: number, sessions = 1) => {
    const { context, err } = fakeTerminal(home);
    const source = { name: 's', kind: 's', path: '/p', sessions: 0, badRecords: 0, lastError: null };
    const items = [{ ...source, state: 'reading', files: 3, filesDone: 1, bytesBehind }];
    const call = async (method: string, params: object) => {
      if (method === 'source/list') return { items };
      return method === 'daemon/status' ? { sessions } : client.call(method as 'session/list', params);
    };
    await printSessions(context, { call } as unknown as Client, { limit: 5 });
    return err.text;
  };
  expect(await notice(0)).toBe('');
  expect(await notice(1000)).toContain('the first read is still going on (1 of 3 files, 1.0 kB to go)');
  expect(await notice(0, 0)).toContain('the first read is still going on');
});

test('a session that waits stands out, and says for what', async () => {
  const { home, client } = await seeded({ a: {}, b: {}, c: {} });
  const { context, out } = fakeTerminal(home);
  out.columns = 120;
  const call = async (method: string, params: { sessionId?: string }) => {
    const result = await client.call(method as 'session/list', params as object);
    if (method === 'session/list') {
      const waits = (id: string) => ['ses_a', 'ses_c'].includes(id);
      return { ...result, items: result.items.map((each) => (waits(each.id) ? { ...each, status: 'waiting' } : each)) };
    }
    if (method !== 'session/get') return result;
    if (params.sessionId === 'ses_c') throw new Error('deleted meanwhile');
    return { ...result, blockers: [{ request: { permission: 'Bash', patterns: ['npm test'] } }] };
  };
  await printSessions(context, { call } as unknown as Client, { limit: 5 });
  const lineOf = (id: string) => out.text.split('\n').find((text) => text.includes(id))!;
  expect(lineOf('ses_a')).toContain('[waiting: Bash (npm test)] title of a');
  expect(lineOf('ses_a')).toContain('\x1b[33m');
  expect(lineOf('ses_c')).toContain('[waiting] title of c');
  const question = { question: `Which ${'tests '.repeat(30)}?`, options: [{ label: 'unit' }] };
  const asked = [{ request: { questions: [question] } }, { request: { permission: 'Bash' } }];
  expect(waitText(asked as never)).toBe(`2 · ${question.question}`);
  expect(waitText(asked.slice(1) as never)).toBe('Bash');
  const session = { id: 'ses_a', status: 'waiting', title: 'fix it', parentId: null, archivedAt: null };
  const sessions = [{ ...session, updatedAt: 0, messageCount: 0 } as Session];
  const waits = new Map([['ses_a', waitText(asked as never)]]);
  const options = { style: makeStyle(false), now: 0, home: '/', complete: true, waits };
  for (const width of [80, 200, Number.POSITIVE_INFINITY]) {
    const lines = await sessionTable(sessions, { ...options, width });
    expect(lines.at(-1)).toMatch(/\[waiting: 2 · Which tests [^[\]]*…\] fix it$/);
  }
  expect(lineOf('ses_b')).not.toMatch(/waiting|\x1b\[33m/);
});

test('with the sources turned off, an empty list says that the config did it', async () => {
  const home = cliHome();
  const { items } = JSON.parse((await run(home, ['rpc', 'source/list'])).stdout) as { items: { kind: string }[] };
  await run(home, ['stop']);
  writeFileSync(home.paths.config, `[sources]\n${items.map(({ kind }) => `${kind} = false\n`).join('')}`);
  const { stdout } = await run(home, ['ls']);
  expect(stdout).toContain('No folders are looked in: [sources] in ');
  expect(stdout).toContain('config.toml turns them off');
});

test('a wrong value exits 2 and says what is allowed', async () => {
  const home = cliHome();
  for (const [args, allowed] of [
    [['--limit', '0'], `hint: all of them: ${shownProgram} ls --all`],
    [['--since', 'soon'], 'yesterday'],
    [['--status', 'done'], 'idle, busy, waiting'],
  ] as const) {
    const { code, stdout, stderr } = await run(home, ['ls', ...args, '--no-spawn']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(allowed);
  }
});

test('no line is wider than a narrow terminal, whatever the ids and directories are', async () => {
  const { home } = await seeded({
    'a-rather-long-id-that-a-client-made-itself-0001': {
      directory: '/a/very/long/directory/of/projects',
      agent: 'codex',
    },
    b: { directory: '/漢字漢字漢字漢字漢字漢字漢字漢字漢字' },
  });
  const { default: stringWidth } = await import('string-width');
  for (let width = 20; width <= 45; width += 5) {
    const { stdout } = await run(home, ['ls'], { env: { COLUMNS: String(width) } });
    for (const line of stdout.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
    expect(stdout).toMatch(/^ {0,2}ses_/m);
  }
});
