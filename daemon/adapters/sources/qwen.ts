// Qwen Code's transcripts: `<path>/projects/<slug>/chats/<sessionId>.jsonl`, or `chats/archive/` once archived. Lines are
// appended and each says all of itself (FORMATS.md 3.5).
import { isAbsolute, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { keyIn } from '../kit/session-key.ts';
import { readTranscript } from './qwen/read.ts';
import { agent } from './qwen/session.ts';

export function qwenSource(qwenPath: string): Source {
  return {
    kind: agent,
    path: qwenPath,
    version: 2,
    identify: (path) => identify(qwenPath, path),
    enters: (folder) => isEntered(foldersOf(qwenPath, folder)),
    read: readTranscript,
  };
}

/** A session's key is its file's stem; archiving moves the file to a folder below. */
function identify(qwenPath: string, path: string): Place | undefined {
  const folders = foldersOf(qwenPath, path);
  const file = folders?.pop();
  if (file === undefined || folders?.[2] !== 'chats' || !isEntered(folders)) return undefined;
  if (!file.endsWith('.jsonl') || file === '.jsonl') return undefined;
  return { reading: 'lines', sessionKey: keyIn(folders[1] as string, file.slice(0, -'.jsonl'.length)) };
}

/** The names on the way from the source's folder; undefined for what is not below it. */
function foldersOf(qwenPath: string, path: string): string[] | undefined {
  const inside = relative(qwenPath, path);
  if (isAbsolute(inside)) return undefined;
  const folders = inside === '' ? [] : inside.split(sep);
  return folders[0] === '..' ? undefined : folders;
}

function isEntered(folders: string[] | undefined): boolean {
  return folders !== undefined && (folders[0] ?? 'projects') === 'projects' && (folders[2] ?? 'chats') === 'chats';
}
