// Takes in what is new in one file: lines behind a position, a document whole, or the records of a database's streams. Each
// bite is one transaction with its position, small enough that others get their turn in between.
import { readFileSync, statSync } from 'node:fs';
import type { Held, Place, ReadResult, Source, SourceDatabase, SourceOp, Transcript } from '../adapters/adapter.ts';
import { derivedOpId, derivedSessionId } from '../adapters/ids.ts';
import type { Ledger } from '../store/ledger.ts';
import type { Position, Positions } from '../store/positions.ts';
import type { Tables } from '../store/tables.ts';
import { Budget } from './budget.ts';
import type { Marks } from './marks.ts';
import type { Runtime } from './runtime.ts';
import type { KeyedOp } from './source-batch.ts';
import type { FileState, LineReader, Piece } from './transcript.ts';
import { defaultMaxLineBytes, fileState, isGone, stateOf, TranscriptReader } from './transcript.ts';
import type { Rest, Unread } from './unread.ts';
import type { Writer } from './writer.ts';
import { ZstdTranscriptReader } from './zstd-transcript.ts';

export type IntakeDeps = {
  writer: Writer;
  tables: Pick<Tables, 'findPart' | 'isTaken'>;
  ledger: Pick<Ledger, 'findRecord'>;
  positions: Positions;
  runtime: Runtime;
  maxLineBytes?: number;
  /** What is held of files at once, together with whoever shares it. */
  budget?: Budget;
};

/** What all sources hold of their files at once; one line or document may be longer. */
export const budgetBytes = 16 * 1024 * 1024;

/** Bytes of a file in one transaction: a few milliseconds of the event loop. */
const pieceBytes = 256 * 1024;
/** Of a file that an older version read: so much that its records mostly end in the bite that they begin in. */
const upgradeBytes = 4 * 1024 * 1024;
/** Lines without any message are waited with up to here; then they are taken without one. */
const maxWaitBytes = 4 * 1024 * 1024;
/** Ops of a document in one transaction. */
const documentOps = 500;
/** Records of a database in one look. */
const databaseRecords = 500;

export class Intake {
  readonly #source: Source;
  readonly #deps: IntakeDeps;
  readonly #marks: Marks;
  readonly #unread: Unread;
  readonly #budget: Budget;
  /** Files that are being read which another version of the source read before. */
  readonly #upgrades = new Set<string>();

  constructor(source: Source, deps: IntakeDeps, marks: Marks, unread: Unread) {
    this.#source = source;
    this.#deps = deps;
    this.#marks = marks;
    this.#unread = unread;
    this.#budget = deps.budget ?? new Budget(budgetBytes, deps.runtime.releaseMemory);
  }

  /**
   * Takes in what is new in a file; what cannot be taken in yet is told to `unread`. Rejects when the file cannot be read
   * now; its position stands where it stood, so nothing of it is lost (P12).
   */
  async take(path: string, place: Place, signal: AbortSignal): Promise<void> {
    const rest = await this.#take(path, place, signal);
    if (rest) this.#unread.put(path, rest);
    else this.#unread.forget(path);
  }

  async #take(path: string, place: Place, signal: AbortSignal): Promise<Rest | undefined> {
    const held = this.#marks.find(path);
    if (held && held.version !== this.#source.version) this.#upgrades.add(path);
    try {
      if (place.reading === 'lines') return await this.#takeLines(path, place, signal);
      if (place.reading === 'document') return await this.#takeDocument(path, place.sessionKey, signal);
      await this.#takeDatabase(place.path, signal);
      return undefined;
    } catch (error) {
      // Deleted in the meantime: what was taken in stays (P25).
      if (isGone(error)) return undefined;
      throw error;
    } finally {
      this.#upgrades.delete(path);
    }
  }

  async #takeLines(path: string, place: Place & { reading: 'lines' }, signal: AbortSignal): Promise<Rest | undefined> {
    const { maxLineBytes } = this.#deps;
    const readers = { plain: TranscriptReader, zstd: ZstdTranscriptReader };
    const options = { maxLineBytes, budget: this.#budget, scan: this.#unread.find(path)?.scan };
    const reader: LineReader = await readers[place.compressed ?? 'plain'].open(path, options);
    try {
      const held = this.#findPosition(path);
      const start = this.#startOf(path, place.sessionKey, reader.file);
      let position: Position = held !== undefined && reader.mayContinue(held) ? held : start;
      const least = this.#isUpgrade(path) ? upgradeBytes : pieceBytes;
      for (let bytes = least; !signal.aborted; ) {
        const step = await this.#takeNext(reader, position, bytes);
        if (step?.atEnd) return restOf(step.position, step, reader.file, place);
        bytes = step?.waits ? bytes * 2 : least;
        position = step?.position ?? start;
      }
      return undefined;
    } finally {
      await reader.close();
    }
  }

  /** A function of its own: what it held of the file must be gone when the next piece is asked for. */
  async #takeNext(reader: LineReader, position: Position, bytes: number) {
    const piece = await reader.readPiece(position, bytes);
    if (piece === undefined) return undefined;
    const { lines, tail: _, ...rest } = piece;
    const next = await this.#takePiece(position, piece, reader.file, bytes >= maxWaitBytes);
    return { ...rest, position: next, waits: next.offset === position.offset && lines.length > 0 };
  }

  async #takePiece(position: Position, piece: Piece, file: FileState, mustTake: boolean): Promise<Position> {
    const transcript = transcriptOf(position, file, this.#deps.runtime.now());
    const state: unknown = JSON.parse(position.state);
    const read: ReadResult =
      piece.lines.length > 0
        ? this.#source.read(transcript, piece.lines, state, this.#heldBy(transcript), mustTake)
        : { ops: [], state, badRecords: 0 };
    // Size and time are written only when the end was reached: a crash in the middle of a file must read on.
    const seen = piece.atEnd && !piece.torn ? file : { ...file, size: -1, mtimeMs: 0 };
    if (read.wait && !mustTake) return this.#put({ ...position, ...seen }, []);
    const { sessionKey = position.sessionKey } = read;
    const next = { ...advanced(position, read), ...seen, sessionKey, offset: piece.end, tail: piece.tail };
    return this.#put(next, read.ops);
  }

  async #takeDocument(path: string, sessionKey: string, signal: AbortSignal): Promise<Rest | undefined> {
    const { maxLineBytes = defaultMaxLineBytes } = this.#deps;
    const { size } = statSync(path);
    if (size > maxLineBytes) throw new Error(`${size} bytes are more than the ${maxLineBytes} that are read at once`);
    const release = await this.#budget.take(size);
    try {
      return await this.#takeWhole(path, sessionKey, signal);
    } finally {
      release();
    }
  }

  async #takeWhole(path: string, sessionKey: string, signal: AbortSignal): Promise<Rest | undefined> {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Error('this is no file');
    const file = stateOf(stats);
    const start = this.#startOf(path, sessionKey, file);
    const transcript = transcriptOf(start, file, this.#deps.runtime.now());
    // Read at once, and small: documents that are read together are written in the order in which they were taken up.
    const text = readFileSync(path, 'utf8');
    const awaits: string[] = [];
    const read = this.#source.readDocument!(transcript, text, this.#heldBy(transcript, awaits));
    if (read.wait) return { file, bytes: file.size, awaits };
    // One of which nothing came is of no session that could be counted.
    const ofSession = read.ops.length === 0 ? '' : (read.sessionKey ?? sessionKey);
    const position = { ...advanced(start, read), sessionKey: ofSession };
    for (let from = 0; from === 0 || from < read.ops.length; from += documentOps) {
      if (signal.aborted) break;
      const ops = read.ops.slice(from, from + documentOps);
      const atEnd = from + documentOps >= read.ops.length;
      await this.#put(atEnd ? { ...position, ...file, offset: file.size } : position, ops);
    }
    return undefined;
  }

  async #takeDatabase(path: string, signal: AbortSignal): Promise<void> {
    const file = await databaseState(path);
    const failed: unknown[] = [];
    for (const { sessionKey, head } of this.#look(path, (database) => database.streams())) {
      // A stream that cannot be read hides no other.
      await this.#takeStream(path, sessionKey, head, file, signal).catch((error: unknown) => failed.push(error));
      if (signal.aborted) return;
    }
    if (failed.length > 0) throw failed[0];
    // Without a session of its own: it stands for the file, so that an unchanged one is not opened again.
    await this.#put({ ...this.#startOf(path, '', file), ...file }, []);
  }

  async #takeStream(
    path: string,
    sessionKey: string,
    head: number,
    file: FileState,
    signal: AbortSignal,
  ): Promise<void> {
    const stream = `${path}#${sessionKey}`;
    const mark = this.#marks.find(stream);
    if (mark?.offset === head + 1 && mark.version === this.#source.version) return;
    const held = this.#findPosition(stream);
    // Ahead of the stream: another database is in its place.
    let position = held && held.offset <= head + 1 ? held : this.#startOf(stream, sessionKey, file);
    while (position.offset <= head && !signal.aborted) {
      const after = position.offset - 1;
      const { records, next } = this.#look(path, (database) => database.read(sessionKey, after, databaseRecords));
      if (next <= after) break;
      const transcript = transcriptOf(position, file, this.#deps.runtime.now());
      const state: unknown = JSON.parse(position.state);
      const read = this.#source.readRecords!(transcript, records, state, this.#heldBy(transcript));
      position = await this.#put({ ...advanced(position, read), ...file, offset: next + 1 }, read.ops);
    }
  }

  /** Opens the database for one look: nothing of it is held while others write (see Source.openDatabase). */
  #look<T>(path: string, use: (database: SourceDatabase) => T): T {
    const database = this.#source.openDatabase!(path);
    try {
      return use(database);
    } finally {
      database.close();
    }
  }

  async #put(position: Position, ops: SourceOp[]): Promise<Position> {
    const { kind } = this.#source;
    const { writer, runtime } = this.#deps;
    const before = this.#marks.find(position.path);
    const keyed = ops.map((op) => keyedOp(op, derivedOpId(kind, position.sessionKey, op.key)));
    const upgrade = this.#isUpgrade(position.path);
    const result = await writer.takeIn({ source: kind, actorId: `source/${kind}`, ops: keyed, position, upgrade });
    this.#marks.set(position);
    this.#unread.arrived(keyed);
    const { badRecords, path } = position;
    if (badRecords > 0 && badRecords !== before?.badRecords)
      runtime.log.warn({ path, badRecords }, 'records of this transcript were not understood');
    // A session or record that the user deleted stays deleted: those refusals are the rule at work.
    const unforeseen = result.refused.find(
      ({ refusal }) => refusal.refused !== 'AlreadyExists' && refusal.refused !== 'NotFound',
    );
    if (unforeseen) {
      const { op, refusal } = unforeseen;
      runtime.log.warn({ path: position.path, key: op.key, refusal }, 'a record was refused');
    }
    return position;
  }

  /** `missed`: gets the op ids of what is asked for and is not there. */
  #heldBy(transcript: Transcript, missed?: string[]): Held {
    const { tables, ledger } = this.#deps;
    const { kind } = this.#source;
    const ownId = derivedSessionId(kind, transcript.sessionKey);
    // Nothing was ever put for a session that never was: not to look for each of its keys is a tenth of a first read.
    const isNew = !tables.isTaken(ownId);
    return {
      findPart: (partId) => tables.findPart(partId),
      hasKey: (key, sessionKey = transcript.sessionKey) => {
        const isOwn = sessionKey === transcript.sessionKey;
        if (isOwn && isNew && !missed) return false;
        const opId = derivedOpId(kind, sessionKey, key);
        const isHeld = ledger.findRecord(isOwn ? ownId : derivedSessionId(kind, sessionKey), opId) !== undefined;
        if (!isHeld) missed?.push(opId);
        return isHeld;
      },
    };
  }

  /** Whether another version of the source read this file before, and this one has not come to its end yet. */
  #isUpgrade(path: string): boolean {
    return this.#upgrades.has(path);
  }

  /** Where this version of the source stands in the file. */
  #findPosition(path: string): Position | undefined {
    const held = this.#deps.positions.find(this.#source.kind, path);
    return held?.version === this.#source.version ? held : undefined;
  }

  #startOf(path: string, sessionKey: string, file: FileState): Position {
    const { kind, version } = this.#source;
    const place = { source: kind, path, sessionKey, inode: file.inode, offset: 0, tail: Buffer.alloc(0) };
    return { ...place, size: -1, mtimeMs: 0, state: 'null', badRecords: 0, version };
  }
}

/** Member by member: spread, it takes 25 times as long. */
function keyedOp({ key, type, params, occurredAt }: SourceOp, opId: string): KeyedOp {
  return { key, type, params, occurredAt, opId } as KeyedOp;
}

/** A database changes in its write-ahead log first. Rejects with ENOENT when it is gone. */
export async function databaseState(path: string): Promise<FileState> {
  const file = await fileState(path);
  const log = await fileState(`${path}-wal`).catch(() => ({ size: 0, mtimeMs: 0, ctimeMs: 0 }));
  return {
    inode: file.inode,
    size: file.size + log.size,
    mtimeMs: Math.max(file.mtimeMs, log.mtimeMs),
    ctimeMs: Math.max(file.ctimeMs, log.ctimeMs),
  };
}

/** What is behind the last line of a file that has an end. Of lines that wait for a message, nothing is. */
function restOf(
  position: Position,
  { end, scan, torn }: Pick<Piece, 'end' | 'scan' | 'torn'>,
  file: FileState,
  { compressed }: Place & { reading: 'lines' },
): Rest | undefined {
  if (torn) return { file, bytes: file.size };
  if (compressed !== undefined || position.offset >= file.size) return undefined;
  return { file, bytes: file.size - end, scan };
}

function transcriptOf({ path, sessionKey }: Position, { mtimeMs }: FileState, readAtMs: number): Transcript {
  return { path, sessionKey, mtimeMs, readAtMs };
}

function advanced(position: Position, read: ReadResult): Position {
  return {
    ...position,
    state: JSON.stringify(read.state ?? null),
    badRecords: position.badRecords + read.badRecords,
  };
}
