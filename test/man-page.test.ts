// The man page that the build makes.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verbs } from '../cli/verbs.ts';
import { dist } from './support/build.ts';

const page = join(dist, 'sessiond.1');

test('the page is roff without a warning, and shows every verb, exit code and file', () => {
  const { status, stdout, stderr } = spawnSync('groff', ['-ww', '-man', '-Tutf8', '-P-cbou', page], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const verb of Object.keys(verbs)) expect(stdout).toMatch(new RegExp(`^   ${verb}\\b`, 'm'));
  for (const text of [
    'source add KIND PATH',
    'outbox [COMMAND]',
    '--level <LEVEL>',
    '--no-spawn',
    'SESSIOND_SOCKET',
    'sessiond.log',
  ]) {
    expect(stdout).toContain(text);
  }
  expect(stdout).toMatch(/^EXIT STATUS\n.*^ +0 +ok\n.*^ +7 +busy or locked\n/ms);
  expect(stdout).toMatch(/^ +sessiond ls --json \| jq -r '\.\[\]\.title'$/m);
});

test('every option that a verb takes is in the page', () => {
  const text = execFileSync('groff', ['-man', '-Tutf8', '-P-cbou', page], { encoding: 'utf8' });
  const help = execFileSync(process.execPath, [join(dist, 'cli.js'), 'logs', '--help'], { encoding: 'utf8' });
  const options = [...help.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map((match) => match[1]!);
  expect(options).toEqual(expect.arrayContaining(['--follow', '--last', '--level', '--json', '--no-spawn']));
  for (const option of options) expect(text).toContain(option);
});

test('a command in the page stands whole on one line, as it is typed', () => {
  const groff = (width: number) =>
    execFileSync('groff', ['-man', '-Tutf8', '-P-cbou', `-rLL=${width}n`, page], { encoding: 'utf8' });
  for (const width of [60, 78, 100]) {
    expect(groff(width)).toMatch(/^ +sessiond rpc subscriber\/remove '\{"name":"NAME"\}'$/m);
    expect(groff(width)).not.toMatch(/\u2010$/m);
  }
});
