// Enforces the rooms of the code: who may import whom, dynamic imports, requires and re-exports too. Arrows point down
// only. Prints what to do instead; exits 1 when anything is wrong. `--root DIR` checks another tree (for its own test).
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

type Room = {
  name: string;
  /** Files of the room, as prefixes of paths below the root. The first room that fits is the file's. */
  files: string[];
  /** Rooms it may import, beside itself. */
  rooms: string[];
  /** Packages it may import; `node:*` stands for all of Node's own. */
  packages: string[];
  instead: string;
};

/** DESIGN.md, "Rooms". The order is that of the search: the more particular first. */
const rooms: Room[] = [
  {
    name: 'protocol/node',
    files: ['protocol/node/'],
    rooms: ['protocol'],
    packages: ['node:*', 'ws'],
    instead: 'protocol/node is what Node clients need: it stands on protocol/, node:* and ws alone',
  },
  {
    name: 'protocol',
    files: ['protocol/'],
    rooms: [],
    packages: ['zod', 'json-rpc-2.0'],
    instead: 'protocol/ is bundled for browsers and knows nothing of the daemon: put Node code into protocol/node/',
  },
  {
    name: 'adapter',
    files: ['daemon/adapters/adapter.ts', 'daemon/adapters/ids.ts'],
    rooms: ['protocol'],
    packages: ['node:crypto'],
    instead: 'the adapter interface stands on protocol/ alone',
  },
  {
    name: 'sinks',
    files: ['daemon/adapters/sinks/'],
    rooms: ['protocol', 'protocol/node', 'adapter'],
    packages: ['capnweb', 'node:fs', 'node:fs/promises', 'node:http', 'node:https', 'node:path', 'node:url'],
    instead:
      'sinks bring to other programs what they are handed (adapters/adapter.ts): no store, and a clock as an argument',
  },
  {
    name: 'adapters',
    files: ['daemon/adapters/'],
    rooms: ['protocol', 'adapter'],
    packages: ['node:path', 'node:crypto'],
    instead: 'adapters turn text into puts and ask the record through `Held` (adapters/adapter.ts): no I/O, no store',
  },
  {
    name: 'core',
    files: ['daemon/core/'],
    rooms: ['protocol'],
    packages: ['node:util'],
    instead: 'core/ is pure: take what you need as an argument (records.ts, Context in decide.ts)',
  },
  {
    name: 'store',
    files: ['daemon/store/'],
    rooms: ['protocol', 'core'],
    packages: ['better-sqlite3', 'node:crypto', 'node:fs', 'node:path', 'node:url'],
    instead: 'store/ knows SQLite and the records; flow belongs into engine/',
  },
  {
    name: 'engine',
    files: ['daemon/engine/'],
    rooms: ['protocol', 'core', 'store', 'adapter'],
    packages: [
      'chokidar',
      'fzstd',
      'canonicalize',
      'node:crypto',
      'node:events',
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:timers/promises',
      'node:v8',
      'node:vm',
      'node:worker_threads',
    ],
    instead: 'engine/ gets adapters as a Source or Sink and never by name; who asks is not for it to know',
  },
  {
    name: 'serve',
    files: ['daemon/serve/'],
    rooms: ['protocol', 'engine'],
    packages: [
      'json-rpc-2.0',
      'zod',
      'hono',
      'hono/utils/cookie',
      '@hono/node-server',
      '@hono/node-server/utils/response',
      'ws',
      'node:crypto',
      'node:events',
      'node:fs',
      'node:http',
      'node:https',
      'node:net',
      'node:path',
      'node:stream',
    ],
    instead: 'serve/ asks the engine: what it reads of the record comes through engine/reads.ts',
  },
  {
    name: 'daemon',
    files: ['daemon/'],
    rooms: ['protocol', 'protocol/node', 'adapter', 'adapters', 'sinks', 'core', 'store', 'engine', 'serve'],
    packages: ['zod', 'smol-toml', 'pino', 'node:*'],
    instead: 'the wiring may import every room of the daemon, and none of the CLI',
  },
  {
    name: 'cli',
    files: ['cli/'],
    rooms: ['protocol', 'protocol/node'],
    packages: ['commander', 'string-width', 'node:*'],
    instead: 'cli/ speaks through protocol/client.ts like any client; what needs SQL runs in the daemon',
  },
  {
    name: 'scripts',
    files: ['scripts/', 'vitest.config.ts'],
    rooms: [
      'protocol',
      'protocol/node',
      'store',
      'daemon',
      'adapters',
      'sinks',
      'adapter',
      'core',
      'engine',
      'serve',
      'cli',
      'test',
    ],
    packages: ['*'],
    instead: '',
  },
  {
    name: 'test',
    files: ['test/'],
    rooms: [
      'protocol',
      'protocol/node',
      'store',
      'daemon',
      'adapters',
      'sinks',
      'adapter',
      'core',
      'engine',
      'serve',
      'cli',
      'scripts',
    ],
    packages: ['*'],
    instead: '',
  },
];

/** Packages that single files may import beside those of their room. */
const exceptions: { file: string; packages: string[]; why: string }[] = [
  {
    file: 'daemon/adapters/sources/opencode/database.ts',
    packages: ['better-sqlite3'],
    why: 'it reads the database of another program, and never ours: "no SQL outside store/" is about our store',
  },
  {
    file: 'daemon/engine/store-tasks.ts',
    packages: ['node:child_process'],
    why: 'what reads all of the store in one call must be ended in the midst of it, which a thread cannot be',
  },
  {
    file: 'daemon/engine/mask-preset.ts',
    packages: ['@secretlint/secretlint-rule-preset-recommend'],
    why: 'only the worker that masks loads it',
  },
];

/** Rules beside the arrows: a text that only the named files may hold. */
const texts: { pattern: RegExp; only: string[]; below: string[]; why: string }[] = [
  {
    pattern: /\bprocess\.env\b/,
    only: ['daemon/main.ts', 'protocol/node/paths.ts', 'cli/process-context.ts'],
    below: ['daemon/', 'protocol/', 'cli/'],
    why: 'the environment is read in main.ts, process-context.ts and paths.ts only: take it as an argument',
  },
  {
    pattern: /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval)\b/,
    only: ['daemon/engine/runtime.ts'],
    below: ['daemon/'],
    why: 'clock, timers and randomness come from engine/runtime.ts, so that tests advance them by hand',
  },
];

function roomOf(file: string): Room | undefined {
  return rooms.find((room) => room.files.some((prefix) => file === prefix || file.startsWith(prefix)));
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ['node_modules', 'dist', '.git', 'fixtures'].includes(entry.name) ? [] : sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

/** What the text of a file says that it imports. */
function importsIn(root: string, path: string): Set<string> {
  const text = withoutComments(readFileSync(path, 'utf8'));
  const found = new Set<string>();
  for (const match of text.matchAll(/^\s*(?:import|export)\s[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]/gm))
    found.add(match[1]!);
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) found.add(match[1]!);
  for (const match of text.matchAll(/\bimport\(\s*([^'"\s)][^)]*)\)/g)) {
    // `run` becomes the daemon: it has the built bundle loaded, which is a program and none of the rooms.
    if (relative(root, path) !== 'cli/launch.ts') found.add(`(computed: ${match[1]})`);
  }
  return found;
}

/** Everything that files import. esbuild drops what is a type only, so those are read from the text. */
async function importsOf(root: string, paths: string[]): Promise<Map<string, Set<string>>> {
  const found = new Map(paths.map((path) => [path, importsIn(root, path)]));
  await build({
    entryPoints: paths,
    bundle: true,
    write: false,
    outdir: join(root, 'nowhere'),
    logLevel: 'silent',
    platform: 'node',
    format: 'esm',
    plugins: [
      {
        name: 'record',
        setup(bundler) {
          bundler.onResolve({ filter: /.*/ }, (asked) => {
            if (asked.kind === 'entry-point') return undefined;
            found.get(asked.importer)?.add(asked.path);
            return { path: asked.path, external: true };
          });
        },
      },
    ],
  });
  return found;
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
}

function packageAllowed(room: Room, file: string, name: string): boolean {
  if (exceptions.some((exception) => exception.file === file && exception.packages.includes(name))) return true;
  if (room.packages.includes('*') || room.packages.includes(name)) return true;
  return name.startsWith('node:') && room.packages.includes('node:*');
}

/** Looks at all files below `root`. `lines`: what is wrong, and what to do instead; the last one tells how much. */
export async function checkRooms(root: string): Promise<{ passed: boolean; lines: string[] }> {
  const problems: string[] = [];
  const files = sourceFiles(root);
  const imports = await importsOf(root, files);
  for (const path of files) {
    const file = relative(root, path);
    const room = roomOf(file);
    if (!room) {
      problems.push(`${file}: belongs to no room; see the table in scripts/check-rooms.ts`);
      continue;
    }
    for (const imported of imports.get(path)!) {
      if (imported.startsWith('.')) {
        const target = relative(root, resolve(dirname(path), imported));
        const other = roomOf(target);
        if (other && (other === room || room.rooms.includes(other.name))) continue;
        // Tests hold code of other trees as text.
        if (!other && room.name === 'test') continue;
        problems.push(`${file}: ${room.name} may not import ${target} (${other?.name ?? 'no room'}). ${room.instead}.`);
      } else if (!packageAllowed(room, file, imported)) {
        problems.push(`${file}: ${room.name} may not import ${imported}. ${room.instead}.`);
      }
    }
    const text = withoutComments(readFileSync(path, 'utf8'));
    for (const rule of texts) {
      if (!rule.below.some((prefix) => file.startsWith(prefix)) || rule.only.includes(file)) continue;
      const found = rule.pattern.exec(text);
      if (found) problems.push(`${file}: ${found[0]}: ${rule.why}.`);
    }
  }
  if (problems.length === 0) return { passed: true, lines: [`rooms: ${files.length} files, all arrows point down`] };
  return { passed: false, lines: [...problems, '', `rooms: ${problems.length} wrong in ${files.length} files`] };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { root: { type: 'string' } } });
  const { passed, lines } = await checkRooms(resolve(values.root ?? dirname(import.meta.dirname)));
  (passed ? console.log : console.error)(lines.join('\n'));
  process.exitCode = passed ? 0 : 1;
}
