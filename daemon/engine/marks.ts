// What is known of a source's files, held in memory: small marks, not the whole positions, for tens of thousands of files.
import { sep } from 'node:path';
import type { Place, Source } from '../adapters/adapter.ts';
import type { FileMark, Position, Positions } from '../store/positions.ts';
import type { FileState } from './transcript.ts';
import { isUnchanged } from './transcript.ts';

export class Marks {
  readonly #source: Source;
  readonly #marks: Map<string, FileMark>;

  constructor(source: Source, positions: Positions) {
    this.#source = source;
    const inside = positions.marks(source.kind).filter(({ path }) => path.startsWith(`${source.path}${sep}`));
    this.#marks = new Map(inside.map((mark) => [mark.path, mark]));
  }

  find(path: string): FileMark | undefined {
    return this.#marks.get(path);
  }

  /** Whether the file is as it was when this version of the source last read it, to its end. */
  isRead(path: string, place: Place, file: FileState): boolean {
    const mark = this.#marks.get(path);
    if (mark?.version !== this.#source.version || !isUnchanged(mark, file)) return false;
    return place.reading !== 'lines' || place.compressed !== undefined || mark.offset >= mark.size;
  }

  set({ path, sessionKey, inode, offset, size, mtimeMs, badRecords, version }: Position): void {
    this.#marks.set(path, { path, sessionKey, inode, offset, size, mtimeMs, badRecords, version });
  }

  counts(): { sessions: number; badRecords: number } {
    let badRecords = 0;
    const sessions = new Set<string>();
    for (const mark of this.#marks.values()) {
      badRecords += mark.badRecords;
      if (mark.offset > 0 && mark.sessionKey !== '') sessions.add(mark.sessionKey);
    }
    return { sessions: sessions.size, badRecords };
  }
}
