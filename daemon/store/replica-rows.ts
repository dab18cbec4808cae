// Sessions whose home is another store (PROTOCOL.md 7), and how far the journals of those stores are held. All writes happen
// inside the writer's transaction. Rows are kept for ever: a session that was deleted must not be taken for a new one.
import type { ReplicaStand } from '../core/replica.ts';
import type { Db } from './open.ts';

/** `origin`: the storeId of its home; `capability`: what brought it, '' for the owner. */
export type ReplicaRow = ReplicaStand & { session: string; origin: string; capability: string };

/** Origins that are kept of one capability: who makes up more pushes out only their own. */
const maxOrigins = 100;

export class ReplicaRows {
  readonly #sql;

  constructor(db: Db) {
    this.#sql = {
      sessions: db.prepare('SELECT session FROM replica').pluck(),
      find: db.prepare('SELECT * FROM replica WHERE session = ?'),
      put: db.prepare(`
        INSERT INTO replica VALUES ($session, $origin, $capability, $version, $ahead, $snapshot, $piece, $state)
          ON CONFLICT DO UPDATE SET origin = $origin, capability = $capability, version = $version, ahead = $ahead,
             snapshot = $snapshot, piece = $piece, state = $state`),
      discard: db.prepare(`UPDATE replica SET state = 'discarded' WHERE session = ?`),
      dropGuestOps: db.prepare('DELETE FROM guest_op WHERE session = ? AND result IS NULL'),
      cursor: db.prepare('SELECT cursor FROM replica_origin WHERE capability = ? AND origin = ?').pluck(),
      newestCursor: db
        .prepare('SELECT cursor FROM replica_origin WHERE capability = ? ORDER BY at DESC, origin LIMIT 1')
        .pluck(),
      putCursor: db.prepare(`
        INSERT INTO replica_origin VALUES (?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET cursor = excluded.cursor, at = excluded.at`),
      trimCursors: db.prepare(`
        DELETE FROM replica_origin WHERE capability = $capability AND origin IN (
          SELECT origin FROM replica_origin WHERE capability = $capability ORDER BY at DESC, origin
           LIMIT -1 OFFSET ${maxOrigins})`),
    };
  }

  /** The ids of all replicas. */
  sessions(): string[] {
    return this.#sql.sessions.all() as string[];
  }

  find(session: string): ReplicaRow | undefined {
    return this.#sql.find.get(session) as ReplicaRow | undefined;
  }

  put(row: ReplicaRow): void {
    this.#sql.put.run(row);
  }

  /** Nothing more is taken of it, and what guests have for its home goes. */
  discard(session: string): void {
    this.#sql.discard.run(session);
    this.#sql.dropGuestOps.run(session);
  }

  /** How far the journal of the origin is held of what came by the capability. */
  cursorOf(capability: string, origin: string): string | undefined {
    return this.#sql.cursor.get(capability, origin) as string | undefined;
  }

  /** That of the origin which sent something last. */
  newestCursorOf(capability: string): string | undefined {
    return this.#sql.newestCursor.get(capability) as string | undefined;
  }

  /** `at`: ms since the epoch. */
  putCursor(capability: string, origin: string, cursor: string, at: number): void {
    this.#sql.putCursor.run(capability, origin, cursor, at);
    this.#sql.trimCursors.run({ capability });
  }
}
