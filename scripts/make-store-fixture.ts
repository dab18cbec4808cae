// Makes test/fixtures/stores/schema-N.db: a small store as the schema of this commit writes it. Run once for each new
// schema version, commit the file, and never make it anew: later versions must open what this one wrote.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bell } from '../daemon/engine/bell.ts';
import { systemRuntime } from '../daemon/engine/runtime.ts';
import { Writer } from '../daemon/engine/writer.ts';
import { GuestRows } from '../daemon/store/guest-rows.ts';
import { Journal } from '../daemon/store/journal.ts';
import { openStore } from '../daemon/store/open.ts';
import { SourceRows } from '../daemon/store/source-rows.ts';
import { Tables } from '../daemon/store/tables.ts';
import type { ReplicaItem } from '../protocol/outbox.ts';
import type { Op, Session } from '../protocol/schema.ts';

// A build-time switch; this runs from source.
Object.assign(globalThis, { __FAILPOINTS__: false });
const folder = mkdtempSync(join(tmpdir(), 'sd-fixture-'));
const store = openStore(folder);
const schema = store.db.pragma('user_version', { simple: true }) as number;
const file = join(dirname(dirname(fileURLToPath(import.meta.url))), `test/fixtures/stores/schema-${schema}.db`);
if (existsSync(file)) throw new Error(`${file} is there: a fixture is never made anew`);

const journal = new Journal(store.db);
const quiet = { info() {}, warn() {}, error() {} };
const writer = new Writer(store, journal, new Tables(store.db, journal), new Bell(), systemRuntime(quiet), () => {});
const usage = { input: 3, output: 5, reasoning: 0, cacheRead: 7, cacheWrite: 0, costUsd: 0.25 };
const ops: Pick<Op, 'type' | 'params'>[] = [
  {
    type: 'session/create',
    params: { sessionId: 'ses_a', title: 'Mend the roof', directory: '/work', agent: 'fixture' },
  },
  { type: 'session/create', params: { sessionId: 'ses_b', parentId: 'ses_a', metadata: { kind: 'child' } } },
  { type: 'session/create', params: { sessionId: 'ses_gone' } },
  { type: 'message/put', params: { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' } },
  {
    type: 'part/put',
    params: { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a', part: { type: 'text', text: 'héllo 😀' } },
  },
  { type: 'message/put', params: { sessionId: 'ses_a', messageId: 'msg_b', role: 'assistant', usage } },
  {
    type: 'part/put',
    params: { sessionId: 'ses_a', messageId: 'msg_b', partId: 'prt_b', part: { type: 'reasoning', text: '' } },
  },
  { type: 'part/delta', params: { sessionId: 'ses_a', partId: 'prt_b', field: 'text', offset: 0, text: 'streamed ' } },
  { type: 'part/delta', params: { sessionId: 'ses_a', partId: 'prt_b', field: 'text', offset: 9, text: 'text 𝄞' } },
  { type: 'message/put', params: { sessionId: 'ses_a', messageId: 'msg_c', role: 'user' } },
  { type: 'message/remove', params: { sessionId: 'ses_a', messageId: 'msg_c' } },
  { type: 'artifact/put', params: { sessionId: 'ses_a', kind: 'todo', key: '1', data: { done: false } } },
  { type: 'session/delete', params: { sessionId: 'ses_gone' } },
  {
    type: 'turn/start',
    params: {
      sessionId: 'ses_b',
      turnId: 'trn_done',
      agent: 'fixture',
      model: { providerId: 'p', modelId: 'm' },
      parts: [{ id: 'prt_ask', type: 'text', text: 'go on' }],
    },
  },
  {
    type: 'blocker/ask',
    params: {
      sessionId: 'ses_b',
      blockerId: 'blk_done',
      turnId: 'trn_done',
      kind: 'permission',
      request: { permission: 'bash' },
    },
  },
  {
    type: 'blocker/answer',
    params: { sessionId: 'ses_b', blockerId: 'blk_done', answer: { decision: 'always' } },
  },
  { type: 'turn/finish', params: { turnId: 'trn_done', state: 'completed', parts: [{ type: 'text', text: 'done' }] } },
  {
    type: 'turn/start',
    params: {
      sessionId: 'ses_b',
      turnId: 'trn_open',
      agent: 'fixture',
      model: { providerId: 'p', modelId: 'm' },
      parts: [],
    },
  },
  {
    type: 'blocker/ask',
    params: {
      sessionId: 'ses_b',
      blockerId: 'blk_open',
      kind: 'question',
      request: { questions: [{ question: 'Which?', header: 'Pick', options: [{ label: 'a' }] }] },
    },
  },
];
const author = { principal: 'owner', actorId: 'fixture/c1' };
for (const [index, op] of ops.entries()) await writer.appendOne(author, { ...op, opId: `op-${index}` } as Op);
// A session of another store, and what a guest has for its home.
const at = 1_700_000_000_000;
const written = { actorId: 'home/c1', schemaVersion: 1 };
const none = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
const theirs: Session = {
  ...{ id: 'ses_replica', parentId: null, title: 'Theirs', directory: null, agent: null, model: null, status: 'idle' },
  ...{ version: 1, origin: null, metadata: {}, usage: none, messageCount: 0, pendingBlockers: 0, ...written },
  ...{ createdAt: at, updatedAt: at, archivedAt: null },
};
const event = { seq: 1, sessionId: 'ses_replica', version: 1, at, actorId: 'home/c1', opId: 'theirs' };
const item: ReplicaItem = {
  ...{ opId: 'theirs', seq: 1, sessionId: 'ses_replica', version: 1 },
  events: [{ ...event, type: 'session/created', data: theirs }],
};
const kin = { isUnder: () => false, isOver: () => false };
await writer.takeReplica(author, { origin: 'home', batchId: 'b', through: 'home.1.t', items: [item] }, kin);
const guest = { id: 'gop_a', session: 'ses_replica', principal: 'cap_guest', actor: 'cap_guest/c1', opId: 'asked' };
const asked = { opId: 'asked', type: 'session/update', params: { sessionId: 'ses_replica', title: 'Ours' } };
new GuestRows(store.db).add({ ...guest, digest: Buffer.alloc(32), op: JSON.stringify(asked) }, at);
new SourceRows(store.db).put({ name: 'pi-2', kind: 'pi', path: '/transcripts', removed: false });
store.db.exec('VACUUM');
store.close();
cpSync(join(folder, 'store.db'), file);
rmSync(folder, { recursive: true });
console.log(file);
