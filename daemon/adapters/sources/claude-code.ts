// Claude Code's transcripts: `<projects>/<folder>/<sessionId>.jsonl`, and those of its subagents. The same file, read anew
// or in other bites, gives puts that change nothing: keys and contents depend on the lines alone (FORMATS.md 3.1).
import { basename, isAbsolute, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { keyIn } from '../kit/session-key.ts';
import { readTranscript } from './claude-code/read.ts';

export function claudeCodeSource(projectsPath: string): Source {
  return {
    kind: 'claude-code',
    path: projectsPath,
    version: 5,
    identify: (path) => identify(projectsPath, path),
    enters: (folder) => basename(folder) !== 'tool-results',
    read: readTranscript,
  };
}

/**
 * A session's key is its file's stem, a subagent's `<key of its parent>/agent-<id>`. Older versions write that file beside
 * its parent's: then its lines tell the parent (see factsOf).
 */
function identify(projectsPath: string, path: string): Place | undefined {
  const inside = relative(projectsPath, path);
  const folders = inside.split(sep);
  const file = folders.pop() ?? '';
  if (isAbsolute(inside) || folders[0] === '..' || folders.includes('tool-results')) return undefined;
  if (!file.endsWith('.jsonl') || file === '.jsonl' || file === 'history.jsonl') return undefined;
  const stem = file.slice(0, -'.jsonl'.length);
  const subagents = folders.indexOf('subagents');
  if (subagents < 1) return { reading: 'lines', sessionKey: keyIn(folders.join(':'), stem) };
  const parentKey = keyIn(folders.slice(0, subagents - 1).join(':'), folders[subagents - 1] as string);
  return { reading: 'lines', sessionKey: [parentKey, ...folders.slice(subagents + 1), stem].join('/') };
}
