// One document of the tree: a session, a message or a part, written again in place whenever it changes. They are read in any
// order: what belongs to a record that is not held yet waits for it.
import { basename } from 'node:path';
import type { Held, ReadResult, Transcript } from '../../adapter.ts';
import { findText, isFields, parseJson } from '../../kit/json.ts';
import { Recorder } from './recorder.ts';

export function readDocument(kind: string | undefined, transcript: Transcript, text: string, held: Held): ReadResult {
  const fields = parseJson(text);
  // Most likely half written: the rest of it is a change of the file, which is then read again.
  if (!isFields(fields)) return { ops: [], state: null, badRecords: 1 };
  const id = findText(fields, 'id') ?? basename(transcript.path, '.json');
  const owner = transcript.sessionKey;
  const sessionKey =
    kind === 'session' ? id : (findText(fields, 'sessionID') ?? (kind === 'message' ? owner : undefined));
  // A part without its session: its path names a message, and nothing that can be asked here knows whose that is.
  if (sessionKey === undefined) return { ops: [], state: null, badRecords: 1, sessionKey: '' };
  const messageId = kind === 'part' ? (findText(fields, 'messageID') ?? owner) : id;
  const awaited = { message: 'session', part: `msg:${messageId}` }[kind ?? ''];
  if (awaited !== undefined && !held.hasKey(awaited, sessionKey))
    return { ops: [], state: null, badRecords: 0, sessionKey, wait: true };
  const recorder = new Recorder(transcript, sessionKey, held);
  if (kind === 'session') recorder.session(fields);
  else if (kind === 'message') recorder.message(id, fields);
  else recorder.part(id, messageId, fields);
  return { ops: recorder.puts.ops, state: null, badRecords: recorder.badRecords, sessionKey };
}
