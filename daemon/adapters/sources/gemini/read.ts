// Turns transcripts of Gemini CLI into puts, from lines or from a document: what they say of the session, checkpoints,
// rewinds, and records with an id (records.ts).
import type { Held, ReadResult, SourceLine, Transcript } from '../../adapter.ts';
import { Conversation } from '../../kit/conversation.ts';
import {
  type Fields,
  findFields,
  findText,
  isFields,
  type Json,
  parseJson,
  parseLine,
  timeOf,
} from '../../kit/json.ts';
import { restOf } from '../../kit/rest.ts';
import { type Memory, Records } from './records.ts';
import { agent, factsOf, noteEarly, parentKeyOf } from './session.ts';

/** What a record of the session, or a `$set`, says and is folded; `lastUpdated` comes with each message. */
const sessionMembers = ['sessionId', 'projectHash', 'startTime', 'lastUpdated', 'kind', 'summary', 'messages'];

export function readTranscript(
  transcript: Transcript,
  lines: SourceLine[],
  state: unknown,
  held: Held,
  mustTake: boolean,
): ReadResult {
  const reader = new Reader(transcript, state, held);
  for (const line of lines) reader.takeLine(line.text);
  return reader.end(mustTake);
}

/** A document that does not parse may be half written, one without a message may get some: they are waited for. */
export function readDocument(transcript: Transcript, text: string, held: Held): ReadResult {
  const reader = new Reader(transcript, undefined, held);
  const document = parseJson(text);
  if (document === undefined && !isJson(text)) return { ops: [], state: null, badRecords: 0, wait: true };
  if (document !== undefined && isFields(document) && Array.isArray(document.messages))
    reader.takeDocument(document, document.messages);
  else reader.takeUnparsed(document ?? text.toWellFormed(), text);
  // Each time it is read from its start: there is nothing to remember.
  return { ...reader.end(reader.hasBad), state: null };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

class Reader {
  readonly #conversation: Conversation<Memory>;
  readonly #records: Records;
  hasBad = false;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    this.#conversation = new Conversation<Memory>(agent, transcript, state, held, { entries: [], calls: [] });
    this.#records = new Records(this.#conversation);
    this.#conversation.note({ parentKey: parentKeyOf(transcript.sessionKey) });
  }

  takeLine(raw: string): void {
    const line = parseLine(raw);
    if (line === undefined) return;
    const { text } = line;
    if ('unparsed' in line) this.takeUnparsed(line.unparsed, text);
    else this.#takeFields(line.fields, text);
  }

  takeDocument(document: Fields, messages: Json[]): void {
    this.#takeSession(document, 'session', 'document');
    this.#takeMessages(messages);
  }

  /** Kept whole and counted; `text` is what its name is made from. */
  takeUnparsed(value: Json, text: string): void {
    this.hasBad = true;
    this.#conversation.bad();
    this.#conversation.data(`line:${this.#conversation.nameByText(text)}`, 'unparsed', value);
  }

  end(mustTake: boolean): ReadResult {
    this.#conversation.own = this.#records.keep();
    return this.#conversation.end(mustTake);
  }

  /** In the order in which Gemini CLI itself tells them apart. */
  #takeFields(fields: Fields, text: string): void {
    const set = findFields(fields, '$set');
    if (typeof fields.$rewindTo === 'string') {
      this.#records.rewindTo(fields.$rewindTo);
      this.#conversation.data(`rewind:${this.#conversation.nameByText(text)}`, 'rewindTo', fields);
    } else if (findText(fields, 'id') !== undefined) {
      if (!this.#records.take(fields, text, false)) this.takeUnparsed(fields, text);
      this.#records.markMissing();
    } else if (set !== undefined) this.#takeSet(set, text);
    else if (findText(fields, 'sessionId') !== undefined) this.#takeSession(fields, 'session', text);
    else this.takeUnparsed(fields, text);
  }

  /** A list of messages among the members is a checkpoint: it stands for all that was before. */
  #takeSet(members: Fields, text: string): void {
    this.#takeSession(members, 'set', text);
    const { messages } = members;
    if (Array.isArray(messages)) {
      this.#records.replaceBy(messages.flatMap((each) => (isFields(each) ? (findText(each, 'id') ?? []) : [])));
      this.#takeMessages(messages);
    } else if (messages !== undefined) this.takeUnparsed({ $set: members }, text);
  }

  #takeMessages(messages: Json[]): void {
    for (const each of messages) {
      const text = JSON.stringify(each);
      const isTaken = isFields(each) && findText(each, 'id') !== undefined && this.#records.take(each, text, true);
      if (!isTaken) this.takeUnparsed(each, text);
    }
  }

  #takeSession(fields: Fields, kind: string, text: string): void {
    const conversation = this.#conversation;
    conversation.noteTime(timeOf(fields.startTime));
    noteEarly(conversation, factsOf(conversation.transcript.sessionKey, fields));
    if (typeof fields.summary === 'string') conversation.noteTitle('summary', fields.summary);
    const rest = restOf(fields, sessionMembers);
    if (rest) conversation.data(`${kind}:${conversation.nameByText(text)}`, kind, rest);
  }
}
