// reduce(view, event): the one reducer, for clients and for the fuzz's oracle (PROTOCOL.md 3 and 5).
import { describe, expect, it } from 'vitest';
import { noUsage } from '../../protocol/derive.ts';
import type { Event, EventData, EventType, Message, Part, Session } from '../../protocol/schema.ts';
import type { View } from '../../protocol/view.ts';
import { artifactKey, emptyView, reduce, withDelta } from '../../protocol/view.ts';

const written = { actorId: 'test/c1', schemaVersion: 1 };
const usage = (input: number, costUsd?: number) => ({
  ...noUsage,
  input,
  ...(costUsd === undefined ? {} : { costUsd }),
});

const session: Session = {
  id: 'ses_1',
  parentId: null,
  title: 'first',
  directory: '/work',
  agent: null,
  model: null,
  status: 'idle',
  version: 1,
  origin: null,
  metadata: {},
  usage: noUsage,
  messageCount: 0,
  pendingBlockers: 0,
  ...written,
  createdAt: 1_000,
  updatedAt: 1_000,
  archivedAt: null,
};
const message = (id: string, changes: Partial<Message> = {}): Message => ({
  id,
  messageIndex: 0,
  sessionId: 'ses_1',
  turnId: null,
  role: 'assistant',
  agent: null,
  model: null,
  createdAt: 1_000,
  completedAt: null,
  usage: null,
  error: null,
  metadata: {},
  ...written,
  ...changes,
});
const textPart = (id: string, text: string): Part => ({
  id,
  messageId: 'msg_1',
  sessionId: 'ses_1',
  index: 0,
  ...written,
  type: 'text',
  text,
});

function event<T extends EventType>(version: number, type: T, data: EventData[T], changes: Partial<Event> = {}): Event {
  const envelope = {
    seq: version,
    sessionId: 'ses_1',
    version,
    type,
    at: 1_000 + version,
    actorId: 'a',
    opId: `op${version}`,
  };
  return { ...envelope, ...changes, data } as Event;
}

const history: Event[] = [
  event(1, 'session/created', session),
  event(2, 'message/updated', message('msg_1', { usage: usage(10, 0.1) })),
  event(3, 'part/updated', textPart('prt_1', 'Hel')),
  event(4, 'part/delta', {
    sessionId: 'ses_1',
    messageId: 'msg_1',
    partId: 'prt_1',
    field: 'text',
    offset: 3,
    text: 'lo',
  }),
  event(5, 'message/updated', message('msg_2', { messageIndex: 1, role: 'user', usage: usage(5, 0.2) })),
  event(6, 'artifact/updated', {
    sessionId: 'ses_1',
    kind: 'todo',
    key: 'a',
    data: 1,
    createdAt: 1,
    updatedAt: 1,
    ...written,
  }),
];

function fold(events: Event[], view: View = emptyView()): View {
  for (const each of events) reduce(view, each);
  return view;
}
const plain = (view: View) => structuredClone(view);

describe('reduce', () => {
  it('replaying an event changes nothing: each again, some again, all again', () => {
    const once = fold(history);
    expect(fold(history.flatMap((each) => [each, each]))).toEqual(once);
    expect(fold(history.flatMap((_, at) => history.slice(0, at + 1)))).toEqual(once);
    expect(fold(history, fold(history))).toEqual(once);
  });

  it('never changes a record that it handed out', () => {
    const view = fold(history.slice(0, 4));
    const held = view.get('ses_1')!;
    const [sessionBefore, part] = [held.session, held.messages.get('msg_1')!.parts.get('prt_1')!];
    const copies = structuredClone([sessionBefore, part]);
    fold(history.slice(4), view);
    reduce(view, event(7, 'part/updated', textPart('prt_1', 'new')));
    expect([sessionBefore, part]).toEqual(copies);
  });

  it('derives version, updatedAt, messageCount and usage of a session, which get no event of their own', () => {
    const { session: derived } = fold(history).get('ses_1')!;
    expect(derived).toMatchObject({ version: 6, updatedAt: 1_006, messageCount: 2, title: 'first' });
    expect(derived.usage).toEqual({ ...noUsage, input: 15, costUsd: 0.3 });
  });

  it('takes a message put anew out of the sum before it adds it', () => {
    const view = fold([...history, event(7, 'message/updated', message('msg_1', { usage: usage(1) }))]);
    expect(view.get('ses_1')!.session).toMatchObject({ messageCount: 2, usage: { input: 6, costUsd: 0.2 } });
  });

  it('takes updatedAt from occurredAt where it is given, and never goes back', () => {
    const late = event(7, 'part/updated', textPart('prt_1', 'x'), { occurredAt: 5_000 });
    const early = event(8, 'part/updated', textPart('prt_1', 'y'), { occurredAt: 10 });
    const view = fold([...history, late]);
    expect(view.get('ses_1')!.session.updatedAt).toBe(5_000);
    expect(reduce(view, early).get('ses_1')!.session).toMatchObject({ updatedAt: 5_000, version: 8 });
  });

  it('removes a message with its parts, its count and its usage', () => {
    const view = fold([...history, event(7, 'message/removed', { sessionId: 'ses_1', messageId: 'msg_1' })]);
    const held = view.get('ses_1')!;
    expect([...held.messages.keys()]).toEqual(['msg_2']);
    expect(held.session).toMatchObject({ messageCount: 1, usage: { input: 5, costUsd: 0.2 }, version: 7 });
  });

  it('ends with a cost of 0 and not 5e-17 when every message is gone', () => {
    const view = fold([
      ...history,
      event(7, 'message/removed', { sessionId: 'ses_1', messageId: 'msg_1' }),
      event(8, 'message/removed', { sessionId: 'ses_1', messageId: 'msg_2' }),
    ]);
    expect(view.get('ses_1')!.session.usage).toEqual({ ...noUsage, costUsd: 0 });
  });

  it('removes parts, artifacts and sessions', () => {
    const view = fold([
      ...history,
      event(7, 'part/removed', { sessionId: 'ses_1', messageId: 'msg_1', partId: 'prt_1' }),
      event(8, 'artifact/removed', { sessionId: 'ses_1', kind: 'todo', key: 'a' }),
    ]);
    expect(view.get('ses_1')!.messages.get('msg_1')!.parts.size).toBe(0);
    expect(view.get('ses_1')!.artifacts.size).toBe(0);
    expect(reduce(view, event(9, 'session/deleted', { sessionId: 'ses_1' })).size).toBe(0);
  });

  it('keeps a message at its place and its parts when it is put anew', () => {
    const view = fold([...history, event(7, 'message/updated', message('msg_1', { completedAt: 9 }))]);
    expect([...view.get('ses_1')!.messages.keys()]).toEqual(['msg_1', 'msg_2']);
    expect(view.get('ses_1')!.messages.get('msg_1')!.parts.get('prt_1')).toMatchObject({ text: 'Hello' });
  });

  it('takes a session as session/updated gives it, derived fields included', () => {
    const data = { ...session, title: 'second', version: 7, updatedAt: 1_007, messageCount: 2 };
    expect(fold([...history, event(7, 'session/updated', data)]).get('ses_1')!.session).toEqual(data);
  });

  it('passes over events of sessions that it does not know, unless they create them', () => {
    expect(fold(history.slice(1)).size).toBe(0);
  });

  it('[P21] passes over events of types that it does not know, but advances the version', () => {
    const view = fold(history);
    const before = plain(view).get('ses_1')!;
    reduce(view, event(7, 'comment/added' as EventType, { anything: true } as never));
    const after = view.get('ses_1')!;
    expect(after.session).toEqual({ ...before.session, version: 7, updatedAt: 1_007 });
    expect({ ...after, session: null }).toEqual({ ...before, session: null });
  });

  it('starts from a snapshot: events up to its version are ignored, those above are folded', () => {
    const whole = fold(history);
    const snapshot = plain(fold(history.slice(0, 4)));
    expect(fold(history, snapshot)).toEqual(whole);
  });
});

describe('part/delta', () => {
  it('appends at its offset in UTF-16 units, for text and for output', () => {
    expect(withDelta(textPart('p', '😀'), 'text', 2, '!')).toMatchObject({ text: '😀!' });
    const tool = { ...textPart('p', ''), type: 'tool', callId: 'c', tool: 'sh', state: 'running' } as unknown as Part;
    expect(withDelta(tool, 'output', 0, 'out')).toMatchObject({ output: 'out' });
  });

  it('is passed over for a part that is gone', () => {
    const gone = {
      sessionId: 'ses_1',
      messageId: 'msg_1',
      partId: 'prt_9',
      field: 'text',
      offset: 0,
      text: 'x',
    } as const;
    const view = fold([...history, event(7, 'part/delta', gone)]);
    expect(view.get('ses_1')!.messages.get('msg_1')!.parts.has('prt_9')).toBe(false);
    expect(view.get('ses_1')!.session.version).toBe(7);
  });
});

describe('artifactKey', () => {
  it('never makes one key of two pairs', () => {
    expect(artifactKey('a', 'b/c')).not.toBe(artifactKey('a/b', 'c'));
    expect(artifactKey('a","b', 'c')).not.toBe(artifactKey('a', 'b","c'));
  });
});
