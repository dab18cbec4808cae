// A store made by each schema version is kept; this version must open every one of them.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GuestRows } from '../../daemon/store/guest-rows.ts';
import { shippedMigrations } from '../../daemon/store/open.ts';
import { SourceRows } from '../../daemon/store/source-rows.ts';
import { root } from '../support/build.ts';
import { testHome } from '../support/daemon.ts';
import { foldJournal, op, openRecords, owner, readTables, viewTables } from '../support/records.ts';

const folder = join(root, 'test/fixtures/stores');
const kept = readdirSync(folder).sort();

test('every schema version has its store', () => {
  expect(kept).toEqual(shippedMigrations().map(({ version }) => `schema-${version}.db`));
});

test.each(kept)('%s opens, holds what was written, and goes on', async (name) => {
  const { data } = testHome().paths;
  mkdirSync(data, { recursive: true });
  copyFileSync(join(folder, name), join(data, 'store.db'));
  const records = openRecords(data);
  const held = readTables(records);
  expect(viewTables(foldJournal(records))).toEqual(held);
  const schema = Number(/\d+/.exec(name)![0]);
  expect([...held.keys()].sort()).toEqual(['ses_a', 'ses_b', ...(schema >= 7 ? ['ses_replica'] : [])]);
  const { session, messages, artifacts } = held.get('ses_a')!;
  expect(session).toMatchObject({ title: 'Mend the roof', messageCount: 2, usage: { output: 5, costUsd: 0.25 } });
  expect(messages.map(({ parts }) => parts.map((part) => (part as { text?: string }).text))).toEqual([
    ['héllo 😀'],
    ['streamed text 𝄞'],
  ]);
  expect(artifacts).toHaveLength(1);
  if (schema >= 3) {
    const { session: waiting, turns, blockers } = held.get('ses_b')!;
    expect(waiting).toMatchObject({ status: 'waiting', pendingBlockers: 1, agent: 'fixture' });
    expect(turns.map(({ id, state }) => [id, state])).toEqual([
      ['trn_done', 'completed'],
      ['trn_open', 'created'],
    ]);
    expect(blockers.map(({ id, state }) => [id, state])).toEqual([
      ['blk_done', 'answered'],
      ['blk_open', 'pending'],
    ]);
    await records.writer.appendOne(owner, op('turn/finish', { turnId: 'trn_open', state: 'completed' }));
  }
  const [guestOp] = new GuestRows(records.db).waitingFor('home');
  expect([records.writer.isReplica('ses_replica'), guestOp?.id]).toEqual(
    schema >= 7 ? [true, 'gop_a'] : [false, undefined],
  );
  const added = { name: 'pi-2', kind: 'pi', path: '/transcripts', removed: false };
  expect(new SourceRows(records.db).all()).toEqual(name === 'schema-1.db' ? [] : [added]);
  // The ledger is kept too, and ids stay taken.
  const again = { type: 'session/create' as const, opId: 'op-0' };
  const params = { sessionId: 'ses_a', title: 'Mend the roof', directory: '/work', agent: 'fixture' };
  expect(await records.writer.appendOne(owner, { ...again, params })).toMatchObject({ duplicate: true, seq: 1 });
  await expect(records.writer.appendOne(owner, op('session/create', { sessionId: 'ses_gone' }))).rejects.toThrow(
    'taken',
  );
  const delta = { sessionId: 'ses_a', partId: 'prt_b', field: 'text' as const, offset: 16, text: '!' };
  expect((await records.writer.appendOne(owner, op('part/delta', delta))).seq).toBe(records.journal.head.seq);
});
