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
});

test('what was left out is told where nothing is found: the options, in brackets, and that titles are not searched', async () => {
  const home = await seeded();
  const { stdout } = await run(home, ['search', 'unheard', '--agent', 'tester', '--dir', '.']);
  expect(stdout).toContain('Nothing matches unheard (--agent tester --dir .).\n');
  expect(stdout).toContain(`Titles are not searched: ${shownProgram} ls --all\n`);
});

test.each(['', ' ', '"', '""', '*', '-', '🙂', '… !? …'])(
  'a query without a word, %j, is wrong usage',
  async (query) => {
    const { code, stdout, stderr } = await run(cliHome(), ['--no-spawn', 'search', query]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      'error: there is no word to search for; punctuation and emoji are not searched\n' +
        `hint: give a word, or the start of one: ${shownProgram} search 'begin*'\n`,
    );
  },
);

test('a query with a word beside signs is searched, whatever the script of the word', async () => {
  const home = await seeded();
  for (const query of ['why 🙂', '- why', '修', 'ñ', '٣', '"why']) {
    expect(await run(home, ['search', '--', query]), query).toMatchObject({ code: 0, stderr: '' });
  }
});

test('a query that is too long, or of too many prefixes, is wrong usage and says what to do', async () => {
  const home = await seeded();
  expect(await run(home, ['search', 'word '.repeat(201)])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: what to look for has 1,005 characters, and may have 1,000\nhint: search for fewer words\n',
  });
  expect((await run(home, ['search', 'w'.repeat(1000)])).code).toBe(0);
  expect(await run(home, ['search', ...'abcdefghi'.split('').map((start) => `${start}*`)])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: more than 8 words end in *\nhint: write some of them out\n',
  });
  expect((await run(home, ['search', ...'abcdefgh'.split('').map((start) => `${start}*`)])).code).toBe(0);
  expect(await run(home, ['search', `"${'word '.repeat(65)}"`])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: the same word stands there more than 64 times\nhint: leave some of them out\n',
  });
});

test('the help of search says what is left out, what is not, and how to see more', async () => {
  const { stdout } = await run(cliHome(), ['search', '--help']);
  const text = stdout.replace(/\s+/g, ' ');
  expect(text).toContain('Titles, punctuation and emoji are not searched, archived sessions are.');
  expect(text).toContain('All words must stand in one text.');
  expect(text).toContain('--limit 100 shows more places. The exit code is 0 also where nothing is found.');
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
