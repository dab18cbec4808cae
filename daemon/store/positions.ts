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
  readonly #marks;
  readonly #putMark;
  readonly #putState;

  constructor(db: Db) {
    const mark = `m.path, m.session_key AS sessionKey, m.inode, m.offset, m.size, m.mtime_ms AS mtimeMs,
                  m.bad_records AS badRecords, m.version`;
    this.#find = db.prepare(`
      SELECT m.source, ${mark}, m.tail, ifnull(s.state, 'null') AS state
        FROM source_mark m LEFT JOIN source_state s USING (source, path) WHERE m.source = ? AND m.path = ?`);
    this.#marks = db.prepare(`SELECT ${mark} FROM source_mark m WHERE m.source = ?`);
    this.#putMark = db.prepare(`
      INSERT INTO source_mark
      VALUES (@source, @path, @sessionKey, @inode, @offset, @size, @mtimeMs, @tail, @badRecords, @version)
      ON CONFLICT DO UPDATE SET session_key = excluded.session_key, inode = excluded.inode, offset = excluded.offset,
        size = excluded.size, mtime_ms = excluded.mtime_ms, tail = excluded.tail, bad_records = excluded.bad_records,
        version = excluded.version`);
    this.#putState = db.prepare(`
      INSERT INTO source_state VALUES (@source, @path, @state) ON CONFLICT DO UPDATE SET state = excluded.state
       WHERE state IS NOT excluded.state`);
  }

  find(source: string, path: string): Position | undefined {
    return this.#find.get(source, path) as Position | undefined;
  }

  /** The marks of all files of a kind of source. */
  marks(source: string): FileMark[] {
    return this.#marks.all(source) as FileMark[];
  }

  put(position: Position): void {
    this.#putMark.run(position);
    this.#putState.run({ source: position.source, path: position.path, state: position.state });
  }
}
