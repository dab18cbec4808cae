// Gemini CLI's transcripts, below `~/.gemini/tmp/<project>/chats`: up to 0.20 one document for each session, rewritten each
// time; later lines that are appended, and a file for each subagent in a folder named for its parent (FORMATS.md 3.4).
import { isAbsolute, relative, sep } from 'node:path';
import type { Place, Source } from '../adapter.ts';
import { keyIn } from '../kit/session-key.ts';
import { readDocument, readTranscript } from './gemini/read.ts';
import { agent } from './gemini/session.ts';

export function geminiSource(geminiPath: string): Source {
  return {
    kind: agent,
    path: geminiPath,
    version: 2,
    identify: (path) => identify(geminiPath, path),
    enters: (folder) => isEntered(foldersOf(geminiPath, folder)),
    read: readTranscript,
    readDocument,
  };
}

/**
 * The same session has the same key as a document and as lines, since a resume writes `<file>l` beside the document. A
 * subagent's is in a folder named for its parent; of any other the content tells the whole id (see factsOf).
 */
function identify(geminiPath: string, path: string): Place | undefined {
  const folders = foldersOf(geminiPath, path);
  const file = folders?.pop();
  if (folders === undefined || file === undefined || folders[2] !== 'chats' || !isEntered(folders)) return undefined;
  const [, stem, extension] = /^(.+)\.(jsonl?)$/.exec(file) ?? [];
  if (stem === undefined) return undefined;
  const [, project = '', , parent, ...inner] = folders;
  if (parent !== undefined) {
    const sessionKey = [keyIn(project, parent), ...inner, stem].join('/');
    return extension === 'jsonl' ? { reading: 'lines', sessionKey } : undefined;
  }
  if (!stem.startsWith('session-')) return undefined;
  return { reading: extension === 'jsonl' ? 'lines' : 'document', sessionKey: keyIn(project, stem) };
}

/** The names on the way from the source's folder; undefined for what is not below it. */
function foldersOf(geminiPath: string, path: string): string[] | undefined {
  const inside = relative(geminiPath, path);
  if (isAbsolute(inside)) return undefined;
  const folders = inside === '' ? [] : inside.split(sep);
  return folders[0] === '..' ? undefined : folders;
}

function isEntered(folders: string[] | undefined): boolean {
  return folders !== undefined && (folders[0] ?? 'tmp') === 'tmp' && (folders[2] ?? 'chats') === 'chats';
}
