// What a transcript of Gemini CLI says of its session: its id, where it runs, whose subagent it is.
import type { Conversation } from '../../kit/conversation.ts';
import type { Facts } from '../../kit/facts.ts';
import { findPartText } from '../../kit/genai.ts';
import { type Fields, findText, type Json } from '../../kit/json.ts';

export const agent = 'gemini';

/**
 * The key of a session whose file has this stem, `session-<YYYY-MM-DDTHH-MM>-<first 8 of its id>`: those 8, where they are
 * random, since they alone are known to a subagent's file too (it lies in a folder named for the parent's id). Of an id
 * that the user chose, the first 8 say too little: then the whole stem.
 */
export function keyOfSession(stem: string): string {
  return /-([0-9a-f]{8})$/.exec(stem)?.[1] ?? stem;
}

/** The key of the parent, for a subagent's key. Undefined when the folder does not tell it. */
export function parentKeyOf(sessionKey: string): string | undefined {
  const slash = sessionKey.indexOf('/');
  return slash < 0 ? undefined : /^([0-9a-f]{8})-/.exec(sessionKey)?.[1];
}

/** The facts of the record that opens a file, of a `$set`, or of a document. */
export function factsOf(fields: Fields): Facts {
  const metadata: Fields = {};
  for (const name of ['projectHash', 'kind']) {
    const value = findText(fields, name);
    if (value !== undefined && value.length <= 200) metadata[name] = value;
  }
  return {
    externalId: findText(fields, 'sessionId'),
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
