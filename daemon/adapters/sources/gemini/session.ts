// What a transcript of Gemini CLI says of its session: its id, where it runs, whose subagent it is.
import type { Conversation } from '../../kit/conversation.ts';
import type { Facts } from '../../kit/facts.ts';
import { findPartText } from '../../kit/genai.ts';
import { type Fields, findText, type Json } from '../../kit/json.ts';
import { keyIn, splitKey } from '../../kit/session-key.ts';

export const agent = 'gemini';

/** The key of the parent, for a subagent's key: that of the session which its folder is named for. */
export function parentKeyOf(sessionKey: string): string | undefined {
  const slash = sessionKey.lastIndexOf('/');
  return slash < 0 ? undefined : sessionKey.slice(0, slash);
}

/**
 * The key by the whole id, of which the file's name, `session-<YYYY-MM-DDTHH-MM>-<first 8 of its id>`, holds too little.
 * Undefined where the id is not that of the file: one that was copied under another name is a session of its own.
 */
function wholeKeyOf(sessionKey: string, id: string | undefined): string | undefined {
  const [stem, project] = splitKey(sessionKey);
  const begin = /^session-\d{4}-\d\d-\d\dT\d\d-\d\d-(.+)$/.exec(stem)?.[1];
  return id !== undefined && begin !== undefined && id.startsWith(begin) ? keyIn(project, id) : undefined;
}

/** The facts of the record that opens a file, of a `$set`, or of a document. */
export function factsOf(sessionKey: string, fields: Fields): Facts {
  const metadata: Fields = {};
  for (const name of ['projectHash', 'kind']) {
    const value = findText(fields, name);
    if (value !== undefined && value.length <= 200) metadata[name] = value;
  }
  const externalId = findText(fields, 'sessionId');
  return {
    sessionKey: wholeKeyOf(sessionKey, externalId),
    externalId,
    directory: fields.kind === 'subagent' ? firstText(fields.directories) : undefined,
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
}

const firstText = (list: Json | undefined) =>
  Array.isArray(list) && typeof list[0] === 'string' && list[0] !== '' ? list[0] : undefined;

/** What comes after the first message is too late, also in the same read: the bites must make no difference. */
export function noteEarly(conversation: Conversation<unknown>, facts: Facts): void {
  if (!conversation.hasMessage) conversation.note(facts);
}

/** What Gemini CLI tells the model before the first prompt; no person wrote it. */
export const isContext = (part: Json) => findPartText(part)?.startsWith('<session_context>') === true;

/** `[^\S\n]*` stops at the first line end: two patterns that both match one would try every way to share a run of them. */
const directoryLines = [
  /^- \*\*Workspace Directories:\*\*[^\S\n]*\n\s*- (.+)$/m,
  /I'm currently working in the directory: (.+)$/m,
  /I'm currently working in the following directories:[^\S\n]*\n\s*- (.+)$/m,
];

/** The directory that the context among these names; the first one, where there are several. */
export function findContextDirectory(pieces: { part: Json }[]): string | undefined {
  for (const { part } of pieces) {
    const context = isContext(part) ? (findPartText(part) as string) : '';
    for (const line of directoryLines) {
      const found = line.exec(context)?.[1]?.trim();
      if (found) return found;
    }
  }
  return undefined;
}
