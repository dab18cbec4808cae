// search over the real daemon: what it prints, in which width, and what it says when nothing is found.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { searchLines } from '../../cli/render/search.ts';
import { makeStyle } from '../../cli/render/style.ts';
import { displayWidth } from '../../cli/render/width.ts';
import type { SearchHit } from '../../protocol/methods.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { clientOf, cliHome, run, seedSession, shownProgram } from './run-cli.ts';

async function seeded(): Promise<Home> {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_one', 'the first');
  await seedSession(home, 'ses_two', 'the second');
  return home;
}

test('it prints each session once, with where it is and the places that match', async () => {
  const home = await seeded();
  const { code, stdout, stderr } = await run(home, ['search', 'does', 'FAIL*']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const blocks = stdout.trimEnd().split('\n\n').sort();
  expect(blocks).toEqual([
    'ses_one  the first\n  tester · ~/src · just now\n    why does it fail?',
    'ses_two  the second\n  tester · ~/src · just now\n    why does it fail?',
  ]);
});

test('words that were typed apart must all match, quotes make a phrase', async () => {
  const home = await seeded();
  const count = async (...words: string[]) =>
    (JSON.parse((await run(home, ['search', '--json', ...words])).stdout) as SearchHit[]).length;
  expect(await count('fail', 'why')).toBe(2);
  expect(await count('"fail why"')).toBe(0);
  expect(await count('"why does it"')).toBe(2);
  expect(await count('npm', 'test', 'bash')).toBe(2);
  expect(await count('treasure')).toBe(0);
});

test('--agent, --dir and --limit narrow it; what more there is is told on stderr', async () => {
  const home = await seeded();
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_far', directory: '/elsewhere', agent: 'other' });
  await client.call('message/put', { sessionId: 'ses_far', messageId: 'msg_far', role: 'user' });
  const part = { type: 'text', text: 'why, far away' } as const;
  await client.call('part/put', { sessionId: 'ses_far', messageId: 'msg_far', part });
  const ids = async (...args: string[]) => {
    const items = JSON.parse((await run(home, ['search', 'why', '--json', ...args])).stdout) as SearchHit[];
    return items.map(({ session }) => session.id).sort();
  };
  expect(await ids()).toEqual(['ses_far', 'ses_one', 'ses_two']);
  expect(await ids('--agent', 'other')).toEqual(['ses_far']);
  expect(await ids('--dir', home.env.HOME!)).toEqual(['ses_one', 'ses_two']);
  expect(await ids('--dir', join(home.env.HOME!, 'src'), '--limit', '1')).toHaveLength(1);
  const { stdout, stderr } = await run(home, ['search', 'why', '--limit', '1']);
  expect(stdout.split('\n\n')).toHaveLength(1);
  expect(stderr).toBe(`more match: ${shownProgram} search --limit 5 -- why\n`);
});

test('nothing found is no failure, and says what to do', async () => {
  const home = await seeded();
  const nothing = await run(home, ['search', 'unheard']);
  expect(nothing).toMatchObject({ code: 0, stderr: '' });
  expect(nothing.stdout).toContain('Nothing matches unheard.');
  expect(nothing.stdout).toContain(`${shownProgram} search 'begin*'`);
  expect((await run(home, ['search', 'why', '--agent', 'nobody'])).stdout).toContain(
    'No session is of the agent nobody; there are: tester',
  );
  expect((await run(home, ['search', '--json', 'unheard'])).stdout).toBe('[]\n');
  expect((await run(home, ['search'])).code).toBe(2);
  expect((await run(home, ['search', 'a* b* c* d* e* f* g* h* i*'])).code).toBe(1);
});

test('in an empty store it says what an empty list says', async () => {
  const home = cliHome();
  const { code, stdout } = await run(home, ['search', 'anything']);
  expect(code).toBe(0);
  expect(stdout).toContain('No sessions yet.');
});

const hit = (snippet: string, hits: [number, number][], session = {}): SearchHit =>
  ({
    session: {
      id: 'ses_x',
      title: 'A title',
      agent: 'me',
      directory: '/src',
      updatedAt: 0,
      archivedAt: null,
      ...session,
    },
    messageId: 'msg_x',
    partId: 'prt_x',
    snippet,
    hits,
    rank: -1,
  }) as unknown as SearchHit;

const plain = { width: Number.POSITIVE_INFINITY, style: makeStyle(false), now: 1000, home: '/home/x' };

test('with colours what matched is emphasised, also across the end of a line', async () => {
  const style = makeStyle(true);
  const lines = await searchLines([hit('one two three', [[4, 13]])], { ...plain, style, width: 13 });
  expect(lines.slice(-2)).toEqual([`    one ${style.yellow('two')}`, `    ${style.yellow('three')}`]);
});

test('nothing of a snippet, a title or a folder reaches the terminal as more than text', async () => {
  const lines = await searchLines(
    [hit('a\x1b[31mb\u202e\nc d', [[1, 9]], { title: 't\x1b]0;x\x07t', directory: '/s\u200brc', agent: 'm\x07e' })],
    plain,
  );
  expect(lines).toEqual(['ses_x  tt', '  me · /src · just now', '    ab c d']);
});

test.each([20, 40, 80])('no line is wider than a terminal of %i columns', async (width) => {
  const wide = { title: '漢字のタイトル '.repeat(10), directory: `/a/${'long '.repeat(30)}` };
  const lines = await searchLines([hit(`${'word '.repeat(30)}${'漢'.repeat(60)}`, [[5, 9]], wide)], {
    ...plain,
    width,
  });
  expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width);
});
