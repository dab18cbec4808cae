// Codex's rollouts: `sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl` below CODEX_HOME, and the same below
// `archived_sessions`. The key is the thread's id, so that a file that is archived, moved, compressed or migrated to
// another history mode stays the same session (FORMATS.md 3.2).
import { isAbsolute, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { readRollout } from './codex/read.ts';
import { agent } from './codex/session.ts';

const tops = new Set(['sessions', 'archived_sessions']);
const rollout = /^rollout-(?:.*-)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl(\.zst)?$/i;

export function codexSource(codexPath: string): Source {
  return {
    kind: agent,
    path: codexPath,
    version: 3,
    identify: (path) => identify(codexPath, path),
    // Much else lies in that folder: databases, logs, a copy of every plugin.
    enters: (folder) => folder === codexPath || tops.has(topOf(codexPath, folder)),
    read: readRollout,
  };
}

function identify(codexPath: string, path: string): Place | undefined {
  if (!tops.has(topOf(codexPath, path))) return undefined;
  const [, threadId, zst] = rollout.exec(path.slice(path.lastIndexOf(sep) + 1)) ?? [];
  if (threadId === undefined) return undefined;
  const place = { reading: 'lines', sessionKey: threadId.toLowerCase() } as const;
  return zst === undefined ? place : { ...place, compressed: 'zstd' };
}

/** The folder of Codex's that this path is in. */
function topOf(codexPath: string, path: string): string {
  const inside = relative(codexPath, path);
  return isAbsolute(inside) ? '' : (inside.split(sep)[0] ?? '');
}
