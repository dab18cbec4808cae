// reduce(view, event): the one reducer, for every client and for the tests' oracle. Replaying an event changes nothing:
// an event whose version is not above that of its session in the view is ignored (PROTOCOL.md 5), and so what a snapshot
// shows already changes nothing when its event comes behind it.
import { deriveSession, isOpenTurn } from './derive.ts';
import type { SnapshotItem } from './method.ts';
import type { Artifact, Blocker, Event, Message, Part, Session, Turn } from './schema.ts';

export type MessageView = { message: Message; parts: Map<string, Part> };

/** One session with all that hangs on it. Maps keep insertion order, which is the order of message/list. */
export type SessionView = {
  session: Session;
  turns: Map<string, Turn>;
  openTurns: number;
  messages: Map<string, MessageView>;
  /**
   * False where it is from a snapshot without messages: then `messages` stays empty, and what of the session follows from
   * them (`messageCount`, `usage`) is that of the session's last own event or of the snapshot.
   */
  hasMessages: boolean;
  blockers: Map<string, Blocker>;
  artifacts: Map<string, Artifact>;
};

/** What a client folds events into: session id -> session. */
export type View = Map<string, SessionView>;

export function emptyView(): View {
  return new Map();
}

export function artifactKey(kind: string, key: string): string {
  return JSON.stringify([kind, key]);
}

/**
 * Folds one event into the view and returns it. The view is changed in place (a copy for each event would make long
 * sessions quadratic), the records in it are replaced and never changed. Events of unknown types only advance the
 * session; events of sessions that the view does not know are ignored unless they create them.
 */
export function reduce(view: View, event: Event): View {
  const known = view.get(event.sessionId);
  if (known && event.version <= known.session.version) return view;
  if (event.type === 'session/created') {
    view.set(event.sessionId, emptySession(event.data, true));
    return view;
  }
  if (!known) return view;
  if (event.type === 'session/deleted') {
    view.delete(event.sessionId);
    return view;
  }
  const around = {
    message: known.messages.get(messageIdOf(event))?.message,
    blocker: event.type === 'blocker/updated' ? known.blockers.get(event.data.id) : undefined,
    openTurns: () => known.openTurns,
  };
  const before = known.session;
  apply(known, event);
  known.session = deriveSession(before, event, around);
  if (!known.hasMessages && event.type.startsWith('message/')) {
    const { messageCount, usage } = before;
    known.session = { ...known.session, messageCount, usage };
  }
  return view;
}

/**
 * Adds an item of a snapshot to the view of that snapshot, which begins empty, and returns it. A long session comes in
 * several items: their records belong together.
 */
export function addSnapshotItem(view: View, item: SnapshotItem): View {
  const { session, messages } = item;
  const held = view.get(session.id) ?? emptySession(session, messages !== undefined);
  view.set(session.id, held);
  for (const turn of item.turns) {
    held.turns.set(turn.id, turn);
    held.openTurns += Number(isOpenTurn(turn));
  }
  for (const blocker of item.blockers) held.blockers.set(blocker.id, blocker);
  for (const artifact of item.artifacts) held.artifacts.set(artifactKey(artifact.kind, artifact.key), artifact);
  for (const { message, parts } of messages ?? []) {
    held.messages.set(message.id, { message, parts: new Map(parts.map((part) => [part.id, part])) });
  }
  return view;
}

function emptySession(session: Session, hasMessages: boolean): SessionView {
  return {
    session,
    turns: new Map(),
    openTurns: 0,
    messages: new Map(),
    hasMessages,
    blockers: new Map(),
    artifacts: new Map(),
  };
}

function messageIdOf(event: Event): string {
  if (event.type === 'message/updated') return event.data.id;
  return event.type === 'message/removed' ? event.data.messageId : '';
}

function apply(target: SessionView, event: Exclude<Event, { type: 'session/created' | 'session/deleted' }>): void {
  switch (event.type) {
    case 'session/updated':
      return;
    case 'message/updated': {
      if (!target.hasMessages) return;
      const held = target.messages.get(event.data.id);
      target.messages.set(event.data.id, { message: event.data, parts: held?.parts ?? new Map() });
      return;
    }
    case 'message/removed':
      target.messages.delete(event.data.messageId);
      return;
    case 'part/updated':
      target.messages.get(event.data.messageId)?.parts.set(event.data.id, event.data);
      return;
    case 'part/delta': {
      const { messageId, partId, field, offset, text } = event.data;
      const parts = target.messages.get(messageId)?.parts;
      const part = parts?.get(partId);
      if (parts && part) parts.set(partId, withDelta(part, field, offset, text));
      return;
    }
    case 'part/removed':
      target.messages.get(event.data.messageId)?.parts.delete(event.data.partId);
      return;
    case 'turn/updated':
      target.openTurns += Number(isOpenTurn(event.data)) - Number(isOpen(target.turns.get(event.data.id)));
      target.turns.set(event.data.id, event.data);
      return;
    case 'blocker/updated':
      target.blockers.set(event.data.id, event.data);
      return;
    case 'artifact/updated':
      target.artifacts.set(artifactKey(event.data.kind, event.data.key), event.data);
      return;
    case 'artifact/removed':
      target.artifacts.delete(artifactKey(event.data.kind, event.data.key));
      return;
    default:
      ignoreUnknown(event);
  }
}

function isOpen(turn: Turn | undefined): boolean {
  return turn !== undefined && isOpenTurn(turn);
}

/** A newer daemon's event types are ignored, not refused; the compiler still checks that all known ones are handled. */
function ignoreUnknown(event: never): void {
  void event;
}

/** The part with `text` appended at `offset` to its field; the part given is not changed. */
export function withDelta(part: Part, field: 'text' | 'output', offset: number, text: string): Part {
  const held = (part as Record<string, unknown>)[field];
  const before = typeof held === 'string' ? held.slice(0, offset) : '';
  return { ...part, [field]: before + text } as Part;
}
