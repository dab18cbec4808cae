// A session as a sink is sent it whole (PROTOCOL.md 7), where the journal does not hold all of its events any more, or the other
// side lost some: its records as they are now, as events, in pieces of a bounded size.
import type { Blocker, Message, Part, Session, Turn } from '../../protocol/schema.ts';
import type { Lists } from '../store/lists.ts';
import { sessionItems } from './session-items.ts';

export type SnapshotOf = {
  sessionId: string;
  /** Of this snapshot alone. */
  id: string;
  /** The head at that moment. */
  seq: number;
  maxBytes: number;
  /** False: without text that is streamed: half a secret is none that a rule knows. It comes when its part or turn is done. */
  streamed?: boolean;
};

/** `version`: of the session. `isLast`: no other follows. */
export type SnapshotPiece = { item: string; version: number; isLast: boolean };

type Records = {
  session: Session;
  turns: Turn[];
  blockers: Blocker[];
  artifacts: { sessionId: string; actorId: string }[];
  messages?: { message: Message; parts: Part[] }[];
};
type Draft = { type: string; actorId: string; data: unknown };

/** The pieces of a session; none where there is no such session. `lists` is at one version. */
export function* snapshotPieces(lists: Lists, of: SnapshotOf): Generator<SnapshotPiece, void> {
  let index = 0;
  let version = 0;
  for (const { text, last } of sessionItems(lists, of.sessionId, true, of.maxBytes, of.streamed)) {
    const records = JSON.parse(text) as Records;
    const { session } = records;
    const drafts = draftsOf(records);
    // What of a session follows from its records is told as it began, and at the end as it is.
    if (index === 0) drafts.unshift({ type: 'session/created', actorId: session.actorId, data: begun(session) });
    if (last) drafts.push({ type: 'session/updated', actorId: session.actorId, data: session });
    const at = session.updatedAt;
    const opId = `snapshot:${of.id}:${index}`;
    const events = drafts.map(({ type, actorId, data }) => {
      version += 1;
      return { seq: Math.max(1, of.seq), sessionId: of.sessionId, version, type, at, actorId, opId, data };
    });
    const snapshot = { id: of.id, index, done: last };
    const item = { opId, seq: of.seq, sessionId: of.sessionId, version: session.version, snapshot, events };
    yield { item: JSON.stringify(item), version: session.version, isLast: last };
    index += 1;
  }
}

/** That a session is not there any more. `version`: any that is not below what was sent. */
export function deletionPiece({ sessionId, id, seq }: SnapshotOf, version: number, at: number): string {
  const opId = `snapshot:${id}:0`;
  const event = {
    ...{ seq: Math.max(1, seq), sessionId, version: 1, type: 'session/deleted', at, actorId: 'system', opId },
    data: { sessionId },
  };
  return JSON.stringify({ opId, seq, sessionId, version, snapshot: { id, index: 0, done: true }, events: [event] });
}

/** In an order in which each record comes behind what it names. */
function draftsOf({ turns, blockers, artifacts, messages = [] }: Records): Draft[] {
  const draft = (type: string) => (data: { actorId: string }) => ({ type, actorId: data.actorId, data });
  return [
    ...turns.map(draft('turn/updated')),
    ...messages.flatMap(({ message, parts }) => [
      draft('message/updated')(message),
      ...parts.map(draft('part/updated')),
    ]),
    ...blockers.map(draft('blocker/updated')),
    ...artifacts.map(draft('artifact/updated')),
  ];
}

function begun(session: Session): Session {
  const usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  return { ...session, status: 'idle', usage, messageCount: 0, pendingBlockers: 0 };
}
