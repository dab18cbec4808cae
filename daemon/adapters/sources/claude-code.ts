// Claude Code's transcripts: `<projects>/<folder>/<sessionId>.jsonl`, and those of its subagents. The same file, read anew
// or in other bites, gives puts that change nothing: keys and contents depend on the lines alone (FORMATS.md 3.1).
import { basename, isAbsolute, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { readTranscript } from './claude-code/read.ts';

export function claudeCodeSource(projectsPath: string): Source {
  return {
    kind: 'claude-code',
    path: projectsPath,
    version: 4,
    identify: (path) => identify(projectsPath, path),
    enters: (folder) => basename(folder) !== 'tool-results',
    read: readTranscript,
  };
}

/** A session's key is its file's stem, a subagent's `<key of its parent>/agent-<id>`. */
function identify(projectsPath: string, path: string): Place | undefined {
  const inside = relative(projectsPath, path);
  const folders = inside.split(sep);
  const file = folders.pop() ?? '';
  if (isAbsolute(inside) || folders[0] === '..' || folders.includes('tool-results')) return undefined;
  if (!file.endsWith('.jsonl') || file === '.jsonl' || file === 'history.jsonl') return undefined;
  const stem = file.slice(0, -'.jsonl'.length);
  const subagents = folders.indexOf('subagents');
  const inSession = subagents > 0 ? [folders[subagents - 1], ...folders.slice(subagents + 1), stem].join('/') : stem;
  return { reading: 'lines', sessionKey: inSession };
}
