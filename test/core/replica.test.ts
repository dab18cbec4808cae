// What a home sends, judged before it is written: where a session stands against each kind of item, and each event against the
// records (PROTOCOL.md 7). What no home sends is refused before the first write.
import { describe, expect, test } from 'vitest';
import type { Draft } from '../../daemon/core/decide.ts';
import type { Records } from '../../daemon/core/records.ts';
import type { ReplicaStand } from '../../daemon/core/replica.ts';
import { draftOf, eventMisfit, judgeItem } from '../../daemon/core/replica.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import type { Event, EventData, EventType } from '../../protocol/schema.ts';
import { artifact, blocker, message, records, session, text, turn } from './held.ts';

function eventOf<T extends EventType>(version: number, type: T, data: EventData[T], given: object = {}): Event {
  return { seq: 1, sessionId: 'ses_a', version, type, at: 5, actorId: 'them', opId: 'o', data, ...given } as Event;
}
const created = (version = 1) => eventOf(version, 'session/created', session);
const updated = (version: number, given: object = {}) => eventOf(version, 'session/updated', session, given);
const deleted = (version = 1) => eventOf(version, 'session/deleted', { sessionId: 'ses_a' });
const itemOf = (version: number, events: Event[], given: Partial<ReplicaItem> = {}): ReplicaItem => {
  return { opId: 'o', seq: 9, sessionId: 'ses_a', version, events, ...given };
};
const piece = (id: string, index: number, events: Event[], done = false) =>
  itemOf(20, events, { snapshot: { id, index, done } });

const stand = (given: Partial<ReplicaStand> = {}): ReplicaStand => {
  return { version: 7, ahead: 0, snapshot: null, piece: 0, state: 'held', ...given };
};
const stands = {
  'nothing held': undefined,
  'held at 7': stand(),
  'held at 7 by snapshot s': stand({ snapshot: 's', piece: 2, ahead: 3 }),
  's arriving': stand({ snapshot: 's', piece: 2, state: 'arriving' }),
} as const;

const items = {
  'its first op': itemOf(1, [created()]),
  'an op before': itemOf(7, [updated(7)]),
  'the next op': itemOf(8, [updated(8)]),
  'the next op, of two events': itemOf(9, [updated(8), updated(9)]),
  'left out behind it': itemOf(9, [], { prevVersion: 7 }),
  'the next behind what was left out': itemOf(11, [updated(10), updated(11)], { prevVersion: 7 }),
  'an op behind a hole': itemOf(10, [updated(10)]),
  'piece 0 of s': piece('s', 0, [created()]),
  'piece 2 of s': piece('s', 2, [updated(1)]),
  'piece 3 of s': piece('s', 3, [updated(1)]),
  'piece 0 of t': piece('t', 0, [created(), updated(2)]),
  'piece 1 of t': piece('t', 1, [updated(1)]),
  'its deletion': piece('t', 0, [deleted()], true),
} as const;
type Item = keyof typeof items;

const gap = 'VersionConflict';
const everyPlace: Record<keyof typeof stands, Record<Item, string>> = {
  'nothing held': {
    'its first op': 'new',
    'an op before': gap,
    'the next op': gap,
    'the next op, of two events': gap,
    'left out behind it': gap,
    'the next behind what was left out': gap,
    'an op behind a hole': gap,
    'piece 0 of s': 'new',
    'piece 2 of s': gap,
    'piece 3 of s': gap,
    'piece 0 of t': 'new',
    'piece 1 of t': gap,
    'its deletion': 'new',
  },
  'held at 7': {
    'its first op': 'duplicate',
    'an op before': 'duplicate',
    'the next op': 'new',
    'the next op, of two events': 'new',
    'left out behind it': 'new',
    'the next behind what was left out': 'new',
    'an op behind a hole': gap,
    'piece 0 of s': 'new',
    'piece 2 of s': gap,
    'piece 3 of s': gap,
    'piece 0 of t': 'new',
    'piece 1 of t': gap,
    'its deletion': 'new',
  },
  'held at 7 by snapshot s': {
    'its first op': 'duplicate',
    'an op before': 'duplicate',
    'the next op': 'new',
    'the next op, of two events': 'new',
    'left out behind it': 'new',
    'the next behind what was left out': 'new',
    'an op behind a hole': gap,
    'piece 0 of s': 'duplicate',
    'piece 2 of s': gap,
    'piece 3 of s': gap,
    'piece 0 of t': 'new',
    'piece 1 of t': gap,
    'its deletion': 'new',
  },
  's arriving': {
    'its first op': 'duplicate',
    'an op before': 'duplicate',
    'the next op': gap,
    'the next op, of two events': gap,
    'left out behind it': gap,
    'the next behind what was left out': gap,
    'an op behind a hole': gap,
    'piece 0 of s': 'duplicate',
    'piece 2 of s': 'new',
    'piece 3 of s': gap,
    'piece 0 of t': 'new',
    'piece 1 of t': gap,
    'its deletion': 'new',
  },
};

const judged = (item: ReplicaItem, held: ReplicaStand | undefined) => {
  const result = judgeItem(item, held);
  return typeof result === 'string' ? result : result.refused;
};

describe.each(Object.entries(everyPlace))('where there is %s', (place, expected) => {
  test.each(Object.entries(expected))(`%s: %s`, (item, outcome) => {
    expect(judged(items[item as Item], stands[place as keyof typeof stands])).toBe(outcome);
  });
});

test('a hole says what is held, and while a snapshot is under way that nothing is', () => {
  const [hole, next] = [items['an op behind a hole'], items['the next op']];
  expect(judgeItem(hole, stand())).toMatchObject({ data: { sessionId: 'ses_a', expected: 9, actual: 7 } });
  expect(judgeItem(next, stand({ state: 'arriving' }))).toMatchObject({ data: { expected: 7, actual: 0 } });
});

const other = { sessionId: 'ses_b' };
test.each<[string, ReplicaItem, ReplicaStand | undefined]>([
  ['an op without events that does not say what it follows', itemOf(8, []), stand()],
  ['a first op that creates nothing', itemOf(1, [updated(1)]), undefined],
  ['a first op of which all was left out', itemOf(3, [], { prevVersion: 0 }), undefined],
  ['a second creation', itemOf(8, [created(8)]), stand()],
  ['a creation behind another', itemOf(2, [created(1), created(2)]), undefined],
  ['versions that go back', itemOf(8, [updated(8), updated(8)]), stand()],
  ['versions with a hole', itemOf(10, [updated(8), updated(10)]), stand()],
  ['an end that is not its last event', itemOf(9, [updated(8)]), stand()],
  ['an event behind its version', itemOf(8, [updated(9)], { prevVersion: 7 }), stand()],
  ['an event of another session', itemOf(8, [updated(8, other)]), stand()],
  ['a record of another session', itemOf(8, [eventOf(8, 'message/updated', { ...message, ...other })]), stand()],
  ['another session itself', itemOf(8, [eventOf(8, 'session/updated', { ...session, id: 'ses_b' })]), stand()],
  ['a name without end', itemOf(8, [updated(8, { actorId: 'x'.repeat(513) })]), stand()],
  ['a snapshot that begins with something else', piece('t', 0, [updated(1)]), stand()],
  ['a snapshot that begins with nothing', piece('t', 0, []), stand()],
  ['a snapshot that begins twice', piece('t', 0, [created(), created()]), stand()],
  ['a snapshot that begins again', piece('s', 2, [created()]), stands['s arriving']],
  ['a snapshot that deletes in between', piece('s', 2, [deleted()], true), stands['s arriving']],
  ['a deletion that is not the end', piece('t', 0, [deleted()]), stand()],
  ['a deletion with something behind it', piece('t', 0, [deleted(), updated(2)], true), stand()],
])('%s is refused', (_what, item, held) => {
  expect(judged(item, held)).toBe('InvalidParams');
});

const misfit = (type: EventType, data: object, held: Records = records()) =>
  eventMisfit(held, { type, sessionId: 'ses_a', data } as Draft)?.refused;
const elsewhere = (held: Partial<Records>): Records => ({ ...records(), ...held });
const delta = { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a', field: 'text', offset: 4, text: 'x' };
const ended = { ...blocker, state: 'answered', resolution: { decision: 'once' }, resolvedBy: 'them' } as const;

test.each<[string, EventType, object, Records?]>([
  ['a new message', 'message/updated', { ...message, id: 'msg_b', messageIndex: 1 }],
  ['a message of a turn', 'message/updated', { ...message, turnId: 'trn_a' }],
  ['a new part', 'part/updated', { ...text, id: 'prt_b', index: 1 }],
  ['a part put anew', 'part/updated', { ...text, text: 'other' }],
  ['a delta', 'part/delta', delta],
  ['a turn that goes on', 'turn/updated', { ...turn, state: 'failed' }],
  ['a new turn', 'turn/updated', { ...turn, id: 'trn_b' }],
  ['a blocker that is answered', 'blocker/updated', ended],
  ['a late ask', 'blocker/updated', ended, elsewhere({ findBlocker: () => ({ ...ended, request: null }) })],
  ['an artifact', 'artifact/updated', artifact],
  ['its removal', 'artifact/removed', { sessionId: 'ses_a', kind: 'k', key: 'a' }],
  ['the removal of a part', 'part/removed', { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a' }],
  ['the removal of a message', 'message/removed', { sessionId: 'ses_a', messageId: 'msg_a' }],
])('%s fits', (_what, type, data, held) => {
  expect(misfit(type, data, held)).toBeUndefined();
});

test.each<[string, string, EventType, object, Records?]>([
  ['anything of a session that is gone', 'InvalidParams', 'session/updated', session, records({ session: false })],
  ['metadata without end', 'LimitExceeded', 'session/created', { ...session, metadata: { x: 'x'.repeat(262_144) } }],
  ['a message at a place that is not free', 'InvalidParams', 'message/updated', { ...message, id: 'msg_b' }],
  ['a message that moves', 'InvalidParams', 'message/updated', { ...message, messageIndex: 1 }],
  ['a message of another role', 'InvalidParams', 'message/updated', { ...message, role: 'user' }],
  ['a message of no turn', 'InvalidParams', 'message/updated', { ...message, turnId: 'trn_b' }],
  [
    'a message that leaves its turn',
    'InvalidParams',
    'message/updated',
    message,
    elsewhere({ findMessage: () => ({ ...message, turnId: 'trn_a' }) }),
  ],
  [
    'a message of the turn of another session',
    'InvalidParams',
    'message/updated',
    { ...message, turnId: 'trn_a' },
    elsewhere({ findTurn: () => ({ ...turn, ...other }) }),
  ],
  [
    'the message of another session',
    'AlreadyExists',
    'message/updated',
    message,
    elsewhere({ findMessage: () => ({ ...message, ...other }) }),
  ],
  ['the removal of no message', 'InvalidParams', 'message/removed', { sessionId: 'ses_a', messageId: 'msg_b' }],
  ['a part of no message', 'InvalidParams', 'part/updated', { ...text, id: 'prt_b', messageId: 'msg_b' }],
  ['a part at a place that is not free', 'InvalidParams', 'part/updated', { ...text, id: 'prt_b' }],
  ['a part that moves', 'InvalidParams', 'part/updated', { ...text, index: 1 }],
  [
    'the part of another session',
    'AlreadyExists',
    'part/updated',
    text,
    elsewhere({ findPartLengths: () => ({ ...other, messageId: 'msg_a', textUnits: 0, outputUnits: null }) }),
  ],
  ['a delta before the end', 'InvalidParams', 'part/delta', { ...delta, offset: 3 }],
  ['a delta behind the end', 'InvalidParams', 'part/delta', { ...delta, offset: 5 }],
  ['a delta of nothing', 'InvalidParams', 'part/delta', { ...delta, text: '' }],
  ['a delta of what has no such text', 'InvalidParams', 'part/delta', { ...delta, field: 'output', offset: 0 }],
  ['a delta of no part', 'InvalidParams', 'part/delta', { ...delta, partId: 'prt_b', offset: 0 }],
  ['a delta of a part elsewhere', 'InvalidParams', 'part/delta', { ...delta, messageId: 'msg_b' }],
  [
    'a delta of a part that is full',
    'LimitExceeded',
    'part/delta',
    { ...delta, offset: 64 * 1024 * 1024 },
    elsewhere({
      findPartLengths: () => ({
        ...{ sessionId: 'ses_a', messageId: 'msg_a', textUnits: 64 * 1024 * 1024, outputUnits: null },
      }),
    }),
  ],
  ['the removal of no part', 'InvalidParams', 'part/removed', { ...delta, partId: 'prt_b' }],
  [
    'the turn of another session',
    'AlreadyExists',
    'turn/updated',
    turn,
    elsewhere({ findTurn: () => ({ ...turn, ...other }) }),
  ],
  [
    '[P15] a turn that begins again',
    'InvalidParams',
    'turn/updated',
    turn,
    elsewhere({ findTurn: () => ({ ...turn, state: 'completed' }) }),
  ],
  [
    'the blocker of another session',
    'AlreadyExists',
    'blocker/updated',
    blocker,
    elsewhere({ findBlocker: () => ({ ...blocker, ...other }) }),
  ],
  ['[P15] a blocker asked again', 'InvalidParams', 'blocker/updated', blocker, elsewhere({ findBlocker: () => ended })],
  [
    '[P15] a blocker answered otherwise',
    'InvalidParams',
    'blocker/updated',
    { ...ended, resolution: { decision: 'deny' } },
    elsewhere({ findBlocker: () => ended }),
  ],
  ['a blocker of no turn', 'InvalidParams', 'blocker/updated', { ...blocker, turnId: 'trn_b' }],
  ['the removal of no artifact', 'InvalidParams', 'artifact/removed', { sessionId: 'ses_a', kind: 'k', key: 'b' }],
])('%s is refused: %s', (_what, refused, type, data, held) => {
  expect(misfit(type, data, held)).toBe(refused);
});

test('a session is told at its version here, with counts that its records stand behind', () => {
  const lies = { ...session, version: 99, messageCount: 99, pendingBlockers: 9, status: 'busy' as const };
  const moved = { ...lies, parentId: 'ses_b', directory: '/other', title: 'two' };
  const held = { ...session, messageCount: 3 };
  expect(draftOf(eventOf(5, 'session/updated', moved), 12, held).data).toEqual({ ...held, version: 12, title: 'two' });
  expect(draftOf(eventOf(1, 'session/created', lies), 1, undefined).data).toMatchObject({
    ...{ version: 1, messageCount: 0, pendingBlockers: 0, status: 'idle', title: 'one' },
  });
});
