// The current records: what decide() asks of them, and how an event changes them. All writes happen inside the writer's
// transaction. Derived fields of a session are kept by the same function as in every client's view.
import { deriveSession } from '../../protocol/derive.ts';
import type { Artifact, Blocker, Event, Message, Part, Session, Turn } from '../../protocol/schema.ts';
import type { Draft } from '../core/decide.ts';
import { ownLengths } from '../core/ops/part.ts';
import type { PartLengths, Records } from '../core/records.ts';
import { BlockerRows } from './blocker-rows.ts';
import { Cache } from './cache.ts';
import type { Journal } from './journal.ts';
import type { Db } from './open.ts';
import { PartRows } from './part-rows.ts';
import { TurnRows } from './turn-rows.ts';

type HeldSession = { key: number; session: Session; nextMessage: number; changedSeq: number; changed: boolean };
type HeldMessage = { session: number; idx: number; body: number; nextPart: number; message: Message };

const maxActors = 512;
/** What hangs on a session: what points to others stands before them. */
const bodyTables = ['chunk', 'part', 'message', 'blocker', 'turn', 'artifact'];
/** Those of them that have ids. */
const recordTables = ['part', 'message', 'blocker', 'turn'];

export class Tables implements Records {
  readonly #journal: Journal;
  readonly #sessions = new Cache<HeldSession>();
  readonly #messages = new Cache<HeldMessage>();
  readonly #parts: PartRows;
  readonly #turns: TurnRows;
  readonly #blockers: BlockerRows;
  readonly #actors = new Map<string, number>();
  readonly #sql;

  constructor(db: Db, journal: Journal) {
    this.#journal = journal;
    this.#parts = new PartRows(db, journal);
    this.#turns = new TurnRows(db, journal);
    this.#blockers = new BlockerRows(db, journal);
    this.#sql = {
      findSession: db.prepare(`
        SELECT key, next_message AS nextMessage, changed_seq AS changedSeq, record FROM session
         WHERE id = ? AND record IS NOT NULL`),
      sessionTaken: db.prepare('SELECT 1 FROM session WHERE id = ?'),
      renewSession: db
        .prepare(`
        UPDATE session SET directory = ?, agent = ?, parent_id = ?, origin_source = ?, origin_external = ?, record = ''
         WHERE id = ? RETURNING key`)
        .pluck(),
      idTaken: db.prepare('SELECT 1 FROM removed WHERE id = ?'),
      takeId: db.prepare('INSERT OR IGNORE INTO removed VALUES (?)'),
      addSession: db.prepare(`
        INSERT INTO session (id, directory, agent, parent_id, origin_source, origin_external, status, archived, updated_at,
          next_message, changed_seq, record) VALUES (?, ?, ?, ?, ?, ?, 'idle', 0, 0, 0, 0, '')`),
      saveSession: db.prepare(`
        UPDATE session SET current_agent = ?, status = ?, archived = ?, updated_at = ?, next_message = ?, changed_seq = ?,
          record = ?
         WHERE key = ?`),
      endSession: db.prepare('UPDATE session SET record = NULL WHERE key = ?'),
      findMessage: db.prepare(`
        SELECT m.session, m.idx, m.body, b.json,
               (SELECT ifnull(max(p.idx) + 1, 0) FROM part p WHERE p.session = m.session AND p.message = m.idx) AS nextPart
          FROM message m JOIN body b ON b.seq = m.body WHERE m.id = ?`),
      addMessage: db.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?)'),
      saveMessage: db.prepare('UPDATE message SET turn = ?, body = ? WHERE session = ? AND idx = ?'),
      dropMessage: db.prepare('DELETE FROM message WHERE session = ? AND idx = ?'),
      messagesOfTurn: db.prepare('SELECT id FROM message WHERE session = ? AND turn = ? ORDER BY idx').pluck(),
      findArtifact: db.prepare(`
        SELECT a.body, b.json FROM artifact a JOIN session s ON s.key = a.session JOIN body b ON b.seq = a.body
         WHERE s.id = ? AND a.kind = ? AND a.key = ?`),
      putArtifact: db.prepare(
        'INSERT INTO artifact VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
      ),
      dropArtifact: db.prepare('DELETE FROM artifact WHERE session = ? AND kind = ? AND key = ?'),
      // Of a session that goes, all at once: a statement for each row of 60,000 messages holds everybody up for seconds. What
      // points to others goes before them.
      takeIdsOf: db.prepare(`
        INSERT OR IGNORE INTO removed SELECT id FROM (${eachOf(recordTables, 'id')}) ORDER BY id`),
      releaseBodiesOf: db.prepare(`
        DELETE FROM body WHERE seq IN (${eachOf(bodyTables, 'body', 'AND body <= $floor')})`),
      dropAllOf: bodyTables.map((table) => db.prepare(`DELETE FROM ${table} WHERE session = ?`)),
      findActor: db.prepare('SELECT key FROM actor WHERE name = ?').pluck(),
      addActor: db.prepare('INSERT INTO actor (name) VALUES (?)'),
    };
  }

  // --- what decide() asks ---

  findSession(id: string): Session | undefined {
    return this.#session(id)?.session;
  }

  findMessage(id: string): Message | undefined {
    return this.#message(id)?.message;
  }

  findPart(id: string): Part | undefined {
    return this.#parts.find(id);
  }

  findPartLengths(id: string): PartLengths | undefined {
    return this.#parts.findLengths(id);
  }

  findText(partId: string, field: 'text' | 'output', offset: number, length: number): string {
    return this.#parts.findText(partId, field, offset, length);
  }

  findTurn(id: string): Turn | undefined {
    return this.#turns.find(id)?.turn;
  }

  messagesOfTurn(turnId: string): Message[] {
    const turn = this.#turns.find(turnId);
    if (!turn) return [];
    const ids = this.#sql.messagesOfTurn.all(turn.session, turn.idx) as string[];
    return ids.map((id) => this.findMessage(id)!);
  }

  unsettledPartsOfTurn(turnId: string): Part[] {
    return this.messagesOfTurn(turnId).flatMap(({ id }) => {
      const { session, idx } = this.#message(id)!;
      return this.#parts.unsettled(session, idx);
    });
  }

  pendingBlockersOfTurn(turnId: string): Blocker[] {
    const turn = this.#turns.find(turnId);
    return turn ? this.#blockers.pendingOfTurn(turn.session, turn.idx) : [];
  }

  findBlocker(id: string): Blocker | undefined {
    return this.#blockers.find(id);
  }

  findArtifact(sessionId: string, kind: string, key: string): Artifact | undefined {
    const row = this.#sql.findArtifact.get(sessionId, kind, key) as { json: string } | undefined;
    return row && (JSON.parse(row.json) as Artifact);
  }

  isTaken(id: string): boolean {
    return (id.startsWith('ses_') ? this.#sql.sessionTaken : this.#sql.idTaken).get(id) !== undefined;
  }

  nextMessageIndex(sessionId: string): number {
    return this.#session(sessionId)?.nextMessage ?? 0;
  }

  nextPartIndex(messageId: string): number {
    return this.#message(messageId)?.nextPart ?? 0;
  }

  // --- what the writer does ---

  /** The key of an actor's name, made when it is new. */
  actorKey(name: string): number {
    let key = this.#actors.get(name) ?? (this.#sql.findActor.get(name) as number | undefined);
    key ??= Number(this.#sql.addActor.run(name).lastInsertRowid);
    if (this.#actors.size > maxActors) this.#actors.clear();
    this.#actors.set(name, key);
    return key;
  }

  /**
   * The key of the session that a draft is for. A session/created draft makes the row: its event points to it. Where there is
   * one, of a replica that comes anew, all that the session had goes with it; ids of that are not taken.
   */
  sessionKey(draft: Draft): number {
    if (draft.type !== 'session/created') return this.#session(draft.sessionId)!.key;
    const { id, directory, agent, parentId, origin } = draft.data;
    const created = [directory, agent, parentId, origin?.source ?? null, origin?.externalId ?? null];
    const held = this.#session(id);
    if (held) this.#clear(held, id, false);
    const key =
      (this.#sql.renewSession.get(...created, id) as number | undefined) ??
      Number(this.#sql.addSession.run(id, ...created).lastInsertRowid);
    this.#sessions.remember(id, { key, session: draft.data, nextMessage: 0, changedSeq: 0, changed: true });
    return key;
  }

  /** Applies an event that was just appended at `event.seq`. */
  apply(event: Event): void {
    const held = this.#session(event.sessionId)!;
    if (event.type === 'session/deleted') {
      this.#clear(held, event.sessionId, true);
      this.#sql.endSession.run(held.key);
      return;
    }
    const around = {
      message:
        event.type === 'message/updated'
          ? this.findMessage(event.data.id)
          : event.type === 'message/removed'
            ? this.findMessage(event.data.messageId)
            : undefined,
      blocker: event.type === 'blocker/updated' ? this.findBlocker(event.data.id) : undefined,
      openTurns: () => this.#turns.countOpen(held.key),
    };
    this.#applyRecord(held, event);
    held.session = deriveSession(held.session, event, around);
    held.changedSeq = event.seq;
    held.changed = true;
  }

  /** Writes the sessions that changed: once a transaction, however many events each had. Its last step but the head. */
  flush(): void {
    for (const held of this.#sessions.values()) {
      if (!held.changed) continue;
      const { agent, status, archivedAt, updatedAt } = held.session;
      const record = JSON.stringify(held.session);
      const archived = archivedAt === null ? 0 : 1;
      this.#sql.saveSession.run(
        agent,
        status,
        archived,
        updatedAt,
        held.nextMessage,
        held.changedSeq,
        record,
        held.key,
      );
      held.changed = false;
    }
    this.#sessions.trim();
    this.#messages.trim();
    this.#turns.trim();
  }

  /** Forgets what is cached, after a rollback. */
  reset(): void {
    this.#sessions.clear();
    this.#messages.clear();
    this.#parts.reset();
    this.#turns.reset();
    this.#actors.clear();
  }

  #applyRecord(held: HeldSession, event: Exclude<Event, { type: 'session/deleted' }>): void {
    switch (event.type) {
      case 'session/created':
      case 'session/updated':
        return;
      case 'message/updated':
        this.#putMessage(held, event.data, event.seq);
        return;
      case 'message/removed':
        this.#removeMessage(event.data.messageId);
        return;
      case 'part/updated':
        this.#putPart(event.data, event.seq);
        return;
      case 'part/delta':
        this.#parts.addDelta(event.data, event.seq);
        return;
      case 'part/removed':
        this.#parts.remove(event.data.partId);
        // The next part goes behind those that are there, in this process as in any other.
        this.#messages.delete(event.data.messageId);
        this.#sql.takeId.run(event.data.partId);
        return;
      case 'artifact/updated': {
        const { kind, key } = event.data;
        this.#releaseArtifact(event.sessionId, kind, key);
        this.#sql.putArtifact.run(held.key, kind, key, event.seq);
        return;
      }
      case 'artifact/removed':
        this.#releaseArtifact(event.sessionId, event.data.kind, event.data.key);
        this.#sql.dropArtifact.run(held.key, event.data.kind, event.data.key);
        return;
      case 'turn/updated':
        this.#turns.put(held.key, event.data, event.seq);
        return;
      case 'blocker/updated':
        this.#blockers.put(held.key, this.#turnRow(event.data.turnId), event.data, event.seq);
        return;
    }
  }

  #putMessage(held: HeldSession, message: Message, seq: number): void {
    const row = this.#message(message.id);
    if (row) {
      this.#journal.releaseBody(row.body);
      this.#sql.saveMessage.run(this.#turnRow(message.turnId), seq, row.session, row.idx);
      row.body = seq;
      row.message = message;
      return;
    }
    this.#sql.addMessage.run(held.key, message.messageIndex, message.id, this.#turnRow(message.turnId), seq);
    held.nextMessage = message.messageIndex + 1;
    const added = { session: held.key, idx: message.messageIndex, body: seq, nextPart: 0, message };
    this.#messages.remember(message.id, added);
  }

  #turnRow(turnId: string | null): number | null {
    return turnId === null ? null : this.#turns.find(turnId)!.idx;
  }

  #putPart(part: Part, seq: number): void {
    const message = this.#message(part.messageId)!;
    const place = { session: message.session, message: message.idx, idx: part.index };
    this.#parts.put(place, part.id, ownLengths(part), seq);
    message.nextPart = Math.max(message.nextPart, part.index + 1);
  }

  /** The ids of what goes stay taken. */
  #removeMessage(id: string): void {
    const row = this.#message(id)!;
    const partIds = this.#parts.removeAll(row.session, row.idx);
    this.#sql.dropMessage.run(row.session, row.idx);
    for (const taken of [...partIds, id]) this.#sql.takeId.run(taken);
    this.#journal.releaseBody(row.body);
    this.#messages.delete(id);
  }

  #releaseArtifact(sessionId: string, kind: string, key: string): void {
    const row = this.#sql.findArtifact.get(sessionId, kind, key) as { body: number } | undefined;
    if (row) this.#journal.releaseBody(row.body);
  }

  /** All that a session has goes; `takes`: the ids of it stay taken. */
  #clear({ key }: HeldSession, id: string, takes: boolean): void {
    if (takes) this.#sql.takeIdsOf.run({ key });
    this.#sql.releaseBodiesOf.run({ key, floor: this.#journal.floorSeq });
    for (const drop of this.#sql.dropAllOf) drop.run(key);
    for (const [messageId, { session }] of this.#messages) if (session === key) this.#messages.delete(messageId);
    this.#turns.forget(key);
    this.#sessions.delete(id);
  }

  #session(id: string): HeldSession | undefined {
    const cached = this.#sessions.get(id);
    if (cached) return cached;
    const row = this.#sql.findSession.get(id) as
      | (Pick<HeldSession, 'key' | 'nextMessage' | 'changedSeq'> & { record: string })
      | undefined;
    if (!row) return undefined;
    const { record, ...place } = row;
    const session = JSON.parse(record) as Session;
    const held = { ...place, session, changed: false };
    return this.#journal.isHeld ? held : this.#sessions.remember(id, held);
  }

  #message(id: string): HeldMessage | undefined {
    const cached = this.#messages.get(id);
    if (cached) return cached;
    const row = this.#sql.findMessage.get(id) as (Omit<HeldMessage, 'message'> & { json: string }) | undefined;
    if (!row) return undefined;
    const { json, ...place } = row;
    const held = { ...place, message: JSON.parse(json) as Message };
    return this.#journal.isHeld ? held : this.#messages.remember(id, held);
  }
}

function eachOf(tables: readonly string[], column: string, and = ''): string {
  return tables.map((table) => `SELECT ${column} FROM ${table} WHERE session = $key ${and}`).join(' UNION ALL ');
}
