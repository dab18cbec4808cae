// How far each transcript was read. Written in the transaction of the ops it stands for, so that a crash between the
// two cannot be (DESIGN.md, ingest); kept for ever, also when the transcript is gone (P25).
import type { Db } from './open.ts';

export type Position = {
  source: string;
  path: string;
  sessionKey: string;
  inode: number;
  /** Bytes taken in: always just behind a line end. */
  offset: number;
  /** The file as it was when it was last looked at. */
  size: number;
  mtimeMs: number;
  /** Digest of the last bytes before `offset`: another one means that the file was rewritten. */
  tail: Buffer;
  /** The adapter's own, as JSON. */
  state: string;
  badRecords: number;
};

export class Positions {
  readonly #find;
  readonly #put;
  readonly #read;

  constructor(db: Db) {
    const columns = `source, path, session_key AS sessionKey, inode, offset, size, mtime_ms AS mtimeMs, tail, state,
                     bad_records AS badRecords`;
    this.#find = db.prepare(`SELECT ${columns} FROM source_position WHERE source = ? AND path = ?`);
    this.#read = db.prepare(`SELECT ${columns} FROM source_position WHERE source = ?`);
    this.#put = db.prepare(`
      INSERT INTO source_position VALUES
        (@source, @path, @sessionKey, @inode, @offset, @size, @mtimeMs, @tail, @state, @badRecords)
      ON CONFLICT DO UPDATE SET session_key = excluded.session_key, inode = excluded.inode, offset = excluded.offset,
        size = excluded.size, mtime_ms = excluded.mtime_ms, tail = excluded.tail, state = excluded.state,
        bad_records = excluded.bad_records`);
  }

  find(source: string, path: string): Position | undefined {
    return this.#find.get(source, path) as Position | undefined;
  }

  read(source: string): Position[] {
    return this.#read.all(source) as Position[];
  }

  put(position: Position): void {
    this.#put.run(position);
  }
}
