// The journal: every event at its seq, strictly increasing, never reused (PROTOCOL.md 2). It hands out stored text and
// never parses it again.
import { randomBytes } from 'node:crypto';
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor, parseCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse, refuseParams } from '../../protocol/errors.ts';
import type { Db } from './open.ts';

/** What of the journal is asked for; all given must match. */
export type EventFilter = {
  sessions?: string[] | undefined;
  directory?: string | undefined;
  agents?: string[] | undefined;
  /** Event types, or families such as `part/*`. */
  types?: string[] | undefined;
  deltas?: boolean | undefined;
  /** The sessions that the reader may know of, whatever they ask for; undefined: all. */
  within?: string[] | undefined;
};

/** A stored event as its JSON text. `opLast`: the seq of the last event of its op. */
export type StoredEvent = {
  seq: number;
  text: string;
  opLast: number;
  opId: string;
  sessionId: string;
  version: number;
  type: string;
};

/**
 * `through`: the position up to which the journal was looked at, also where nothing matched. `whole`: it is the end of an
 * op; else the page is a piece of one that does not fit, and the next page goes on with it.
 */
export type ReadPage = { events: StoredEvent[]; through: Cursor; whole: boolean };

/** `events`: ends a page, but only behind a whole op; `bytes` of text and `eventsOfAnyOp` also split an op. */
export type ReadLimits = { events: number; bytes: number; eventsOfAnyOp?: number };

export type NewEvent = {
  session: number;
  version: number;
  type: string;
  occurredAt: number | undefined;
  actor: number;
  opId: string;
  /** How many events of the same op follow. */
  opRest: number;
  json: string;
};

/** Rows looked at in one read, so that a filter which matches nothing cannot hold the event loop. */
const maxScan = 5_000;

type Position = { seq: number; tag: number };
type Ends = { head: Position; floor: Position };

type Row = [number, string, number, string, number, number | null, string, string, number, string];

export class Journal {
  readonly storeId: string;
  readonly #db: Db;
  /** As the transaction under way has them; what others see is `#shown`. */
  #head: Position;
  #floor: Position;
  #lastAt: number;
  /** Before the transactions that are not on the disk yet. */
  #before: Ends | undefined;
  /** What others see while those are on their way there. */
  #held: Ends | undefined;
  /** The tag of the transaction under way or last done; events behind `#tagFrom` carry it. */
  #tag = 0;
  #tagFrom = Number.MAX_SAFE_INTEGER;
  readonly #insertEvent;
  readonly #insertBody;
  readonly #deleteBody;
  readonly #saveHead;
  readonly #saveFloor;
  readonly #tagAt;
  readonly #opLastAt;
  readonly #endBefore;
  readonly #timeAt;
  readonly #reads = new Map<string, ReturnType<Db['prepare']>>();

  constructor(db: Db) {
    this.#db = db;
    const row = db.prepare('SELECT * FROM store').get() as {
      store_id: string;
      head_seq: number;
      head_tag: number;
      last_at: number;
      floor_seq: number;
      floor_tag: number;
    };
    this.storeId = row.store_id;
    this.#head = { seq: row.head_seq, tag: row.head_tag };
    this.#floor = { seq: row.floor_seq, tag: row.floor_tag };
    this.#lastAt = row.last_at;
    this.#insertEvent = db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#insertBody = db.prepare('INSERT INTO body VALUES (?, ?)');
    this.#deleteBody = db.prepare('DELETE FROM body WHERE seq = ?');
    this.#saveHead = db.prepare('UPDATE store SET head_seq = ?, head_tag = ?, last_at = ?');
    this.#saveFloor = db.prepare('UPDATE store SET floor_seq = ?, floor_tag = ?');
    this.#timeAt = db.prepare('SELECT at FROM event WHERE seq = ?').pluck();
    this.#opLastAt = db.prepare('SELECT op_last FROM event WHERE seq = ?').pluck();
    this.#endBefore = db
      .prepare('SELECT seq FROM event WHERE seq < ? AND op_last < ? ORDER BY seq DESC LIMIT 1')
      .pluck();
    this.#tagAt = db.prepare('SELECT tag FROM event WHERE seq = ?').pluck();
  }

  get head(): Cursor {
    return this.#cursor(this.#shownHead);
  }

  /** The oldest cursor that can still be resumed from. */
  get earliest(): Cursor {
    return this.#cursor(this.#shownFloor);
  }

  /** Before the first event that ever was: to be resumed from only as long as nothing was pruned. */
  get beginning(): Cursor {
    return this.#shownFloor.seq === 0 ? this.earliest : { storeId: this.storeId, seq: 0, tag: '0' };
  }

  /** The seq of `earliest`: what was pruned lies up to there. */
  get floorSeq(): number {
    return this.#shownFloor.seq;
  }

  /** The newest seq whose event is from before `time` (ms since the epoch); `floorSeq` when none is. */
  agedBefore(time: number): number {
    // `at` never decreases, and no seq behind the floor is missing.
    let [aged, kept] = [this.#shownFloor.seq, this.#shownHead.seq + 1];
    while (kept - aged > 1) {
      const middle = Math.floor((aged + kept) / 2);
      if ((this.#timeAt.get(middle) as number) < time) aged = middle;
      else kept = middle;
    }
    return aged;
  }

  /** The last seq of the op at `seq`; `seq` itself where nothing is there. */
  opEnd(seq: number): number {
    return (this.#opLastAt.get(seq) as number | undefined) ?? seq;
  }

  /** The end of the last op that is whole up to `seq`, of those that are there; `floorSeq` when none is. */
  wholeUpTo(seq: number): number {
    const end = this.opEnd(seq);
    if (end === seq) return seq;
    return (this.#endBefore.get(seq, end) as number | undefined) ?? this.#shownFloor.seq;
  }

  /** What is up to `seq` has gone, of which `tag` is the last. Only inside the transaction in which it went. */
  moveFloor(seq: number, tag: string): void {
    this.#floor = { seq, tag: Number.parseInt(tag, 36) };
    this.#saveFloor.run(seq, this.#floor.tag);
  }

  /** Starts a transaction's appends. Returns `at` for its events, which never decreases, whatever the clock does. */
  begin(now: number): number {
    this.#before ??= { head: this.#head, floor: this.#floor };
    this.#tag = newTag();
    this.#tagFrom = this.#head.seq;
    this.#lastAt = Math.max(this.#lastAt, now);
    return this.#lastAt;
  }

  /** Appends one event; returns its seq. Only inside a transaction that ends with `saveHead`. */
  append(event: NewEvent): number {
    const seq = this.#head.seq + 1;
    this.#insertEvent.run(
      seq,
      event.session,
      event.version,
      event.type,
      this.#lastAt,
      event.occurredAt ?? null,
      event.actor,
      event.opId,
      seq + event.opRest,
      this.#tag,
    );
    this.#insertBody.run(seq, event.json);
    this.#head = { seq, tag: this.#tag };
    return seq;
  }

  /** The table's row no longer needs the body at `seq`; it goes now unless the journal still holds its event. */
  releaseBody(seq: number): void {
    if (seq <= this.#floor.seq) this.#deleteBody.run(seq);
  }

  /** The last write of a transaction that appended. */
  saveHead(): void {
    this.#saveHead.run(this.#head.seq, this.#head.tag, this.#lastAt);
  }

  /** Back to what the store holds, after a rollback. */
  reload(): void {
    const sql = 'SELECT head_seq, head_tag, last_at, floor_seq, floor_tag FROM store';
    const row = this.#db.prepare(sql).raw().get() as number[];
    this.#head = { seq: row[0]!, tag: row[1]! };
    this.#floor = { seq: row[3]!, tag: row[4]! };
    this.#tagFrom = Number.MAX_SAFE_INTEGER;
    this.#lastAt = row[2]!;
  }

  /** Whether what is read is older than what the next transaction finds: it must not be remembered for that. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** From here until `release` everything is as it was before the transactions since the last one. */
  hold(): void {
    this.#held = this.#before;
  }

  /** They are on the disk. */
  release(): void {
    this.#before = undefined;
    this.#held = undefined;
  }

  /** The cursor of an event still held, else head: for the results of mutations, which nobody resumes from. */
  cursorAt(seq: number | null): Cursor {
    if (seq === null) return this.head;
    if (seq === this.#shownFloor.seq) return this.earliest;
    if (seq > this.#tagFrom && seq <= this.#shownHead.seq) return this.#cursor({ seq, tag: this.#tag });
    const tag = this.#tagAt.get(seq) as number | undefined;
    return tag === undefined ? this.head : this.#cursor({ seq, tag });
  }

  /**
   * Judges a cursor for resuming: never clamped, never skipped (P1, P2, P3). `floor`: the seq up to which events are not to
   * be served any more, whether they went already or not (P4).
   */
  check(text: string, floor = this.#shownFloor.seq): Cursor | Refusal {
    const cursor = parseCursor(text);
    const head = formatCursor(this.head);
    if (!cursor) return refuseParams(`not a cursor: ${JSON.stringify(text)}`, { member: 'cursor' });
    if (cursor.storeId !== this.storeId) {
      const message = 'the cursor is from another store: read the state anew and subscribe from there';
      return refuse('StoreChanged', message, { storeId: this.storeId, head });
    }
    if (cursor.seq < floor) {
      const message = 'the events after this cursor are pruned: read the state anew and subscribe from there';
      return refuse('CursorExpired', message, { earliest: formatCursor(this.cursorAt(floor)), head });
    }
    if (cursor.seq > this.#shownHead.seq) {
      return refuse('CursorInFuture', 'the cursor is ahead of this store, which was put back to an older state', {
        head,
      });
    }
    const at =
      cursor.seq === this.#shownFloor.seq ? this.#shownFloor.tag : (this.#tagAt.get(cursor.seq) as number | undefined);
    if (at === undefined || tagText(at) !== cursor.tag) {
      const message =
        'that position holds another event than this cursor saw: the store was put back to an older state';
      return refuse('Diverged', message, { head });
    }
    return cursor;
  }

  /**
   * The events after `after` that match, in order, up to the limits; at least one where any matches. An op is split only
   * where it alone goes beyond them. Looks at no more than a bounded number of rows, and loads one event behind the page.
   */
  readAfter(after: Cursor, filter: EventFilter, limits: ReadLimits): ReadPage {
    const end = Math.min(after.seq + maxScan, this.#shownHead.seq);
    if (end <= after.seq) return { events: [], through: after, whole: true };
    const { sql, values } = where(filter);
    const events: StoredEvent[] = [];
    let bytes = 0;
    /** So many of the events are of whole ops. */
    let whole = 0;
    const page = (through: number, isWhole: boolean) => ({ events, through: this.cursorAt(through), whole: isWhole });
    const wholeOps = () => {
      events.length = whole;
      return page(events[whole - 1]!.opLast, true);
    };
    for (const row of this.#read(sql).iterate([after.seq, end, ...values]) as Iterable<Row>) {
      const opLast = row[8];
      const last = events.at(-1);
      if (last && last.opLast !== opLast) {
        whole = events.length;
        if (whole >= limits.events) return wholeOps();
      }
      const text = eventText(row);
      bytes += Buffer.byteLength(text);
      if (last && (bytes > limits.bytes || events.length >= (limits.eventsOfAnyOp ?? Number.POSITIVE_INFINITY))) {
        return whole > 0 ? wholeOps() : page(last.seq, false);
      }
      events.push({ seq: row[0], text, opLast, opId: row[7], sessionId: row[1], version: row[2], type: row[3] });
    }
    if (end === this.#shownHead.seq || this.opEnd(end) === end) return page(end, true);
    // The scan ended inside an op: one that matched is left for the next page, unless it is all there is.
    const last = events.at(-1);
    if (last && last.opLast < end) return page(last.opLast, true);
    return whole > 0 ? wholeOps() : page(end, false);
  }

  count(): number {
    return this.#shownHead.seq - this.#shownFloor.seq;
  }

  get #shownHead(): Position {
    return this.#held?.head ?? this.#head;
  }

  get #shownFloor(): Position {
    return this.#held?.floor ?? this.#floor;
  }

  #read(condition: string): ReturnType<Db['prepare']> {
    let statement = this.#reads.get(condition);
    if (!statement) {
      // Session rows are never deleted, so the filter still matches the events of a deleted session.
      statement = this.#db
        .prepare(
          `SELECT e.seq, s.id, e.version, e.type, e.at, e.occurred_at, a.name, e.op_id, e.op_last, b.json
             FROM event e JOIN body b ON b.seq = e.seq JOIN session s ON s.key = e.session JOIN actor a ON a.key = e.actor
            WHERE e.seq > ? AND e.seq <= ? ${condition} ORDER BY e.seq`,
        )
        .raw();
      if (this.#reads.size > 100) this.#reads.clear();
      this.#reads.set(condition, statement);
    }
    return statement;
  }

  #cursor(position: Position): Cursor {
    return { storeId: this.storeId, seq: position.seq, tag: tagText(position.tag) };
  }
}

/** 24 random bits. Drawn from the system for many transactions: a call for each took as long as the rows of one. */
function newTag(): number {
  if (drawn.length === 0) drawn = randomBytes(3 * 256);
  const tag = drawn.readUIntBE(0, 3);
  drawn = drawn.subarray(3);
  return tag;
}
let drawn = Buffer.alloc(0);

function tagText(tag: number): string {
  return tag.toString(36);
}

/** The event as it goes over the wire: the stored body is joined, never parsed. */
function eventText(row: Row): string {
  const [seq, sessionId, version, type, at, occurredAt, actor, opId, , json] = row;
  const occurred = occurredAt === null ? '' : `,"occurredAt":${occurredAt}`;
  return (
    `{"seq":${seq},"sessionId":"${sessionId}","version":${version},"type":"${type}","at":${at}${occurred}` +
    `,"actorId":${JSON.stringify(actor)},"opId":${JSON.stringify(opId)},"data":${json}}`
  );
}

function where(filter: EventFilter): { sql: string; values: string[] } {
  let sql = '';
  const values: string[] = [];
  const oneOf = (column: string, wanted: string[]) => {
    sql += ` AND ${column} IN (${wanted.map(() => '?').join(', ')})`;
    values.push(...wanted);
  };
  if (filter.sessions) oneOf('s.id', filter.sessions);
  if (filter.within) oneOf('s.id', filter.within);
  if (filter.directory !== undefined) oneOf('s.directory', [filter.directory]);
  if (filter.agents) oneOf('s.agent', filter.agents);
  if (filter.types && !filter.types.includes('*')) {
    const families = filter.types.filter((type) => type.endsWith('/*'));
    const exact = filter.types.filter((type) => !type.endsWith('/*'));
    const any = families.map(() => 'e.type GLOB ?').concat(exact.map(() => 'e.type = ?'));
    sql += ` AND (${any.join(' OR ')})`;
    values.push(...families, ...exact);
  }
  if (filter.deltas === false) sql += ` AND e.type <> 'part/delta'`;
  return { sql, values };
}
