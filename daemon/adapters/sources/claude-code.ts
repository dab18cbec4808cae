// Claude Code's transcripts: `<projects>/<folder>/<sessionId>.jsonl`, and those of its subagents. The same file, read anew
// or in other bites, gives puts that change nothing: keys and contents depend on the lines alone (FORMATS.md 3.1).
import { isAbsolute, relative, sep } from 'node:path';
import type { Source } from '../adapter.ts';
import { readTranscript } from './claude-code/read.ts';

export function claudeCodeSource(projectsPath: string): Source {
  return {
    kind: 'claude-code',
    path: projectsPath,
    identify: (path) => identify(projectsPath, path),
    read: readTranscript,
  };
}

/** A session's key is its file's stem, a subagent's `<key of its parent>/agent-<id>`. */
function identify(projectsPath: string, path: string): string | undefined {
  const inside = relative(projectsPath, path);
  const folders = inside.split(sep);
  const file = folders.pop() ?? '';
  if (isAbsolute(inside) || folders[0] === '..' || folders.includes('tool-results')) return undefined;
  if (!file.endsWith('.jsonl') || file === '.jsonl' || file === 'history.jsonl') return undefined;
  const stem = file.slice(0, -'.jsonl'.length);
  const subagents = folders.indexOf('subagents');
  return subagents > 0 ? [folders[subagents - 1], ...folders.slice(subagents + 1), stem].join('/') : stem;
}
