// What no home sends: items of a history that were changed, and items made up of what a host holds and of what it does not.
import type { ReplicaItem } from '../../protocol/outbox.ts';
import type { Event, EventType } from '../../protocol/schema.ts';
import { artifact, blocker, message, text as part, turn, session as whole } from '../core/held.ts';
import type { Listed, Records } from './records.ts';
import { readTables } from './records.ts';

/** One of many, as it was drawn. */
export type Draw = (many: readonly unknown[]) => unknown;

/** What changes an item into one that no home sends: by what is drawn, of what there is. */
type Mutation = (item: ReplicaItem, pick: Draw, others: ReplicaItem[]) => void;

const ids = {
  session: ['ses_a', 'ses_own', 'ses_none'],
  turn: ['trn_a', 'trn_own', 'trn_none'],
  message: ['msg_a', 'msg_own', 'msg_none'],
};
const usage = { input: 1e12, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
const states = ['created', 'streaming', 'completed', 'pending', 'answered', 'running'];
const far = 2 ** 31 - 1;

const ofItem = (change: (item: ReplicaItem, pick: Draw) => Partial<ReplicaItem>): Mutation => {
  return (item, pick) => Object.assign(item, change(item, pick));
};
const ofEvent = (change: (pick: Draw) => object): Mutation => {
  return (item, pick) => Object.assign((pick(item.events) as Event | undefined) ?? {}, change(pick));
};
const ofData = (change: (pick: Draw) => object): Mutation => {
  return (item, pick) => Object.assign((pick(item.events) as Event | undefined)?.data ?? {}, change(pick));
};
const eventsOf = (pick: Draw, others: ReplicaItem[]) => structuredClone((pick(others) as ReplicaItem).events);

export const mutations: Mutation[] = [
  ofItem(({ version }, pick) => ({ version: pick([0, 1, version - 1, version + 1, 2 ** 40]) as number })),
  ofItem(({ version }, pick) => ({ prevVersion: pick([0, 1, version - 1, version, 2 ** 40]) as number })),
  ofItem((_, pick) => ({ sessionId: pick(ids.session) as string })),
  ofItem((_, pick) => {
    const [id, index, done] = [pick(['s', 't']), pick([0, 0, 1, 2]), pick([true, false])];
    return { snapshot: { id, index, done } as NonNullable<ReplicaItem['snapshot']> };
  }),
  ofItem(({ sessionId, version, events }) => {
    const around = { seq: 1, at: 1, actorId: 'them', opId: 'o', ...events[0], sessionId, version };
    return { events: [{ ...around, type: 'session/deleted', data: { sessionId } }] };
  }),
  ofEvent((pick) => ({ sessionId: pick(ids.session) })),
  ofEvent((pick) => ({ version: pick([1, 2, 2 ** 40]) })),
  ofEvent((pick) => ({ actorId: pick(['', 'x'.repeat(600), 'system']) })),
  ofEvent((pick) => ({ occurredAt: pick([0, 8.64e15]) })),
  ofData((pick) => ({ sessionId: pick(ids.session) })),
  ofData((pick) => ({ id: pick([...ids.session, ...ids.turn, ...ids.message, 'prt_own', 'blk_own']) })),
  ofData((pick) => ({ messageId: pick(ids.message) })),
  ofData((pick) => ({ partId: pick(['prt_own', 'prt_none']) })),
  ofData((pick) => ({ turnId: pick(ids.turn) })),
  ofData((pick) => ({ index: pick([0, 1, far]), messageIndex: pick([0, 1, far]) })),
  ofData((pick) => ({ offset: pick([0, 1, 2 ** 40]), text: pick(['', 'x']), field: pick(['text', 'output']) })),
  ofData((pick) => ({ state: pick(states), role: pick(['user', 'system']), usage })),
  ofData((pick) => ({ messageCount: 2 ** 40, pendingBlockers: 9, status: 'busy', version: pick([0, 2 ** 40]) })),
  ofData((pick) => ({ parentId: pick(ids.session), directory: '/other', origin: null })),
  ({ events }) => events.pop(),
  ({ events }) => events.shift(),
  ({ events }) => events.reverse(),
  ({ events }) => events.push(...structuredClone(events)),
  ({ events }, pick, others) => events.push(...eventsOf(pick, others)),
  ({ events }, pick, others) => events.splice(0, events.length, ...eventsOf(pick, others)),
];

/** Has an item follow what is held of its session, so that more of it is looked at than its versions. */
export function follow({ db }: Records, item: ReplicaItem): void {
  const held = db
    .prepare('SELECT version, snapshot, piece, state FROM replica WHERE session = ?')
    .get(item.sessionId) as { version: number; snapshot: string; piece: number; state: string } | undefined;
  if (held?.state === 'arriving') {
    item.snapshot = { id: held.snapshot, index: held.piece, done: item.version % 2 === 0 };
    return;
  }
  if (item.snapshot) return;
  const before = held?.version ?? 0;
  item.prevVersion = before;
  for (const [at, event] of item.events.entries()) event.version = before + at + 1;
  item.version = before + Math.max(1, item.events.length);
}

const anyOf = (prefix: string) => ['a', 'b', 'c', 'own', 'none'].map((name) => `${prefix}_${name}`);

/** Of events that a home could send in a session: most of the ids, places and lengths in them are right, and some are not. */
function crafted({ tables }: Records, { session, messages }: Listed, pick: Draw): Omit<Event, 'version'> {
  const sessionId = session.id;
  const mostly = <T>(right: T, ...wrong: T[]): T => (pick([0, 0, 0, 1]) === 0 ? right : (pick(wrong) as T));
  const messageId = mostly(pick([...messages.map(({ message }) => message.id), 'msg_made']) as string, ...anyOf('msg'));
  const partIds = messages.flatMap(({ parts }) => parts.map(({ id }) => id));
  const partId = mostly(pick([...partIds, ...anyOf('prt')]) as string, ...anyOf('prt'));
  const held = tables.findPartLengths(partId);
  const heldMessage = tables.findMessage(messageId);
  const heldPart = tables.findPart(partId);
  const turnId = pick([null, ...anyOf('trn')]) as string | null;
  const index = heldPart?.index ?? tables.nextPartIndex(messageId);
  const inMessage = mostly(held?.messageId ?? messageId, messageId);
  const field = pick(['text', 'text', 'output']) as 'text' | 'output';
  const units = (field === 'text' ? held?.textUnits : held?.outputUnits) ?? 0;
  const text = pick(['', 'x', 'yz']) as string;
  const tool = {
    ...part,
    type: 'tool',
    callId: 'c',
    tool: 't',
    state: pick(['running', 'completed']),
    text: undefined,
  };
  const place = heldMessage?.messageIndex ?? tables.nextMessageIndex(sessionId);
  const state = pick(['created', 'streaming', 'completed']);
  const resolution = pick([null, { decision: 'once' }]);
  const id = { sessionId };
  const data: Record<EventType, object> = {
    'session/created': { ...whole, id: sessionId },
    'session/updated': { ...whole, id: mostly(sessionId, 'ses_own'), messageCount: pick([0, 9]) },
    'session/deleted': id,
    'turn/updated': { ...turn, ...id, id: pick(anyOf('trn')), state },
    'message/updated': {
      ...{ ...message, ...id, id: messageId, messageIndex: mostly(place, 0, 1, 2 ** 31 - 1) },
      ...{
        turnId: mostly(heldMessage?.turnId ?? turnId, null, turnId),
        role: mostly(heldMessage?.role ?? 'user', 'system'),
      },
    },
    'message/removed': { ...id, messageId },
    'part/updated': {
      ...(pick([part, tool]) as object),
      ...{ ...id, id: partId, messageId: inMessage, index: mostly(index, 0, 1, 2 ** 31 - 1) },
    },
    'part/delta': { ...id, messageId: inMessage, partId, field, offset: mostly(units, 0, 1, units + 1), text },
    'part/removed': { ...id, messageId: inMessage, partId },
    'blocker/updated': {
      ...{
        ...blocker,
        ...id,
        id: pick(anyOf('blk')),
        turnId: mostly(null, turnId),
        resolution,
        state: resolution ? 'answered' : 'pending',
      },
    },
    'artifact/updated': { ...artifact, ...id, key: pick(['a', 'b']) },
    'artifact/removed': { ...id, kind: 'k', key: pick(['a', 'b']) },
  };
  const often: EventType[] = ['message/updated', 'part/updated', 'part/delta', 'part/delta', 'artifact/updated'];
  const types = [...often, ...often, ...Object.keys(data)] as EventType[];
  const type = pick(types) as EventType;
  return { seq: 1, sessionId, type, at: 1, actorId: 'them', opId: 'o', data: data[type] } as unknown as Event;
}

/** An item of such events, that follows what is held of a replica. */
export function craft(host: Records, pick: Draw): ReplicaItem | undefined {
  const listed = pick([...readTables(host).values()].filter(({ session: { id } }) => host.writer.isReplica(id)));
  if (listed === undefined) return undefined;
  const count = pick([1, 1, 2, 3]) as number;
  const events = Array.from({ length: count }, () => crafted(host, listed as Listed, pick)) as Event[];
  const sessionId = (listed as Listed).session.id;
  return { opId: `made-${pick([1, 2, 3])}`, seq: 1, sessionId, version: 1, events };
}
