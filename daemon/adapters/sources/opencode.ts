// opencode's sessions, in both of its formats: the tree of JSON documents up to 1.1, `storage/{session,message,part}/…`, and
// the SQLite database since 1.2, `opencode.db`. A record has the same key in both, so that what opencode migrated from the
// one to the other is there once (FORMATS.md 3.3). Its todo lists are left out.
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { openDatabase } from './opencode/database.ts';
import { readDocument } from './opencode/document.ts';
import { readRecords } from './opencode/records.ts';

export function opencodeSource(path: string): Source {
  return {
    kind: 'opencode',
    path,
    version: 1,
    identify: (file) => identify(path, file),
    enters: (folder) => enters(path, folder),
    read: (_transcript, _lines, state) => ({ ops: [], state, badRecords: 0 }),
    readDocument: (transcript, text, held) => readDocument(kindOf(path, transcript.path), transcript, text, held),
    openDatabase,
    readRecords,
  };
}

/** Released versions write `opencode.db`, those of another channel `opencode-<channel>.db`. */
const databaseFile = /^(opencode(?:-[\w.-]+)?\.db)(?:-wal)?$/;
/** In the order in which they are needed; ids ascend with time. */
const kinds = ['session', 'message', 'part'];

/** A part's path names its message only; its session is told by its content (see readDocument). */
function identify(path: string, file: string): Place | undefined {
  const [first, kind, owner, name, ...deeper] = inside(path, file);
  if (first === undefined) return undefined;
  if (kind === undefined) {
    const database = databaseFile.exec(first)?.[1];
    return database === undefined ? undefined : { reading: 'database', path: join(path, database) };
  }
  if (first !== 'storage' || !kinds.includes(kind) || !owner || !name || deeper.length > 0) return undefined;
  if (!name.endsWith('.json') || name === '.json') return undefined;
  const sessionKey = kind === 'session' ? name.slice(0, -'.json'.length) : owner;
  return { reading: 'document', sessionKey, order: `${kinds.indexOf(kind)}/${owner}/${name}` };
}

/** Snapshots, logs and the like are huge. */
function enters(path: string, folder: string): boolean {
  const [first, kind] = inside(path, folder);
  return folder === path || (first === 'storage' && (kind === undefined || kinds.includes(kind)));
}

/** `session`, `message` or `part`: what kind of record a document of the tree holds. */
const kindOf = (path: string, file: string) => inside(path, dirname(file))[1];

/** The names of the folders and of the file below `path`; none for what is not below it. */
function inside(path: string, file: string): string[] {
  const below = relative(path, file);
  const names = below.split(sep);
  return below === '' || isAbsolute(below) || names[0] === '..' ? [] : names;
}
