// session/fork, session/import and session/export over the wire.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Artifact, Blocker, Message, Part, Session, Turn } from '../../protocol/schema.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { allItems } from '../support/everything.ts';

const model = { providerId: 'p', modelId: 'm', variant: 'high' };
const usage = { input: 3, output: 5, reasoning: 1, cacheRead: 7, cacheWrite: 2, costUsd: 0.25 };

let client: Client;
let other: () => Client;
beforeEach(() => {
  client = daemonInProcess(testHome()).connect();
  other = () => daemonInProcess(testHome()).connect();
});

type Whole = {
  session: Session;
  turns: Turn[];
  blockers: Blocker[];
  artifacts: Artifact[];
  messages: { message: Message; parts: Part[] }[];
};

async function whole(of: Client, sessionId: string): Promise<Whole> {
  const { session } = await of.call('session/get', { sessionId });
  const all = <T>(method: 'turn/list' | 'blocker/list' | 'artifact/list' | 'message/list') =>
    allItems<T>(of, method, { sessionId });
  return {
    session,
    turns: await all('turn/list'),
    blockers: await all('blocker/list'),
    artifacts: await all('artifact/list'),
    messages: await all('message/list'),
  };
}

async function exported(of: Client, sessionId: string, format: 'json' | 'markdown' | 'html' = 'json'): Promise<string> {
  let text = '';
  let pageToken: string | undefined;
  do {
    const page = await of.call('session/export', { sessionId, format, ...(pageToken ? { pageToken } : {}) });
    text += page.text;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return text;
}

/** A session with something of everything, of which nothing is under way. */
async function settled(of: Client): Promise<void> {
  await of.call('session/create', {
    sessionId: 'ses_a',
    title: 'Mend the roof',
    directory: '/work',
    agent: 'claude-code',
    metadata: { a: { b: 1 } },
    origin: { source: 'claude-code', externalId: 'e1', path: '/t.jsonl' },
  });
  await of.call('message/put', { sessionId: 'ses_a', messageId: 'msg_0', role: 'system', metadata: { kind: 'note' } });
  await of.call('message/put', { sessionId: 'ses_a', messageId: 'msg_gone', role: 'user' });
  const { ids } = await of.call('turn/start', {
    sessionId: 'ses_a',
    turnId: 'trn_a',
    agent: 'codex',
    model,
    parts: [{ id: 'prt_ask', type: 'text', text: 'héllo 😀' }],
  });
  const { turnId } = ids as { turnId: string };
  await of.call('message/put', { sessionId: 'ses_a', messageId: 'msg_1', role: 'assistant', turnId, usage });
  const put = { sessionId: 'ses_a', messageId: 'msg_1' };
  await of.call('part/put', { ...put, partId: 'prt_gone', part: { type: 'reasoning', text: 'no' } });
  await of.call('part/put', { ...put, partId: 'prt_1', part: { type: 'text', text: '' } });
  await of.call('part/delta', { sessionId: 'ses_a', partId: 'prt_1', field: 'text', offset: 0, text: 'streamed' });
  const tool = {
    type: 'tool' as const,
    callId: 'c',
    tool: 'bash',
    input: { command: 'ls' },
    output: 'a\nb',
    startedAt: 5,
  };
  await of.call('part/put', { ...put, partId: 'prt_2', part: { ...tool, state: 'completed', endedAt: 9 } });
  await of.call('blocker/ask', {
    sessionId: 'ses_a',
    blockerId: 'blk_a',
    turnId,
    kind: 'permission',
    request: { permission: 'bash', patterns: ['ls *'] },
  });
  await of.call('blocker/answer', { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'always' } });
  await of.call('turn/finish', { turnId, state: 'completed', finish: 'stop' });
  await of.call('artifact/put', { sessionId: 'ses_a', kind: 'todo', key: '1', data: [{ done: false }] });
  await of.call('message/remove', { sessionId: 'ses_a', messageId: 'msg_gone' });
  await of.call('part/remove', { sessionId: 'ses_a', partId: 'prt_gone' });
  await of.call('session/update', { sessionId: 'ses_a', archived: true });
}

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => (error instanceof RpcError ? error : Promise.reject(error)),
  );

describe('session/export as json, and session/import', () => {
  test('gives an equal session in another store: every record, id, order, time and sum', async () => {
    await settled(client);
    const before = await whole(client, 'ses_a');
    const there = other();
    const { ids, duplicate } = await there.call('session/import', { text: await exported(client, 'ses_a') });
    expect({ ids, duplicate }).toEqual({ ids: { sessionId: 'ses_a' }, duplicate: false });
    const after = await whole(there, 'ses_a');
    // How many events it took to make is the other store's own.
    expect(after.session.version).toBe(10);
    expect({ ...after, session: { ...after.session, version: before.session.version } }).toEqual(before);
    expect(before.session.usage).toEqual(usage);
  });

  test('where an id is taken all are new, and the same again is a duplicate', async () => {
    await settled(client);
    const text = await exported(client, 'ses_a');
    const first = await client.call('session/import', { text, opId: 'once' });
    const again = await client.call('session/import', { text, opId: 'once' });
    expect(again).toMatchObject({ duplicate: true, ids: first.ids, version: first.version });
    const copy = await whole(client, first.ids.sessionId!);
    const original = await whole(client, 'ses_a');
    expect(copy.session).toMatchObject({ title: 'Mend the roof', usage, messageCount: 3, origin: null });
    expect(copy.messages.map(({ parts }) => parts.length)).toEqual(original.messages.map(({ parts }) => parts.length));
    const all = (held: Whole) =>
      held.messages.flatMap(({ message, parts }) => [message.id, ...parts.map(({ id }) => id)]);
    expect(all(copy).filter((id) => all(original).includes(id))).toEqual([]);
    // What points to another record points to its copy.
    expect(copy.turns[0]).toMatchObject({ userMessageId: copy.messages[1]!.message.id });
    expect(copy.messages[1]!.message.turnId).toBe(copy.turns[0]!.id);
    expect(copy.blockers[0]!.turnId).toBe(copy.turns[0]!.id);
  });

  test('the same op id with another text is refused', async () => {
    await settled(client);
    const text = await exported(client, 'ses_a');
    await client.call('session/import', { text, opId: 'once' });
    const changed = client.call('session/import', { text: text.replace('Mend', 'Paint'), opId: 'once' });
    expect(await refusal(changed)).toMatchObject({ kind: 'OpIdReused' });
  });

  test('what was under way is not under way in the copy', async () => {
    await client.call('session/create', { sessionId: 'ses_a' });
    await client.call('turn/start', { sessionId: 'ses_a', turnId: 'trn_a', agent: 'x', model, parts: [] });
    await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_1', role: 'assistant', turnId: 'trn_a' });
    const part = { type: 'tool' as const, callId: 'c', tool: 'bash', state: 'running' as const };
    await client.call('part/put', { sessionId: 'ses_a', messageId: 'msg_1', partId: 'prt_1', part });
    const request = { permission: 'bash' };
    await client.call('blocker/ask', { sessionId: 'ses_a', turnId: 'trn_a', kind: 'permission', request });
    const there = other();
    await there.call('session/import', { text: await exported(client, 'ses_a') });
    const { session, turns, blockers, messages } = await whole(there, 'ses_a');
    expect(session).toMatchObject({ status: 'idle', pendingBlockers: 0 });
    expect(turns).toMatchObject([{ state: 'aborted', error: { kind: 'Copied' } }]);
    expect(blockers).toMatchObject([{ state: 'expired' }]);
    expect(messages[1]!.parts).toMatchObject([{ state: 'error' }]);
  });

  test('a session in several texts is one session, each text sent twice', async () => {
    await settled(client);
    const document = JSON.parse(await exported(client, 'ses_a'));
    const before = await whole(client, 'ses_a');
    const there = other();
    const pieces = [
      { ...document, messages: document.messages.slice(0, 1) },
      { ...document, turns: [], blockers: [], artifacts: [], messages: document.messages.slice(1) },
    ];
    for (const [index, piece] of pieces.entries()) {
      const params = {
        text: JSON.stringify(piece),
        opId: `piece-${index}`,
        ...(index > 0 ? { sessionId: 'ses_a' } : {}),
      };
      expect(await there.call('session/import', params)).toMatchObject({ duplicate: false });
      expect(await there.call('session/import', params)).toMatchObject({ duplicate: true });
    }
    const after = await whole(there, 'ses_a');
    expect({ ...after, session: { ...after.session, version: before.session.version } }).toEqual(before);
  });

  test('a session larger than a page comes in several, which joined are the same text', async () => {
    await client.call('session/create', { sessionId: 'ses_a' });
    for (let at = 0; at < 40; at += 1) {
      await client.call('message/put', { sessionId: 'ses_a', messageId: `msg_${at}`, role: 'user' });
      const part = { type: 'text' as const, text: `${at}`.repeat(10_000) };
      await client.call('part/put', { sessionId: 'ses_a', messageId: `msg_${at}`, part });
    }
    const first = await client.call('session/export', { sessionId: 'ses_a', format: 'json' });
    expect(first.nextPageToken).toBeDefined();
    expect(JSON.parse(await exported(client, 'ses_a')).messages).toHaveLength(40);
  });

  test.each([
    ['not JSON', '{', 'text: it is not JSON'],
    ['another document', '{}', 'text: it is not a session'],
    ['a newer version', '{"format":"sessiond/session","formatVersion":2}', 'text.formatVersion: this sessiond reads'],
    ['no session', '{"format":"sessiond/session","formatVersion":1}', 'text.session: '],
  ])('refuses %s, saying what is wrong, and leaves no trace', async (_name, text, message) => {
    const error = await refusal(client.call('session/import', { text }));
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining(message) });
    expect((await client.call('daemon/status', {})).events).toBe(0);
  });

  test('refuses a text of which one record is wrong before it applies the first', async () => {
    await settled(client);
    const document = JSON.parse(await exported(client, 'ses_a'));
    document.messages[2].parts[0].index = 'x';
    const error = await refusal(other().call('session/import', { text: JSON.stringify(document) }));
    expect(error?.message).toContain('text.messages.2.parts.0.index: ');
    document.messages[2].parts[0].index = 0;
    document.messages[2].parts[0].sessionId = 'ses_other';
    expect((await refusal(other().call('session/import', { text: JSON.stringify(document) })))?.message).toContain(
      'of another session',
    );
  });

  test('of a session that is not there: NotFound', async () => {
    expect(await refusal(exported(client, 'ses_none'))).toMatchObject({ kind: 'NotFound' });
  });
});

describe('session/fork', () => {
  test('copies the messages up to and with one into a new session, and nothing that is under way', async () => {
    await settled(client);
    const original = await whole(client, 'ses_a');
    const at = original.messages[1]!.message.id;
    const { ids } = await client.call('session/fork', { sessionId: 'ses_a', atMessageId: at });
    const fork = await whole(client, ids.sessionId!);
    expect(fork.session).toMatchObject({
      title: 'Mend the roof (fork)',
      directory: '/work',
      agent: 'codex',
      model,
      parentId: null,
      origin: null,
      archivedAt: null,
      messageCount: 2,
      metadata: { a: { b: 1 }, forkedFrom: { sessionId: 'ses_a', messageId: at } },
      // Its tokens were spent once, there.
      usage: { input: 0 },
    });
    expect(fork.messages.map(({ message }) => message.role)).toEqual(['system', 'user']);
    expect(fork.messages[1]!.parts).toMatchObject([{ type: 'text', text: 'héllo 😀' }]);
    expect([fork.turns, fork.blockers, fork.artifacts]).toEqual([[], [], []]);
    expect(await whole(client, 'ses_a')).toEqual(original);
  });

  test('whole, under its own id and title; sent again it is a duplicate', async () => {
    await settled(client);
    const params = { sessionId: 'ses_a', newSessionId: 'ses_b', title: 'Another way', opId: 'fork-1' };
    const first = await client.call('session/fork', params);
    expect(first).toMatchObject({ ids: { sessionId: 'ses_b' }, duplicate: false, version: 7 });
    await client.call('message/put', { sessionId: 'ses_a', role: 'user' });
    expect(await client.call('session/fork', params)).toMatchObject({ duplicate: true, version: 7 });
    const fork = await whole(client, 'ses_b');
    expect(fork.session).toMatchObject({ title: 'Another way', messageCount: 3 });
    expect(fork.messages[2]!.parts).toMatchObject([{ text: 'streamed' }, { state: 'completed', output: 'a\nb' }]);
    expect(await refusal(client.call('session/fork', { ...params, title: 'x' }))).toMatchObject({ kind: 'OpIdReused' });
  });

  test('needs its session, its message, and an id that is free', async () => {
    await settled(client);
    const fork = (params: object) => refusal(client.call('session/fork', { sessionId: 'ses_a', ...params }));
    expect(await fork({ sessionId: 'ses_none' })).toMatchObject({ data: { what: 'session', id: 'ses_none' } });
    expect(await fork({ atMessageId: 'msg_none' })).toMatchObject({ data: { what: 'message', id: 'msg_none' } });
    expect(await fork({ newSessionId: 'ses_a' })).toMatchObject({ kind: 'AlreadyExists' });
  });

  test('of an empty session is an empty session', async () => {
    await client.call('session/create', { sessionId: 'ses_a' });
    const { ids } = await client.call('session/fork', { sessionId: 'ses_a' });
    expect(await whole(client, ids.sessionId!)).toMatchObject({ session: { title: null, messageCount: 0 } });
  });
});

test('what is sent behind a series applies behind all of its ops, and reads see all of them', async () => {
  await client.call('session/create', { sessionId: 'ses_a' });
  for (let at = 0; at < 250; at += 1) await client.call('message/put', { sessionId: 'ses_a', role: 'user' });
  const sent = [
    client.call('session/fork', { sessionId: 'ses_a', newSessionId: 'ses_b' }),
    client.call('message/put', { sessionId: 'ses_b', messageId: 'msg_last', role: 'user' }),
    client.call('session/get', { sessionId: 'ses_b' }),
  ] as const;
  const [fork, put, { session }] = await Promise.all(sent);
  expect([fork.version, put.version]).toEqual([251, 252]);
  expect(session.messageCount).toBe(251);
  const { items } = await client.call('message/list', { sessionId: 'ses_b', order: 'desc', limit: 1 });
  expect(items[0]!.message).toMatchObject({ id: 'msg_last', messageIndex: 250 });
});

describe('a fork that is done', () => {
  test('is answered with its first result, whatever became of its source and of itself', async () => {
    await settled(client);
    const params = { sessionId: 'ses_a', newSessionId: 'ses_b', opId: 'fork-1' };
    const first = await client.call('session/fork', params);
    const part = { type: 'text' as const, text: 'later' };
    await client.call('part/put', { sessionId: 'ses_a', messageId: 'msg_0', part });
    const [removed] = (await whole(client, 'ses_b')).messages;
    await client.call('message/remove', { sessionId: 'ses_b', messageId: removed!.message.id });
    const before = await whole(client, 'ses_b');
    expect(await client.call('session/fork', params)).toEqual({ ...first, duplicate: true });
    await client.call('session/delete', { sessionId: 'ses_a' });
    expect(await client.call('session/fork', params)).toEqual({ ...first, duplicate: true });
    expect(await whole(client, 'ses_b')).toEqual(before);
  });
});

describe('a document that is imported', () => {
  type Doc = Record<string, unknown> & { session: Record<string, unknown>; messages: Whole['messages'] };
  const documentOf = async () => {
    await settled(client);
    return JSON.parse(await exported(client, 'ses_a')) as Doc;
  };
  const importInto = (of: Client, document: unknown) =>
    refusal(of.call('session/import', { text: typeof document === 'string' ? document : JSON.stringify(document) }));

  test('is checked like all that comes in: text, names, depth, numbers', async () => {
    const text = JSON.stringify(await documentOf());
    const deep = '['.repeat(600) + ']'.repeat(600);
    const there = other();
    for (const [member, fault] of [
      ['"title":"bad\\ud800"', 'lone surrogate'],
      ['"title":"x","x":{"__proto__":1}', '__proto__'],
      [`"title":"x","x":${deep}`, 'levels deep'],
      ['"title":"x","x":1e999', 'too large'],
    ] as const) {
      const changed = text.replace('"title":"Mend the roof"', member);
      expect(changed).not.toBe(text);
      expect((await importInto(there, changed))?.message).toContain(fault);
    }
    expect((await there.call('daemon/status', {})).events).toBe(0);
  });

  test('holds each record once, each part under its message, and names that can be asked for', async () => {
    const document = await documentOf();
    const there = other();
    const [first, second, third] = document.messages;
    const message = { ...second!.message, messageIndex: 2 ** 31 };
    for (const [changed, fault] of [
      [{ ...document, messages: [first, first] }, 'two records of one id, msg_0'],
      [
        { ...document, messages: [first, { ...first, parts: third!.parts }] },
        'messageId: it must be that of the message',
      ],
      [{ ...document, messages: [{ message, parts: [] }] }, 'messageIndex'],
      [{ ...document, artifacts: [{ ...(document.artifacts as Artifact[])[0], key: '' }] }, 'artifacts.0.key'],
    ] as const) {
      expect((await importInto(there, changed))?.message).toContain(fault);
    }
    expect((await there.call('daemon/status', {})).events).toBe(0);
  });

  test('goes into no session but one that an import made', async () => {
    const text = JSON.stringify(await documentOf());
    await client.call('session/create', { sessionId: 'ses_mine' });
    const error = await refusal(client.call('session/import', { text, sessionId: 'ses_mine' }));
    expect(error).toMatchObject({ kind: 'NotFound' });
    expect((await whole(client, 'ses_mine')).messages).toEqual([]);
  });

  test('has its tools ended, also outside of turns, and the messages of turns that were under way', async () => {
    await client.call('session/create', { sessionId: 'ses_a' });
    await client.call('turn/start', { sessionId: 'ses_a', turnId: 'trn_a', agent: 'x', model, parts: [] });
    await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_1', role: 'assistant', turnId: 'trn_a' });
    await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_2', role: 'assistant' });
    const part = { type: 'tool' as const, callId: 'c', tool: 'bash', state: 'pending' as const };
    await client.call('part/put', { sessionId: 'ses_a', messageId: 'msg_2', part });
    const there = other();
    await there.call('session/import', { text: await exported(client, 'ses_a') });
    const { messages } = await whole(there, 'ses_a');
    expect(messages[1]!.message.completedAt).toEqual(expect.any(Number));
    expect(messages[2]).toMatchObject({
      message: { completedAt: null },
      parts: [{ state: 'error', endedAt: expect.any(Number) }],
    });
  });
});

test('a page token that no page of that export gave is refused', async () => {
  await settled(client);
  for (const place of [
    ['messages', 'xx', 3],
    ['turns', '5', 3],
    ['nothing', '1', 3],
    ['artifacts', '["a",{}]', 3],
    [0, '1', 3],
    ['messages', '1'],
  ]) {
    const pageToken = Buffer.from(JSON.stringify(place)).toString('base64url');
    const call = client.call('session/export', { sessionId: 'ses_a', format: 'json', pageToken });
    expect((await refusal(call))?.code).toBe(-32602);
  }
  const pageToken = Buffer.from(JSON.stringify(['turns', '[0,0]', 3])).toString('base64url');
  const call = client.call('session/export', { sessionId: 'ses_a', format: 'markdown', pageToken });
  expect((await refusal(call))?.code).toBe(-32602);
});

test('the pages of an export hold no message that came behind the first of them', async () => {
  await client.call('session/create', { sessionId: 'ses_a' });
  const add = async (at: number) => {
    await client.call('message/put', { sessionId: 'ses_a', messageId: `msg_${at}`, role: 'user' });
    const part = { type: 'text' as const, text: 'x'.repeat(100_000) };
    await client.call('part/put', { sessionId: 'ses_a', messageId: `msg_${at}`, part });
  };
  for (let at = 0; at < 5; at += 1) await add(at);
  const first = await client.call('session/export', { sessionId: 'ses_a', format: 'json' });
  await add(5);
  let text = first.text;
  for (let pageToken = first.nextPageToken; pageToken !== undefined; ) {
    const page = await client.call('session/export', { sessionId: 'ses_a', format: 'json', pageToken });
    text += page.text;
    pageToken = page.nextPageToken;
  }
  expect(JSON.parse(text).messages).toHaveLength(5);
});
