// scripts/check-rooms.ts on small trees with one wrong arrow of each kind, and on this repository.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRooms } from '../scripts/check-rooms.ts';
import { root } from './support/build.ts';
import { testFolder } from './support/daemon.ts';

/** A tree of these files. */
function treeOf(files: Record<string, string>): string {
  const folder = testFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const check = (files: Record<string, string>) => checkRooms(treeOf(files));

/** Runs the check as `npm test` does. */
function run(...args: string[]) {
  const command = [join(root, 'scripts/check-rooms.ts'), ...args];
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/tsx'), command, { encoding: 'utf8' });
  return { code: status, lines: `${stdout}${stderr}`.trim().split('\n') };
}

const journal = { 'daemon/store/journal.ts': 'export class Journal {}\nexport type Row = string;\n' };

describe('check-rooms', () => {
  it('passes on the repository', () => {
    const { code, lines } = run();
    expect(lines.join('\n')).toMatch(/^rooms: \d+ files, all arrows point down$/);
    expect(code).toBe(0);
  });

  it('exits with 1 on a tree with a wrong arrow, and says which', () => {
    const { code, lines } = run('--root', treeOf({ 'lib/wrong.ts': 'export const a = 1;' }));
    expect(code).toBe(1);
    expect(lines[0]).toContain('lib/wrong.ts: belongs to no room');
    expect(lines.at(-1)).toBe('rooms: 1 wrong in 1 files');
  });

  it.each([
    ['a static import', "import { Journal } from '../store/journal.ts';\nnew Journal();"],
    ['an import over several lines', "import {\n  Journal,\n} from '../store/journal.ts';\nnew Journal();"],
    ['an import for its effect', "import '../store/journal.ts';"],
    ['a dynamic import', "export const load = () => import('../store/journal.ts');"],
    ['a re-export of names', "export { Journal } from '../store/journal.ts';"],
    ['a re-export of all', "export * from '../store/journal.ts';"],
    ['a re-export under a name', "export * as journal from '../store/journal.ts';"],
    ['a type import', "import type { Row } from '../store/journal.ts';\nexport const a: Row = '';"],
    ['a type re-export', "export type { Row } from '../store/journal.ts';"],
    ['a require', "export const a = require('../store/journal.ts');"],
  ])('reports %s that points up, and what to do instead', async (_name, text) => {
    const { passed, lines } = await check({ ...journal, 'daemon/core/wrong.ts': text });
    expect(passed).toBe(false);
    expect(lines[0]).toBe(
      'daemon/core/wrong.ts: core may not import daemon/store/journal.ts (store). ' +
        'core/ is pure: take what you need as an argument (records.ts, Context in decide.ts).',
    );
    expect(lines.at(-1)).toBe('rooms: 1 wrong in 2 files');
  });

  it.each([
    ['a type import among others', "import { type Row } from '../store/journal.ts';\nexport const a: Row = '';"],
    ['a type in an import expression', "export const a: import('../store/journal.ts').Row = '';"],
  ])('reports %s that points up', async (_name, text) => {
    expect((await check({ ...journal, 'daemon/core/wrong.ts': text })).passed).toBe(false);
  });

  it.each([
    ['protocol/wrong.ts', "import { readFileSync } from 'node:fs';\nreadFileSync('');", 'node:fs', 'protocol/node/'],
    [
      'daemon/serve/wrong.ts',
      "import Database from 'better-sqlite3';\nnew Database('');",
      'better-sqlite3',
      'engine/reads.ts',
    ],
    ['cli/wrong.ts', "import { pino } from 'pino';\npino();", 'pino', 'protocol/client.ts'],
    [
      'daemon/core/wrong.ts',
      "import type { Server } from 'node:net';\nexport type S = Server;",
      'node:net',
      'core/ is pure',
    ],
  ])('reports in %s a package that its room may not have', async (path, text, name, instead) => {
    const { passed, lines } = await check({ [path]: text });
    expect(passed).toBe(false);
    expect(lines[0]).toContain(`${path}: `);
    expect(lines[0]).toContain(`may not import ${name}`);
    expect(lines[0]).toContain(instead);
  });

  it.each([
    ['process.env', 'export const home = process.env.HOME;', 'main.ts, process-context.ts and paths.ts'],
    ['Date.now', 'export const now = Date.now();', 'engine/runtime.ts'],
    ['Math.random', 'export const any = Math.random();', 'engine/runtime.ts'],
    ['setTimeout', 'setTimeout(() => {}, 1);', 'engine/runtime.ts'],
  ])('reports %s outside its files', async (name, text, instead) => {
    const { passed, lines } = await check({ 'daemon/engine/wrong.ts': text });
    expect(passed).toBe(false);
    expect(lines[0]).toContain(`daemon/engine/wrong.ts: ${name}: `);
    expect(lines[0]).toContain(instead);
  });

  it('reports an import whose target is computed, and a file that belongs to no room', async () => {
    const computed = await check({ 'daemon/core/wrong.ts': 'export const load = (name: string) => import(name);' });
    expect(computed.passed).toBe(false);
    expect(computed.lines[0]).toContain('computed: name');
    const homeless = await check({ 'lib/wrong.ts': 'export const a = 1;' });
    expect(homeless.lines[0]).toContain('lib/wrong.ts: belongs to no room');
  });

  it('reports every one of many, and passes over comments and what points down', async () => {
    const wrong = "import '../store/journal.ts';\nexport * from '../engine/feed.ts';\n";
    const { lines } = await check({ ...journal, 'daemon/engine/feed.ts': '', 'daemon/core/wrong.ts': wrong });
    expect(lines.slice(0, 2).join()).toMatch(/engine.feed.*store.journal|store.journal.*engine.feed/);
    expect(lines.at(-1)).toContain('2 wrong');
    const right =
      "// process.env and Date.now() stand here\nimport { Journal } from '../store/journal.ts';\nnew Journal();\n";
    expect((await check({ ...journal, 'daemon/engine/right.ts': right })).passed).toBe(true);
  });
});
