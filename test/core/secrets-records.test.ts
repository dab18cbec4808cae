// Secrets in whole records: what is sent stays the same record, without them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maskItem } from '../../daemon/core/mask/item.ts';
import type { MaskFinding } from '../../protocol/outbox.ts';
import { MaskFinding as Finding, ReplicaItem } from '../../protocol/outbox.ts';
import type { Event, Json } from '../../protocol/schema.ts';
import { masking, pieceOf, secrets } from './secrets-made.ts';

const all = secrets(11);
const github = all.find(({ rule }) => rule === 'github')!.text;
const npm = all.find(({ rule }) => rule === 'npm')!.text;

const written = { actorId: 'test/c1', schemaVersion: 1 };
const at = { id: 'prt_a', messageId: 'msg_a', sessionId: 'ses_a', index: 0, ...written };
const usage = { input: 1, output: 2, reasoning: 0, cacheRead: 0, cacheWrite: 0 };

function itemOf(...events: { type: string; data: object }[]): string {
  const envelope = { seq: 1, sessionId: 'ses_a', version: 1, at: 1, actorId: 'test/c1', opId: 'op1' };
  return JSON.stringify({
    opId: 'op1',
    seq: 1,
    sessionId: 'ses_a',
    version: 1,
    events: events.map((each) => ({ ...envelope, ...each })),
  });
}

const tool = (members: object) =>
  itemOf({
    type: 'part/updated',
    data: { ...at, type: 'tool', callId: 'c1', tool: 'Bash', state: 'completed', ...members },
  });

function masked(text: string) {
  const findings: MaskFinding[] = [];
  const out = maskItem(text, masking, (finding) => void findings.push(finding));
  return { text: out, events: ReplicaItem.parse(JSON.parse(out)).events as Event[], findings };
}

/** Texts as they stand in records, each with `secret` in it once: in any of these places, and as the name of a member. */
function records(text: string, name: string): { type: string; data: object }[] {
  const free = { a: [text, { [name]: 1 }], [name]: { b: text } } satisfies Json;
  const message = {
    id: 'msg_a',
    messageIndex: 0,
    sessionId: 'ses_a',
    turnId: null,
    role: 'user',
    agent: null,
    model: null,
  };
  const blocker = {
    id: 'blk_a',
    sessionId: 'ses_a',
    turnId: null,
    state: 'answered',
    resolvedBy: 'x',
    askedAt: 1,
    resolvedAt: 2,
  };
  const session = {
    ...{
      id: 'ses_a',
      parentId: null,
      title: text,
      directory: text,
      agent: 'a',
      model: { providerId: 'p', modelId: text },
    },
    ...{
      status: 'idle',
      version: 1,
      origin: { source: 's', externalId: 'e', path: text },
      metadata: free,
      usage,
      messageCount: 0,
    },
    ...{ pendingBlockers: 0, createdAt: 1, updatedAt: 1, archivedAt: null, ...written },
  };
  return [
    { type: 'session/created', data: session },
    { type: 'session/updated', data: session },
    {
      type: 'message/updated',
      data: { ...message, createdAt: 1, completedAt: null, usage: null, error: free, metadata: free, ...written },
    },
    {
      type: 'turn/updated',
      data: {
        ...{
          id: 'trn_a',
          sessionId: 'ses_a',
          state: 'failed',
          userMessageId: 'msg_a',
          assistantMessageId: null,
          agent: text,
        },
        ...{ model: null, leaseMs: 1, startedAt: 1, endedAt: 2, finish: text, error: free, usage, ...written },
      },
    },
    { type: 'part/updated', data: { ...at, type: 'text', text } },
    { type: 'part/updated', data: { ...at, type: 'reasoning', text } },
    { type: 'part/updated', data: { ...at, type: 'file', mime: 'text/plain', filename: text, url: text } },
    { type: 'part/updated', data: { ...at, type: 'patch', hash: 'x', files: free } },
    { type: 'part/updated', data: { ...at, type: 'step', phase: 'finish', reason: text, usage } },
    { type: 'part/updated', data: { ...at, type: 'data', kind: 'k', value: free } },
    {
      type: 'part/updated',
      data: {
        ...at,
        type: 'tool',
        callId: 'c',
        tool: 'Bash',
        state: 'error',
        title: text,
        input: free,
        output: text,
        error: free,
      },
    },
    {
      type: 'blocker/updated',
      data: {
        ...{ ...blocker, kind: 'question', ...written, resolution: { answers: [[text]] } },
        request: { questions: [{ question: text, header: text, options: [{ label: text, description: text }] }] },
      },
    },
    {
      type: 'blocker/updated',
      data: {
        ...{ ...blocker, kind: 'permission', ...written, resolution: { decision: 'deny', message: text } },
        request: { permission: 'Bash', patterns: [text], title: text, metadata: free },
      },
    },
    {
      type: 'blocker/updated',
      data: { ...blocker, kind: 'permission', ...written, request: null, resolution: { reason: text } },
    },
    {
      type: 'artifact/updated',
      data: { sessionId: 'ses_a', kind: 'k', key: 'e', data: free, createdAt: 1, updatedAt: 1, ...written },
    },
  ];
}

/** What may stand right before and behind a secret. */
const around = fc.tuple(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(' ', '\n', '"', "'", '=', ': ', '\\n', '\\"', '%20', '(', '`', '\t', '\u001b[31m', '/', ',', '“'),
  fc.constantFrom(' ', '\n', '"', "'", '\\n', '\\"', ')', '`', '\t', '\u001b[0m', ',', ';', '”', '&'),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);

test('[P29] no twelve letters of a secret are left wherever it stands in a record, which is a record as before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), around, fc.nat(), (seed, [first, before, behind, last], which) => {
      const made = secrets(seed);
      const secret = made[which % made.length]!.text;
      const text = `${first}${before}${secret}${behind}${last}`;
      for (const record of records(text, text)) {
        const item = itemOf(record);
        const { text: out } = masked(item);
        expect(pieceOf(secret, out), record.type).toBeUndefined();
        expect(maskItem(out, masking)).toBe(out);
        const [event] = (JSON.parse(out) as { events: { data: object }[] }).events;
        expect(Object.keys(event!.data)).toEqual(Object.keys(record.data));
      }
    }),
    { numRuns: 150 },
  );
});

test('records without a secret are the same text', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      const item = tool({ input: JSON.parse(text) as Json, output: text }).replace('"version":1', '"version": 1');
      expect(maskItem(item, masking)).toBe(item);
    }),
  );
});

test('[P29] what ties records together is never changed', () => {
  const ids = { id: `prt_${github}`, messageId: `msg_${github}`, callId: github };
  const { events, text } = masked(
    itemOf({ type: 'part/updated', data: { ...at, type: 'tool', tool: 'x', state: 'pending', ...ids } }),
  );
  expect(events[0]!.data).toMatchObject(ids);
  expect(text).not.toContain('masked');
  const key = itemOf({ type: 'artifact/removed', data: { sessionId: 'ses_a', kind: github, key: github } });
  expect(maskItem(key, masking)).toBe(key);
});

test('[P29] what is called id or type in what an agent wrote is masked', () => {
  const { events } = masked(tool({ input: { id: github, type: github, key: github } }));
  const input = { id: '[masked:github]', type: '[masked:github]', key: '[masked:github]' };
  expect(events[0]!.data).toMatchObject({ input });
});

test('[P29] a value is masked for what it is called: by its name, beside it, or before it among arguments', () => {
  const input = {
    ...{ password: 'hunter2x9', note: 'hunter2x9', env: [{ name: 'DB_PASSWORD', value: 'hunter2x9' }] },
    ...{ argv: ['x', '--password', 'hunter2x9', 'hunter2x9'], secrets: ['s3cr3tValue'] },
  };
  const masks = '[masked:assignment]';
  expect(masked(tool({ input })).events[0]!.data).toMatchObject({
    input: {
      ...{ password: masks, note: 'hunter2x9', env: [{ name: 'DB_PASSWORD', value: masks }] },
      ...{ argv: ['x', '--password', masks, 'hunter2x9'], secrets: [masks] },
    },
  });
});

test('[P29] names of members that are the same when they are masked are told apart, the same way each time', () => {
  const input = { [github]: 1, '[masked:github] 2': 2, [`${github.slice(0, -1)}z`]: 3, a: 4, ['__proto__']: 5 };
  const { events, text } = masked(tool({ input: JSON.parse(JSON.stringify(input)) as Json }));
  const entries = Object.entries((events[0]!.data as { input: object }).input);
  expect(entries.map(([, value]) => value)).toEqual([1, 2, 3, 4, 5]);
  expect(new Set(entries.map(([name]) => name)).size).toBe(5);
  expect(pieceOf(github, text)).toBeUndefined();
  expect(masked(tool({ input: JSON.parse(JSON.stringify(input)) as Json })).text).toBe(text);
});

describe('findings', () => {
  test('[P29] tell the rule, the record, the member and what stands around it, and nothing of the secret', () => {
    const item = tool({ input: { env: [{ [npm]: `left ${github} right` }] } });
    const { findings } = masked(item);
    for (const finding of findings) expect(Finding.parse(finding)).toEqual(finding);
    const ids = { messageId: 'msg_a', partId: 'prt_a' };
    expect(findings).toEqual([
      { rule: 'npm', ...ids, where: 'part input.env[0].(name)', excerpt: '[masked:npm]' },
      { rule: 'github', ...ids, where: 'part input.env[0].[masked:npm]', excerpt: 'left [masked:github] right' },
    ]);
  });

  test('[P29] never show a secret, whatever the record', () => {
    for (const { text } of all)
      for (const record of records(`see ${text} here`, text)) {
        const { findings } = masked(itemOf(record));
        expect(findings.length).toBeGreaterThan(0);
        expect(pieceOf(text, JSON.stringify(findings)), record.type).toBeUndefined();
      }
  });
});

test('[P29] a delta is not masked but refused: a secret may be in several of them and in none whole', () => {
  const data = { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a', field: 'text', offset: 0, text: 'a' };
  expect(() => maskItem(itemOf({ type: 'part/delta', data }), masking)).toThrow('part/delta');
});
