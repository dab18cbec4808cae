// Parts and their streamed text. A delta adds one chunk row that points to its event's body and never touches the text
// before it (`text = text || ?` is quadratic: 16,000 deltas took 3.2 s); chunks are joined when read, and go when the
// part is put anew.
import type { EventData, Part } from '../../protocol/schema.ts';
import type { PartLengths } from '../core/records.ts';
import { isAtWork } from '../core/turn.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';

export type PartPlace = { session: number; message: number; idx: number };
type PartRow = PartPlace & { body: number; textUnits: number | null; outputUnits: number | null; json: string };
type ChunkRow = { field: 'text' | 'output'; body: number; json: string };

export class PartRows {
  readonly #journal: Journal;
  readonly #sql;
  #own: { body: number; field: string; text: string } | undefined;

  constructor(db: Db, journal: Journal) {
    this.#journal = journal;
    this.#sql = {
      find: db.prepare(`
        SELECT p.session, p.message, p.idx, p.body, p.text_units AS textUnits, p.output_units AS outputUnits, b.json
          FROM part p JOIN body b ON b.seq = p.body WHERE p.id = ?`),
      place: db.prepare(`
        SELECT p.session, p.message, p.idx, p.body, p.text_units AS textUnits, p.output_units AS outputUnits
          FROM part p WHERE p.id = ?`),
      names: db.prepare(`
        SELECT s.id AS sessionId, m.id AS messageId FROM session s JOIN message m ON m.session = s.key
         WHERE s.key = ? AND m.idx = ?`),
      add: db.prepare('INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING'),
      save: db.prepare(`UPDATE part SET body = ?, text_units = ?, output_units = ?
                         WHERE session = ? AND message = ? AND idx = ?`),
      drop: db.prepare('DELETE FROM part WHERE session = ? AND message = ? AND idx = ?'),
      inMessage: db.prepare(`
        SELECT p.id, p.session, p.message, p.idx, p.body, p.text_units AS textUnits, p.output_units AS outputUnits, b.json
          FROM part p JOIN body b ON b.seq = p.body WHERE p.session = ? AND p.message = ? ORDER BY p.idx`),
      unsettled: db.prepare(`
        SELECT p.session, p.message, p.idx, p.body, p.text_units AS textUnits, p.output_units AS outputUnits, b.json
          FROM part p JOIN body b ON b.seq = p.body WHERE p.session = ? AND p.message = ?
           AND (EXISTS (SELECT 1 FROM chunk c WHERE c.session = p.session AND c.message = p.message AND c.part = p.idx)
                OR instr(b.json, '"state":"pending"') OR instr(b.json, '"state":"running"'))
         ORDER BY p.idx`),
      chunks: db.prepare(`
        SELECT c.field, c.body, b.json FROM chunk c JOIN body b ON b.seq = c.body
         WHERE c.session = ? AND c.message = ? AND c.part = ? ORDER BY c.field, c.at_unit`),
      chunksIn: db.prepare(`
        SELECT c.at_unit AS at, b.json FROM chunk c JOIN body b ON b.seq = c.body
         WHERE c.session = $session AND c.message = $message AND c.part = $idx AND c.field = $field AND c.at_unit < $end
           AND c.at_unit >= ifnull((
             SELECT max(e.at_unit) FROM chunk e WHERE e.session = $session AND e.message = $message AND e.part = $idx
                AND e.field = $field AND e.at_unit <= $offset), 0)
         ORDER BY c.at_unit`),
      body: db.prepare('SELECT json FROM body WHERE seq = ?').pluck(),
      hasChunks: db.prepare('SELECT 1 FROM chunk WHERE session = ? AND message = ? AND part = ? LIMIT 1'),
      addChunk: db.prepare('INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)'),
      dropChunks: db.prepare('DELETE FROM chunk WHERE session = ? AND message = ? AND part = ?'),
      growText: db.prepare(`UPDATE part SET text_units = text_units + ? WHERE session = ? AND message = ? AND idx = ?`),
      growOutput: db.prepare(`UPDATE part SET output_units = output_units + ?
                               WHERE session = ? AND message = ? AND idx = ?`),
    };
  }

  find(id: string): Part | undefined {
    const row = this.#sql.find.get(id) as PartRow | undefined;
    return row && (JSON.parse(this.#whole(row)) as Part);
  }

  findLengths(id: string): PartLengths | undefined {
    const row = this.#sql.place.get(id) as Omit<PartRow, 'json'> | undefined;
    if (!row) return undefined;
    const names = this.#sql.names.get(row.session, row.message) as { sessionId: string; messageId: string };
    const { textUnits, outputUnits } = row;
    return { ...names, textUnits, outputUnits };
  }

  /** The parts of a message, in order, each as its whole JSON text. */
  readTexts(session: number, message: number, streamed = true): string[] {
    const rows = this.#sql.inMessage.all(session, message) as PartRow[];
    return rows.map((row) => (streamed ? this.#whole(row) : row.json));
  }

  /** The parts of a message with streamed text, or of tools that are still at work, whole. */
  unsettled(session: number, message: number): Part[] {
    const rows = this.#sql.unsettled.all(session, message) as PartRow[];
    return rows
      .map((row) => ({ row, part: JSON.parse(this.#whole(row)) as Part }))
      .filter(({ row, part }) => isAtWork(part) || this.#hasChunks(row))
      .map(({ part }) => part);
  }

  /** What a part holds of a text from `offset` on, at most `length` units: of the chunks only those that lie there. */
  findText(id: string, field: 'text' | 'output', offset: number, length: number): string {
    const row = this.#sql.place.get(id) as Omit<PartRow, 'json'>;
    const { session, message, idx } = row;
    const end = offset + length;
    const own = this.#ownText(row.body, field);
    let text = own.slice(offset, end);
    const chunks = this.#sql.chunksIn.all({ session, message, idx, field, offset, end }) as {
      at: number;
      json: string;
    }[];
    for (const { at, json } of chunks) {
      const delta = (JSON.parse(json) as EventData['part/delta']).text;
      text += delta.slice(Math.max(0, offset - at), Math.max(0, end - at));
    }
    return text;
  }

  /** The text in a part's own body, before any delta. The last one is kept: a client that resends asks for it often. */
  #ownText(body: number, field: 'text' | 'output'): string {
    if (this.#own?.body !== body || this.#own.field !== field) {
      const part = JSON.parse(this.#sql.body.get(body) as string) as Record<string, unknown>;
      this.#own = { body, field, text: typeof part[field] === 'string' ? part[field] : '' };
    }
    return this.#own.text;
  }

  put(place: PartPlace, id: string, own: Pick<PartLengths, 'textUnits' | 'outputUnits'>, seq: number): void {
    const { session, message, idx } = place;
    const added = this.#sql.add.run(session, message, idx, id, seq, own.textUnits, own.outputUnits);
    if (added.changes === 1) return;
    const held = this.#sql.place.get(id) as Omit<PartRow, 'json'>;
    this.#dropChunks(held);
    this.#journal.releaseBody(held.body);
    this.#sql.save.run(seq, own.textUnits, own.outputUnits, session, message, idx);
  }

  addDelta(delta: EventData['part/delta'], seq: number): void {
    const row = this.#sql.place.get(delta.partId) as Omit<PartRow, 'json'>;
    const { session, message, idx } = row;
    this.#sql.addChunk.run(session, message, idx, delta.field, delta.offset, seq);
    const grow = delta.field === 'text' ? this.#sql.growText : this.#sql.growOutput;
    grow.run(delta.text.length, session, message, idx);
  }

  remove(id: string): void {
    this.#drop(this.#sql.place.get(id) as Omit<PartRow, 'json'>);
  }

  /** Removes all parts of a message; returns their ids. */
  removeAll(session: number, message: number): string[] {
    const rows = this.#sql.inMessage.all(session, message) as (PartRow & { id: string })[];
    for (const row of rows) this.#drop(row);
    return rows.map((row) => row.id);
  }

  /** Forgets what is kept in memory, after a rollback: another body may stand at that seq then. */
  reset(): void {
    this.#own = undefined;
  }

  #drop(row: Omit<PartRow, 'json'>): void {
    this.#dropChunks(row);
    this.#sql.drop.run(row.session, row.message, row.idx);
    this.#journal.releaseBody(row.body);
  }

  #dropChunks(row: PartPlace): void {
    if (!this.#hasChunks(row)) return;
    const chunks = this.#sql.chunks.all(row.session, row.message, row.idx) as ChunkRow[];
    this.#sql.dropChunks.run(row.session, row.message, row.idx);
    for (const chunk of chunks) this.#journal.releaseBody(chunk.body);
  }

  #hasChunks({ session, message, idx }: PartPlace): boolean {
    return this.#sql.hasChunks.get(session, message, idx) !== undefined;
  }

  /** The stored text as it is, unless deltas came after it. */
  #whole(row: PartRow): string {
    if (row.textUnits === null && row.outputUnits === null) return row.json;
    if (!this.#hasChunks(row)) return row.json;
    const chunks = this.#sql.chunks.all(row.session, row.message, row.idx) as ChunkRow[];
    const part = JSON.parse(row.json) as Record<string, unknown>;
    for (const field of ['text', 'output'] as const) {
      const added = chunks.filter((chunk) => chunk.field === field);
      if (added.length === 0) continue;
      const texts = added.map((chunk) => (JSON.parse(chunk.json) as EventData['part/delta']).text);
      part[field] = ((part[field] as string | undefined) ?? '') + texts.join('');
    }
    return JSON.stringify(part);
  }
}
