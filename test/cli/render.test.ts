import { describe, expect, test } from 'vitest';
import { shownPath } from '../../cli/render/path.ts';
import { inputText, outputText } from '../../cli/render/payload.ts';
import { bytes, countOf, grouped, short } from '../../cli/render/quantity.ts';
import { underParents } from '../../cli/render/sessions.ts';
import { shortId, shortIds } from '../../cli/render/short-id.ts';
import { badHint, heldSummary, progressBar, progressOf, progressText, readSummary } from '../../cli/render/sources.ts';
import { wantsColor } from '../../cli/render/style.ts';
import { duration, localDate, relativeTime } from '../../cli/render/time.ts';
import { inputSummary, toolSummary } from '../../cli/render/tool.ts';
import { matching } from '../../cli/resolve.ts';

describe('times', () => {
  const now = new Date(2026, 10, 21, 12, 0, 0).getTime();
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

  test('are told as how long ago, and as a date after four weeks', () => {
    expect(relativeTime(now, now)).toBe('just now');
    expect(relativeTime(now - 59_999, now)).toBe('just now');
    expect(relativeTime(now - minute, now)).toBe('1m ago');
    expect(relativeTime(now - hour + 1, now)).toBe('59m ago');
    expect(relativeTime(now - hour, now)).toBe('1h ago');
    expect(relativeTime(now - day, now)).toBe('1d ago');
    expect(relativeTime(now - 28 * day + 1, now)).toBe('27d ago');
    expect(relativeTime(now - 28 * day, now)).toBe(localDate(now - 28 * day));
  });

  test('a little ahead of this clock is now, further ahead is a date', () => {
    expect(relativeTime(now + 30_000, now)).toBe('just now');
    expect(relativeTime(now + day, now)).toBe('2026-11-22');
  });

  test('lengths are told in their two largest units', () => {
    expect(duration(250)).toBe('250 ms');
    expect(duration(5_000)).toBe('5s');
    expect(duration(90_000)).toBe('1m 30s');
    expect(duration(2 * hour)).toBe('2h');
    expect(duration(3 * day + 4 * hour + 5 * minute)).toBe('3d 4h');
  });
});

test('numbers are grouped, sizes scaled, nouns counted', () => {
  expect([999, 1000, 1_234_567].map(grouped)).toEqual(['999', '1,000', '1,234,567']);
  expect([0, 999, 1000, 999_999, 1_500_000, 1.2e9].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '1.0 MB',
    '1.5 MB',
    '1.2 GB',
  ]);
  expect([950, 12_345, 4_500_000].map(short)).toEqual(['950', '12.3k', '4.5M']);
  expect([countOf(1, 'file'), countOf(2, 'file'), countOf(0, 'file')]).toEqual(['1 file', '2 files', '0 files']);
});

describe('ids in short', () => {
  const hashed = (start: string) => `ses_${start.padEnd(22, 'x')}`;

  test('are the shortest start that no other has, twelve characters at least', () => {
    const ids = [hashed('aaaaaaaa1'), hashed('aaaaaaaa2'), hashed('b'), 'ses_short'];
    const short = shortIds(ids, true);
    expect([...short.values()].sort()).toEqual(['ses_aaaaaaaa1', 'ses_aaaaaaaa2', 'ses_bxxxxxxx', 'ses_short']);
    for (const id of ids)
      expect(
        matching(
          ids.map((each) => ({ id: each })),
          short.get(id)!,
        ),
      ).toEqual([{ id }]);
  });

  test('an id that is the start of another is kept whole', () => {
    const ids = ['ses_project_run', 'ses_project_run_2'];
    expect(shortIds(ids, true).get('ses_project_run_2')).toBe('ses_project_run_');
    expect(shortIds(ids, true).get('ses_project_run')).toBe('ses_project_run');
  });

  test('of an id that a client made nothing is cut while other sessions are not known', () => {
    expect(shortIds(['ses_my-agent-2026-11-21-0001'], false).get('ses_my-agent-2026-11-21-0001')).toHaveLength(28);
    expect(shortIds(['ses_my-agent-2026-11-21-0001'], true).get('ses_my-agent-2026-11-21-0001')).toBe('ses_my-agent');
    expect(shortId(hashed('abc'))).toHaveLength(12);
  });
});

describe('subagents', () => {
  const of = (id: string, parentId: string | null = null) => ({ id, parentId });
  const order = (sessions: { id: string; parentId: string | null }[]) =>
    underParents(sessions).map(({ session, depth }) => `${'-'.repeat(depth)}${session.id}`);

  test('stand under their parent, where the newest of the family stood', () => {
    expect(order([of('c1', 'p'), of('other'), of('p'), of('c2', 'p'), of('g', 'c1')])).toEqual([
      'p',
      '-c1',
      '--g',
      '-c2',
      'other',
    ]);
  });

  test('stand as a row of their own when their parent is not listed', () => {
    expect(order([of('c', 'gone'), of('a'), of('g', 'c')])).toEqual(['c', '-g', 'a']);
  });

  test('that name each other as parents are listed once and hang nothing', () => {
    expect(order([of('a', 'b'), of('b', 'a'), of('s', 's')])).toHaveLength(3);
  });
});

test('a folder below the home is shown with ~, one that only begins alike is not', () => {
  expect(shownPath('/home/me/src', '/home/me')).toBe('~/src');
  expect(shownPath('/home/me', '/home/me/')).toBe('~');
  expect(shownPath('/home/meg/src', '/home/me')).toBe('/home/meg/src');
  expect(shownPath('/home/me/\x1b[31mred', '/home/me')).toBe('~/red');
});

test('NO_COLOR wins over a terminal and FORCE_COLOR; a dumb terminal has no colours', () => {
  expect(wantsColor(true, {})).toBe(true);
  expect(wantsColor(false, {})).toBe(false);
  expect(wantsColor(true, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(false);
  expect(wantsColor(true, { NO_COLOR: '' })).toBe(true);
  expect(wantsColor(false, { FORCE_COLOR: '1' })).toBe(true);
  expect(wantsColor(true, { FORCE_COLOR: '0' })).toBe(false);
  expect(wantsColor(true, { TERM: 'dumb' })).toBe(false);
});

describe('the progress of a first read', () => {
  test('is told in files and bytes, and before any file is known as looking', () => {
    expect(progressText({ reading: true, files: 7500, filesDone: 120, bytesBehind: 1.2e9 })).toBe(
      '120 of 7,500 files, 1.2 GB to go',
    );
    expect(progressText({ reading: true, files: 0, filesDone: 0, bytesBehind: 0 })).toBe('looking for files');
  });

  test('sums what is there: a folder that is gone leaves nothing to read', () => {
    const source = { name: 's', kind: 's', path: '/p', sessions: 2, badRecords: 0, lastError: null };
    const here = { ...source, state: 'reading' as const, files: 4, filesDone: 1, bytesBehind: 10 };
    const gone = { ...here, state: 'absent' as const };
    expect(progressOf([gone, here, gone])).toEqual({ reading: true, files: 4, filesDone: 1, bytesBehind: 10 });
    expect(readSummary([gone, here])).toBe('read 4 transcripts: 2 sessions');
    expect(heldSummary([here])).toBe('2 sessions from 4 transcripts');
    expect(badHint([here], 'sessiond')).toEqual([]);
    const bad = { ...here, badRecords: 1 };
    expect(readSummary([bad])).toBe('read 4 transcripts: 2 sessions, 1 record not understood');
    expect(badHint([bad], 'sessiond')).toEqual(['Which records were not understood: sessiond logs --level warn']);
  });

  test('is drawn in one line that never reaches the edge', () => {
    const progress = { reading: true, files: 10, filesDone: 5, bytesBehind: 25 };
    expect(progressBar(progress, 0.75, 80)).toMatch(/^\[#{12}-{4}\] reading transcripts: 5 of 10 files/);
    for (let width = 1; width < 120; width += 1)
      expect(progressBar(progress, 0.5, width).length).toBeLessThan(Math.max(width, 2));
  });
});

describe('tools', () => {
  test('an input is told by its most telling member', () => {
    expect(inputSummary({ description: 'why', command: 'git\nstatus' })).toBe('git status');
    expect(inputSummary({ command: ['bash', '-lc', 'ls'] })).toBe('bash -lc ls');
    expect(inputSummary({ a: 1 })).toBe('{"a":1}');
    expect(inputSummary({})).toBe('');
    expect(inputSummary(undefined)).toBe('');
  });

  test('a tool is told by its command, and by its main argument where its title is no more than its name', () => {
    const tool = (given: object) =>
      toolSummary({ type: 'tool', callId: 'c', tool: 'run_shell_command', state: 'completed', ...given });
    const summary = (given: object) => tool(given).slice('run_shell_command completed'.length);
    expect(summary({ title: 'List files', input: { command: 'ls -F', description: 'List files' } })).toBe(': ls -F');
    expect(summary({ title: 'ReadFile', input: { file_path: '/a' } })).toBe(': /a');
    expect(summary({ title: 'read the file', input: { file_path: '/a' } })).toBe(': read the file');
    expect(summary({ title: 'ReadFile', input: { other: 1 } })).toBe(': ReadFile');
    const patch = '*** Begin Patch\n*** Update File: src/a.ts\n@@\n-x\n*** Add File: b.ts\n+y\n*** End Patch';
    expect(summary({ input: patch })).toBe(': a.ts, b.ts');
    expect(summary({ input: { input: patch } })).toBe(': a.ts, b.ts');
  });

  test('an input is told whole with a member on each line, an output as the texts in it', () => {
    expect(inputText({ command: 'npm test', env: { A: '1' }, script: 'a\nb' })).toBe(
      'command: npm test\nenv:\n{\n  "A": "1"\n}\nscript:\na\nb',
    );
    expect(inputText('as it is')).toBe('as it is');
    expect(
      outputText([
        { type: 'text', text: 'x' },
        { type: 'text', text: 'y' },
      ]),
    ).toBe('x\ny');
    expect(outputText({ a: 1 })).toBe('{\n  "a": 1\n}');
  });
});
