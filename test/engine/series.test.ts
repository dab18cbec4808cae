// What series keep in the ledger, and what is imported with a capability.
import { describe, expect, test } from 'vitest';
import type { Grant } from '../../daemon/engine/grant.ts';
import { Series } from '../../daemon/engine/series.ts';
import type { Author } from '../../daemon/engine/writer.ts';
import { AuditRows } from '../../daemon/store/audit-rows.ts';
import type { Right } from '../../protocol/capability.ts';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner, readTables } from '../support/records.ts';

async function setUp() {
  const records = openRecords(testHome().paths.data);
  const { db, writer, lists, tables, journal } = records;
  const { ledger } = writer;
  const series = new Series({ writer, lists, records: tables, ledger, journal });
  await writer.appendOne(owner, op('session/create', { sessionId: 'ses_a', title: 'a' }));
  for (let at = 0; at < 3; at += 1) {
    await writer.appendOne(owner, op('message/put', { sessionId: 'ses_a', messageId: `msg_${at}`, role: 'user' }));
    const part = { type: 'text' as const, text: `${at}` };
    const where = { sessionId: 'ses_a', messageId: `msg_${at}`, partId: `prt_${at}` };
    await writer.appendOne(owner, op('part/put', { ...where, part }));
  }
  const held = (sessionId: string) => readTables(records).get(sessionId)!;
  const audited = () =>
    new AuditRows(db).read(undefined, 100).items.map(({ method, outcome }) => `${method} ${outcome}`);
  return { ...records, ledger, series, held, audited };
}

function guest(...rights: Right[]): Author {
  const life = { epoch: 1, expiresAt: null, revokedAt: null, createdAt: 0, lastUsedAt: null };
  const capability = { id: 'cap_1', parentId: null, label: 'x', rights, sessions: '*' as const, ...life };
  const grant: Grant = { capability, epoch: 1, invalid: () => undefined };
  return { principal: 'cap_1', actorId: 'cap_1/c2', grant };
}

type Held = ReturnType<Awaited<ReturnType<typeof setUp>>['held']>;

/** What session/export gives, of a session with all ids replaced, and `more` in it. */
function documentOf({ session, turns, blockers, messages }: Held, id: string, more: object = {}): string {
  const document = { format: 'sessiond/session', formatVersion: 1, session, turns, blockers, artifacts: [], messages };
  const text = JSON.stringify({ ...document, ...more });
  return text.replaceAll(/"(ses|msg|prt|blk|trn)_(\w+)"/g, (_, kind, name) =>
    kind === 'ses' ? `"${id}"` : `"${kind}_${name}_${id}"`,
  );
}

const blocker = (state: string, more: object = {}) => ({
  ...{ id: 'blk_deploy', sessionId: 'ses_a', turnId: null, kind: null, request: null, state },
  ...{ resolution: state === 'pending' ? null : { decision: 'always' }, resolvedBy: 'owner/c1', askedAt: null },
  ...{ resolvedAt: 1, actorId: 'owner/c1', schemaVersion: 1, ...more },
});

describe('what a series keeps in the ledger', () => {
  test('is no op of a client: one of its name opens no session to an import, and ends no fork', async () => {
    const { series, writer, held } = await setUp();
    for (const author of [owner, guest('read', 'append', 'answer')]) {
      const forge = (opId: string) => writer.appendOne(author, op('session/update', { sessionId: 'ses_a' }, { opId }));
      await forge('series_import/ses_a');
      const text = documentOf(held('ses_a'), 'ses_a', { messages: [], blockers: [blocker('answered')] });
      const imported = series.importSession(author, { opId: `import ${author.principal}`, text, sessionId: 'ses_a' });
      await expect(imported).rejects.toMatchObject({ refusal: { refused: 'NotFound' } });
      const { hash } = await import('node:crypto');
      const opId = `fork ${author.principal}`;
      await forge(`series_${hash('sha256', opId, 'base64url').slice(0, 22)}/end`);
      const { ids, seq } = await series.forkSession(author, { opId, sessionId: 'ses_a' });
      expect(seq).toEqual(expect.any(Number));
      expect(held(ids.sessionId!).messages).toHaveLength(3);
    }
    expect(held('ses_a').blockers).toEqual([]);
  });

  test('is known where an earlier sessiond kept it: what it had begun goes on, and nothing is there twice', async () => {
    const { series, db, held, ledger } = await setUp();
    const document = JSON.parse(documentOf(held('ses_a'), 'ses_x'));
    const [first, ...rest] = document.messages;
    const pieces = [
      { opId: 'p1', text: JSON.stringify({ ...document, messages: [first] }) },
      { opId: 'p2', text: JSON.stringify({ ...document, messages: rest }), sessionId: 'ses_x' },
    ];
    await series.importSession(owner, pieces[0]!);
    await series.importSession(owner, pieces[1]!);
    const before = held('ses_x');
    // As it was kept before schema 6; and of the second piece the end, and what came last, were not reached.
    const old = ledger;
    const rows = db.prepare("SELECT op_id, seq, version, ids FROM ledger WHERE principal = 'series:owner'").all() as {
      op_id: string;
      seq: number | null;
      version: number;
      ids: string;
    }[];
    expect(rows).toHaveLength(1 + 2 + 1 + 4 + 1);
    db.prepare("DELETE FROM ledger WHERE principal = 'series:owner'").run();
    for (const { op_id, seq, version, ids } of rows.slice(0, -1)) {
      old.put('owner', op_id, { digest: Buffer.alloc(0), seq, version, ids: JSON.parse(ids) }, 1_000);
    }
    expect(await series.importSession(owner, pieces[0]!)).toMatchObject({ duplicate: true });
    const again = await series.importSession(owner, pieces[1]!);
    expect(again.ids.sessionId).toBe('ses_x');
    expect(held('ses_x')).toEqual(before);
    const more = JSON.stringify(document).replaceAll('_ses_x', '_more');
    await series.importSession(owner, { opId: 'p3', text: more, sessionId: 'ses_x' });
    expect(held('ses_x').messages).toHaveLength(6);
  });
});

describe('what is imported with a capability', () => {
  test('is of who imported it, whoever its text names; what the owner imports says what it said', async () => {
    const { series, held } = await setUp();
    const author = guest('append', 'answer');
    for (const [by, id, resolvedBy] of [
      [author, 'ses_g', author.actorId],
      [owner, 'ses_o', 'owner/c1'],
    ] as const) {
      const model = { providerId: 'p', modelId: 'm' };
      const turn = {
        ...{ id: 'trn_1', sessionId: 'ses_a', state: 'completed', userMessageId: 'msg_0', assistantMessageId: null },
        ...{ agent: 'g', model, leaseMs: 1_000, startedAt: 1, endedAt: 1, finish: null, error: null, usage: null },
        ...{ actorId: 'owner/c1', schemaVersion: 1 },
      };
      const states = ['answered', 'rejected', 'expired'];
      const blockers = states.map((state) => blocker(state, { id: `blk_${state}` }));
      await series.importSession(by, { opId: id, text: documentOf(held('ses_a'), id, { turns: [turn], blockers }) });
      const { session, turns, messages, ...rest } = held(id);
      expect(rest.blockers.map((each) => each.resolvedBy)).toEqual(Array(3).fill(resolvedBy));
      const all = [session, ...turns, ...messages.flatMap(({ message, parts }) => [message, ...parts])];
      expect(all).toHaveLength(1 + 1 + 6);
      const names = [...new Set([...all, ...rest.blockers].map(({ actorId }) => actorId))];
      expect(names.sort()).toEqual(by === author ? [author.actorId] : ['owner/c1', 'test/c1']);
    }
  });

  test('holds no answer where it may not answer, and leaves no trace then but in the audit', async () => {
    const { series, held, journal, audited } = await setUp();
    const { seq } = journal.head;
    for (const state of ['answered', 'rejected']) {
      const text = documentOf(held('ses_a'), 'ses_x', { blockers: [blocker(state)] });
      await expect(series.importSession(guest('append'), { opId: state, text })).rejects.toMatchObject({
        refusal: { refused: 'Forbidden', data: { right: 'answer' } },
      });
    }
    expect(journal.head.seq).toBe(seq);
    expect(audited()).toEqual(Array(2).fill('session/import Forbidden'));
    const text = documentOf(held('ses_a'), 'ses_x', {
      blockers: [blocker('pending'), blocker('expired', { id: 'blk_e' })],
    });
    await series.importSession(guest('append'), { opId: 'without', text });
    expect(held('ses_x').blockers.map((each) => [each.state, each.resolvedBy])).toEqual(
      Array(2).fill(['expired', 'cap_1/c2']),
    );
  });
});

test('a fork whose source is deleted under it is in the audit by what cut it off', async () => {
  const { series, writer, audited } = await setUp();
  for (let at = 3; at < 300; at += 1) {
    await writer.appendOne(owner, op('message/put', { sessionId: 'ses_a', messageId: `msg_${at}`, role: 'user' }));
  }
  const forked = series.forkSession(guest('append', 'read'), { opId: 'f', sessionId: 'ses_a' });
  await writer.write(() => {});
  await writer.appendOne(owner, op('session/delete', { sessionId: 'ses_a' }));
  await expect(forked).rejects.toMatchObject({ refusal: { refused: 'NotFound', data: { id: 'ses_a' } } });
  expect(audited().reverse()).toEqual(['session/fork ok', 'session/fork NotFound']);
});
