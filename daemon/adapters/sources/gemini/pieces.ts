// What a record of a message holds, in order, as parts with a name of their own: the n-th text is the same part however the
// record is written, as one text or as a list.
import { findPartText, partsOf } from '../../kit/genai.ts';
import { type Fields, findText, isFields, type Json } from '../../kit/json.ts';
import { isContext } from './session.ts';

export type Piece = { name: string; part: Json; synthetic: boolean };

/** Undefined when the record breaks the shape of a message. */
export function piecesOf(fields: Fields, type: string): Piece[] | undefined {
  const content = partsOf(fields.content);
  const shown = partsOf(fields.displayContent);
  if (content === undefined || shown === undefined) return undefined;
  const counts = new Map<string, number>();
  const piece = (part: Json, synthetic = false): Piece => {
    const kind = !isFields(part) || typeof part.text !== 'string' ? 'part' : part.thought === true ? 'thought' : 'text';
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return { name: `${kind}:${count}`, part, synthetic };
  };
  const typed = shown.map(findPartText).filter(isText);
  const said = content.map(findPartText).filter(isText);
  const isSynthetic = (part: Json) => {
    const text = findPartText(part);
    if (type !== 'user' || text === undefined) return false;
    return shown.length > 0 ? !typed.includes(text) : isContext(part) || text.trim() === nudge;
  };
  const thoughts = thoughtsOf(fields.thoughts).map((part) => piece(part));
  const sent = content.map((part) => piece(part, isSynthetic(part)));
  const unsent = shown.filter((part) => !said.includes(findPartText(part) ?? '')).map((part) => piece(part));
  return [...thoughts, ...unsent, ...sent];
}

/** The words of the person, '' when all was said in their place. */
export function promptOf(pieces: Piece[]): string {
  return pieces.map(({ part, synthetic }) => (synthetic ? '' : (findPartText(part) ?? ''))).join('');
}

/** What the CLI says in the person's place when the model stopped short. */
const nudge = 'System: Please continue.';

const isText = (text: string | undefined) => text !== undefined;

/** `{subject, description}` as one text; what has neither is kept as it is. */
function thoughtsOf(thoughts: Json | undefined): Json[] {
  if (thoughts === undefined || thoughts === null) return [];
  if (!Array.isArray(thoughts)) return [{ thoughts }];
  return thoughts.map((thought) => {
    const { subject, description } = isFields(thought)
      ? { subject: findText(thought, 'subject'), description: findText(thought, 'description') }
      : {};
    const text = [subject, description].filter(isText).join('\n\n');
    return text === '' ? { thought } : { text, thought: true };
  });
}
