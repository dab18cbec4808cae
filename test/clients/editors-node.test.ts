// The guide's snippets for Node and VS Code, run as they stand there; both import the package by its name.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../support/build.ts';
import { startProgram } from '../support/cli.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';

const request = (question: string) => ({ questions: [{ question, header: 'h', options: [{ label: 'yes' }] }] });

it('the Node snippet prints what waits, and what is asked after the daemon was killed and is back, each once', async () => {
  const home = testHome();
  const first = await startDaemon(home);
  const before = await connectTo(home);
  await before.call('session/create', { sessionId: 'ses_a', title: 'Tour 🚲' });
  await before.call('blocker/ask', { sessionId: 'ses_a', kind: 'question', request: request('the first?') });

  const program = startProgram(home, [join(root, 'cli/editors/node.mjs')]);
  await program.until('the first question', (stdout) => stdout.includes('the first?'));
  await before.call('blocker/ask', { sessionId: 'ses_a', kind: 'question', request: request('the second?') });
  await program.until('the second question', (stdout) => stdout.includes('the second?'));
  await first.kill('SIGKILL');
  await startDaemon(home);
  const after = await connectTo(home);
  await after.call('blocker/ask', { sessionId: 'ses_a', kind: 'question', request: request('the third 𝄞?') });
  await program.until('the third question', (stdout) => stdout.includes('the third 𝄞?'));

  const lines = program.stdout().trimEnd().split('\n');
  expect(lines.map((line) => /^Tour 🚲: question blk_\S+ .*"question":"([^"]+)"/.exec(line)?.[1])).toEqual([
    'the first?',
    'the second?',
    'the third 𝄞?',
  ]);
  expect(program.stderr()).toContain('sessiond: offline');
});

/** What of VS Code's API the extension asks for, told on stdout; the types of the real one are checked below. */
const standIn = `
const item = { text: '', tooltip: '', show() { console.log(item.text + ' | ' + item.tooltip); }, dispose() {} };
exports.window = { createStatusBarItem: () => item };
`;
const host = (extension: string) => `
const subscriptions = [];
require(${JSON.stringify(extension)}).activate({ subscriptions });
process.stdin.on('end', () => { for (const each of subscriptions) each.dispose(); }).resume();
`;

it('the VS Code extension counts what waits, tells when the daemon is gone, and ends when it is disposed', async () => {
  const home = testHome();
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  await client.call('session/create', { sessionId: 'ses_a' });
  mkdirSync(join(home.folder, 'modules/vscode'), { recursive: true });
  writeFileSync(join(home.folder, 'modules/vscode/index.js'), standIn);
  const program = join(home.folder, 'host.cjs');
  writeFileSync(program, host(join(root, 'cli/editors/vscode.cjs')));
  home.env.NODE_PATH = join(home.folder, 'modules');

  const running = startProgram(home, [program], { stdin: true });
  const shows = (line: string) => running.until(line, (stdout) => stdout.includes(`${line}\n`));
  await shows('$(bell) 0 | ');
  const { ids } = await client.call('blocker/ask', { sessionId: 'ses_a', kind: 'question', request: request('go?') });
  await shows(`$(bell) 1 | question ${ids.blockerId}`);
  await daemon.kill('SIGKILL');
  await running.until('the daemon to be missed', (stdout) =>
    /debug-disconnect\) sessiond \| question blk_\S+\n$/.test(stdout),
  );
  await startDaemon(home);
  const later = await connectTo(home);
  await later.call('blocker/answer', { sessionId: 'ses_a', blockerId: ids.blockerId!, answer: { answers: [['yes']] } });
  await running.until('nothing to wait', (stdout) => stdout.endsWith('$(bell) 0 | \n'));
  running.process.stdin!.end();
  expect((await running.exit).code).toBe(0);
});

it("the VS Code extension fits VS Code's types", () => {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      ...{ allowJs: true, checkJs: true, noImplicitAny: false, types: ['node', 'vscode'] },
      typeRoots: [join(root, 'node_modules/@types')],
      // The package's own types are made when it is packed (package.test.ts); these are what they are made of.
      paths: { sessiond: [join(root, 'protocol/node/exports.ts')] },
    },
    include: [],
    files: [join(root, 'cli/editors/vscode.cjs')],
  };
  const project = join(testHome().folder, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(config));
  const tsc = join(root, 'node_modules/.bin/tsc');
  expect(execFileSync(tsc, ['-p', project], { cwd: root, encoding: 'utf8' })).toBe('');
});
