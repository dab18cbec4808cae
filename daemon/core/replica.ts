// What a home sends of a session, judged before it is written (PROTOCOL.md 7). Its events are not decided here: they are as the
// home decided them. But whoever sends them may be anybody, so what decide() sees to for ops is looked at for each event: what
// it names is there, in this session, at a place that is free, and what has ended stays as it ended.
import { isDeepStrictEqual } from 'node:util';
import { noUsage } from '../../protocol/derive.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse, refuseParams } from '../../protocol/errors.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import type { Event, EventData, EventType, Session } from '../../protocol/schema.ts';
import { blockerTransitions } from './blocker.ts';
import type { Draft } from './decide.ts';
import { maxTextUnits } from './ops/part.ts';
import { metadataTooLarge } from './ops/session.ts';
import type { Records } from './records.ts';
import { turnTransitions } from './turn.ts';

/**
 * How far a session is held. `version`: the home's; with `ahead` added it is the version here. `snapshot`, `piece`: the snapshot
 * that came last, and the index of its next piece. `arriving`: that is not done; `discarded`: it was deleted here.
 */
export type ReplicaStand = {
  version: number;
  ahead: number;
  snapshot: string | null;
  piece: number;
  state: 'held' | 'arriving' | 'discarded';
};

/** Names of actors are kept for ever. */
const maxActorUnits = 512;

/** What becomes of an item where so much is held: it is new, or was there before; or why it is not taken. */
export function judgeItem(item: ReplicaItem, held: ReplicaStand | undefined): 'new' | 'duplicate' | Refusal {
  const { version, snapshot } = item;
  if (!snapshot) {
    if (held && version <= held.version) return 'duplicate';
    const before = versionBefore(item);
    if (before === undefined) return misfit(item, 'it has no events: prevVersion must say what it follows');
    // What a snapshot has begun to replace cannot be gone on from, whatever it was.
    const at = held === undefined || held.state === 'arriving' ? 0 : held.version;
    if (held?.state === 'arriving' || before !== at) return behind(item, before, at);
    return wrongOp(item, before) ?? 'new';
  }
  const { id, index } = snapshot;
  const isLast = held?.snapshot === id;
  if (isLast && index < held.piece) return 'duplicate';
  const isNext = isLast ? held.state === 'arriving' && index === held.piece : index === 0;
  return (isNext ? wrongPiece(item, index) : behind(item, version, held?.version ?? 0)) ?? 'new';
}

function versionBefore({ prevVersion, events }: ReplicaItem): number | undefined {
  return prevVersion ?? (events[0] && events[0].version - 1);
}

function behind({ sessionId }: ReplicaItem, expected: number, actual: number): Refusal {
  const message = `session ${sessionId} is held up to version ${actual}, and this follows ${expected}: send what is between`;
  return refuse('VersionConflict', message, { sessionId, expected, actual });
}

function misfit({ sessionId }: Pick<ReplicaItem, 'sessionId'>, message: string): Refusal {
  return refuseParams(`session ${sessionId}: ${message}`, { member: 'events' });
}

/** What is wrong with the events of an op, as they stand beside one another. */
function wrongOp(item: ReplicaItem, before: number): Refusal | undefined {
  const { version, prevVersion, events } = item;
  if (version <= before) return misfit(item, `version ${version} does not follow ${before}`);
  let last = before;
  for (const event of events) {
    const follows = prevVersion === undefined ? event.version === last + 1 : event.version > last;
    if (!follows) return misfit(item, `version ${event.version} does not follow ${last}`);
    last = event.version;
  }
  if (last > version || (prevVersion === undefined && last < version)) {
    return misfit(item, `its last event is at version ${last}, not ${version}`);
  }
  const isNew = before === 0;
  if (isNew !== (events[0]?.type === 'session/created')) {
    return misfit(item, isNew ? 'it does not begin with session/created' : 'session/created is at version 1 alone');
  }
  return wrongEvents(item, isNew ? 1 : 0);
}

function wrongPiece(item: ReplicaItem, index: number): Refusal | undefined {
  const { events, snapshot } = item;
  if (index === 0 && events.length === 1 && events[0]!.type === 'session/deleted') {
    return snapshot!.done ? wrongEvents(item, 0) : misfit(item, 'nothing follows session/deleted');
  }
  if (index === 0 && events[0]?.type !== 'session/created') {
    return misfit(item, 'a snapshot begins with session/created');
  }
  if (events.some(({ type }) => type === 'session/deleted')) return misfit(item, 'session/deleted stands alone');
  return wrongEvents(item, index === 0 ? 1 : 0);
}

/** `from`: where session/created may not stand any more. */
function wrongEvents(item: ReplicaItem, from: number): Refusal | undefined {
  const { sessionId, events } = item;
  if (events.some(({ type }, at) => at >= from && type === 'session/created')) {
    return misfit(item, 'session/created stands first');
  }
  const stranger = events.find((event) => event.sessionId !== sessionId || sessionOf(event) !== sessionId);
  if (stranger) return misfit(item, `an event of type ${stranger.type} is of another session`);
  if (events.some(({ actorId }) => actorId.length > maxActorUnits)) {
    return misfit(item, `the name of an actor has over ${maxActorUnits} UTF-16 units`);
  }
  return undefined;
}

function sessionOf({ type, data }: Event): string {
  return type === 'session/created' || type === 'session/updated' ? data.id : data.sessionId;
}

/**
 * The event as it is written here, at `version`. What of a session follows from other records is what it is here, so that no
 * counts are told that nothing stands behind; what is fixed when it is created stays so. Of an honest home both are as sent.
 */
export function draftOf(event: Event, version: number, held: Session | undefined): Draft {
  const { type, sessionId } = event;
  if (type === 'session/created') {
    const derived = { status: 'idle' as const, usage: noUsage, messageCount: 0, pendingBlockers: 0 };
    return { type, sessionId, data: { ...event.data, version, ...derived } };
  }
  if (type === 'session/updated' && held) {
    const { parentId, directory, origin, createdAt, status, usage, messageCount, pendingBlockers } = held;
    const fixed = { parentId, directory, origin, createdAt };
    const derived = { status, usage, messageCount, pendingBlockers };
    return { type, sessionId, data: { ...event.data, version, ...fixed, ...derived } };
  }
  return { type, sessionId, data: event.data } as Draft;
}

/** Why an event cannot be written over the records as they are; undefined where it can. */
export function eventMisfit(records: Records, draft: Draft): Refusal | undefined {
  const { sessionId, type, data } = draft;
  if (type !== 'session/created' && !records.findSession(sessionId)) {
    return misfit(draft, `${type}: the session is deleted`);
  }
  const check = checks[type] as (held: Held, data: unknown) => Refusal | string | undefined;
  const wrong = check({ records, sessionId }, data);
  return typeof wrong === 'string' ? misfit(draft, `${type}: ${wrong}`) : wrong;
}

type Held = { records: Records; sessionId: string };
type Check<T extends EventType> = (held: Held, data: EventData[T]) => Refusal | string | undefined;

const checks: { [T in EventType]: Check<T> } = {
  'session/created': (_held, { metadata }) => metadataTooLarge(metadata),
  'session/updated': (_held, { metadata }) => metadataTooLarge(metadata),
  'session/deleted': () => undefined,
  'turn/updated': ({ records, sessionId }, { id, state }) => {
    const held = records.findTurn(id);
    if (!held) return undefined;
    if (held.sessionId !== sessionId) return taken('turn', id);
    if (state === held.state || turnTransitions[held.state].includes(state)) return undefined;
    return `turn ${id} is ${held.state} and cannot become ${state}`;
  },
  'message/updated': ({ records, sessionId }, { id, turnId, role, messageIndex }) => {
    const held = records.findMessage(id);
    if (held && held.sessionId !== sessionId) return taken('message', id);
    const turn = turnId === null ? undefined : records.findTurn(turnId);
    if (turnId !== null && turn?.sessionId !== sessionId) return `there is no turn ${turnId}`;
    if (!held) {
      return messageIndex >= records.nextMessageIndex(sessionId) ? undefined : `there is a message at ${messageIndex}`;
    }
    const isFixed = held.messageIndex === messageIndex && held.role === role;
    return isFixed && (held.turnId === null || held.turnId === turnId)
      ? undefined
      : `index, role and turn of message ${id} are fixed`;
  },
  'message/removed': (held, { messageId }) => noMessage(held, messageId),
  'part/updated': (given, { id, messageId, index }) => {
    const { records, sessionId } = given;
    const held = records.findPartLengths(id);
    if (held && held.sessionId !== sessionId) return taken('part', id);
    const missing = noMessage(given, messageId);
    if (missing !== undefined) return missing;
    if (!held) return index >= records.nextPartIndex(messageId) ? undefined : `there is a part at ${index}`;
    const isFixed = held.messageId === messageId && records.findPart(id)!.index === index;
    return isFixed ? undefined : `message and index of part ${id} are fixed`;
  },
  'part/delta': (given, { partId, messageId, field, offset, text }) => {
    const held = given.records.findPartLengths(partId);
    const units = field === 'text' ? held?.textUnits : held?.outputUnits;
    if (held?.sessionId !== given.sessionId || held.messageId !== messageId) return `there is no part ${partId}`;
    if (units === null || units !== offset) return `part ${partId} holds ${units} units of ${field}, not ${offset}`;
    if (text === '') return 'it adds nothing';
    if (units + text.length <= maxTextUnits) return undefined;
    const limit = { limit: maxTextUnits, what: 'UTF-16 units of text in a part' };
    return refuse('LimitExceeded', `part ${partId} is full`, limit);
  },
  'part/removed': ({ records, sessionId }, { partId, messageId }) => {
    const held = records.findPartLengths(partId);
    return held?.sessionId === sessionId && held.messageId === messageId ? undefined : `there is no part ${partId}`;
  },
  'blocker/updated': ({ records, sessionId }, { id, turnId, ...blocker }) => {
    const held = records.findBlocker(id);
    if (held && held.sessionId !== sessionId) return taken('blocker', id);
    const turn = turnId === null ? undefined : records.findTurn(turnId);
    if (turnId !== null && turn?.sessionId !== sessionId) return `there is no turn ${turnId}`;
    if (!held || blockerTransitions[held.state].includes(blocker.state)) return undefined;
    const ended = (each: Pick<typeof held, 'state' | 'resolution' | 'resolvedBy'>) => {
      const { state, resolution, resolvedBy } = each;
      return { state, resolution, resolvedBy };
    };
    return isDeepStrictEqual(ended(held), ended(blocker)) ? undefined : `blocker ${id} was ${held.state} before`;
  },
  'artifact/updated': () => undefined,
  'artifact/removed': ({ records, sessionId }, { kind, key }) =>
    records.findArtifact(sessionId, kind, key) ? undefined : `there is no artifact ${kind}/${key}`,
};

function noMessage({ records, sessionId }: Held, id: string): string | undefined {
  return records.findMessage(id)?.sessionId === sessionId ? undefined : `there is no message ${id}`;
}

function taken(what: string, id: string): Refusal {
  return refuse('AlreadyExists', `the ${what} id ${id} is taken`, { what, id });
}
