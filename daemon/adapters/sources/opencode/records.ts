// What a look into the database gave, as puts: events, and rows of the tables. A record of an event is put as its table
// holds it now: earlier versions of it are passed over, so that reading the events again changes nothing.
import type { Held, ReadResult, Transcript } from '../../adapter.ts';
import { boundedText } from '../../kit/facts.ts';
import { type Fields, findFields, findText, isFields, type Json, parseJson } from '../../kit/json.ts';
import { Recorder } from './recorder.ts';
import { infoOfRow } from './session.ts';

/** An event. `now`: the record that it tells of, as its row holds it; absent when there is no such row (any more). */
export type EventRecord = { seq: number; type: string; data: string; now?: SessionRow | string };
/** A row, and what must be there before it where this look did not give it already. */
export type RowRecord = { session?: SessionRow } & (
  | { table: 'session' }
  | { table: 'message'; id: string; data: string }
  | { table: 'part'; id: string; messageId: string; data: string; message?: string }
);
/** The columns of a row of the table `session`. */
export type SessionRow = { [column: string]: unknown };

/** The latest message, which an event of an unknown type is kept with, and the latest time. */
type Memory = { latest: string; at: number | null };

export function readRecords(transcript: Transcript, records: unknown[], state: unknown, held: Held): ReadResult {
  const reader = new Reader(transcript, state, held);
  for (const record of records) reader.take(record as EventRecord | RowRecord);
  return reader.end();
}

const known = /^(session|message|message\.part)\.(created|updated|removed|deleted)\.\d+$/;

class Reader {
  readonly #recorder: Recorder;
  #latest: string;

  constructor(transcript: Transcript, state: unknown, held: Held) {
    // A stream is named by its database and its session.
    const path = transcript.path.replace(/#[^#]*$/, '');
    this.#recorder = new Recorder({ ...transcript, path }, transcript.sessionKey, held);
    this.#latest = isMemory(state) ? state.latest : 'carrier';
    if (isMemory(state)) this.#recorder.at = state.at ?? undefined;
  }

  take(record: EventRecord | RowRecord): void {
    if ('seq' in record) this.#takeEvent(record);
    else this.#takeRow(record);
  }

  end(): ReadResult {
    const { puts, badRecords, at = null } = this.#recorder;
    const state: Memory = { latest: this.#latest, at };
    return { ops: puts.ops, state, badRecords };
  }

  #takeEvent({ seq, type, data, now }: EventRecord): void {
    const value = parseJson(data);
    const [, of, verb] = known.exec(type) ?? [];
    // What is gone there stays here.
    if (verb === 'removed' || verb === 'deleted') return;
    if (isFields(value) && this.#takeKnown(of, value, now)) return;
    if (of !== undefined || value === undefined) this.#recorder.badRecords += 1;
    this.#recorder.data(`event:${seq}`, type, value ?? String(data).toWellFormed(), this.#latest);
  }

  /** Whether the event was of a known type and had its shape. */
  #takeKnown(of: string | undefined, data: Fields, now: EventRecord['now']): boolean {
    const told = of === undefined ? undefined : findFields(data, of === 'message.part' ? 'part' : 'info');
    const id = told && findText(told, 'id');
    if (told === undefined || id === undefined) return false;
    if (of === 'session') this.#recorder.session(typeof now === 'object' ? infoOfRow(storable(now)) : told);
    else if (of === 'message') this.#message(id, parseFields(now) ?? told);
    else {
      const messageId = findText(told, 'messageID');
      if (messageId === undefined) return false;
      this.#part(id, messageId, parseFields(now) ?? told);
    }
    return true;
  }

  #takeRow(row: RowRecord): void {
    if (row.session) this.#recorder.session(infoOfRow(storable(row.session)));
    if (row.table === 'message') this.#messageRow(row.id, row.data);
    if (row.table !== 'part') return;
    if (row.message !== undefined) this.#messageRow(row.messageId, row.message);
    const part = parseFields(row.data);
    if (part) this.#part(row.id, row.messageId, part);
    else this.#keepDamaged(`prt:${row.id}`, row.data, row.messageId);
  }

  #messageRow(id: string, data: string): void {
    const info = parseFields(data);
    if (info) this.#message(id, info);
    else this.#keepDamaged(`msg:${id}:damaged`, data, id);
  }

  #message(id: string, info: Fields): void {
    this.#recorder.message(id, info);
    this.#latest = boundedText(id) ?? this.#latest;
  }

  #part(id: string, messageId: string, part: Fields): void {
    this.#recorder.part(id, messageId, part);
  }

  #keepDamaged(key: string, data: string, messageId: string): void {
    this.#recorder.badRecords += 1;
    this.#recorder.data(key, 'unparsed', parseJson(data) ?? String(data).toWellFormed(), messageId);
  }
}

function parseFields(data: unknown): Fields | undefined {
  const value = typeof data === 'string' ? parseJson(data) : undefined;
  return isFields(value) ? value : undefined;
}

/** A row's columns as JSON: blobs, which opencode does not write, and numbers that are none fall away. */
function storable(row: SessionRow): Fields {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, storableOf(value)]));
}

function storableOf(value: unknown): Json {
  if (typeof value === 'string') return value.toWellFormed();
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function isMemory(state: unknown): state is Memory {
  return typeof state === 'object' && state !== null && 'latest' in state && typeof state.latest === 'string';
}
