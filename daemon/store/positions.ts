// How far each transcript was read. Written in the transaction of the ops it stands for, so that a crash between the
// two cannot be (DESIGN.md, ingest); kept for ever, also when the transcript is gone (P25).
import type { Db } from './open.ts';

/** What tells whether a file has anything new, and what to count: small, since one is held in memory for every file. */
export type FileMark = {
  path: string;
  sessionKey: string;
  inode: number;
  /** Bytes taken in: always just behind a line end. Of a database's stream: records. 0: nothing yet. */
  offset: number;
  /** The file as it was when it was last looked at. */
  size: number;
  mtimeMs: number;
  badRecords: number;
  /** The version of the source that read it (see Source.version). */
  version: number;
};

export type Position = FileMark & {
  source: string;
  /** Digest of the last bytes before `offset`: another one means that the file was rewritten. */
  tail: Buffer;
  /** The adapter's own, as JSON. */
  state: string;
};

export class Positions {
  readonly #find;
  readonly #put;
  readonly #marks;

  constructor(db: Db) {
    const mark = `path, session_key AS sessionKey, inode, offset, size, mtime_ms AS mtimeMs, bad_records AS badRecords,
                  version`;
    this.#find = db.prepare(`SELECT source, ${mark}, tail, state FROM source_position WHERE source = ? AND path = ?`);
    this.#marks = db.prepare(`SELECT ${mark} FROM source_position WHERE source = ?`);
    this.#put = db.prepare(`
      INSERT INTO source_position (source, path, session_key, inode, offset, size, mtime_ms, tail, state, bad_records, version)
      VALUES (@source, @path, @sessionKey, @inode, @offset, @size, @mtimeMs, @tail, @state, @badRecords, @version)
      ON CONFLICT DO UPDATE SET session_key = excluded.session_key, inode = excluded.inode, offset = excluded.offset,
        size = excluded.size, mtime_ms = excluded.mtime_ms, tail = excluded.tail, state = excluded.state,
        bad_records = excluded.bad_records, version = excluded.version`);
  }

  find(source: string, path: string): Position | undefined {
    return this.#find.get(source, path) as Position | undefined;
  }

  /** The marks of all files of a kind of source. */
  marks(source: string): FileMark[] {
    return this.#marks.all(source) as FileMark[];
  }

  put(position: Position): void {
    this.#put.run(position);
  }
}
