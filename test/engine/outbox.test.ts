// One sink's loop over the journal, against the other side as a test makes it: what it is sent, how often, and what is kept.
import { describe, expect, test } from 'vitest';
import type { Delivered, Outgoing, Sink } from '../../daemon/adapters/adapter.ts';
import { retryDelayMs } from '../../daemon/core/outbox.ts';
import { Dispatch } from '../../daemon/engine/dispatch.ts';
import { Retention } from '../../daemon/engine/retention.ts';
import { OutboxRows } from '../../daemon/store/outbox-rows.ts';
import { Pruner } from '../../daemon/store/pruner.ts';
import { SessionWalk } from '../../daemon/store/session-walk.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { afterTest } from '../support/daemon.ts';
import { until } from '../support/deadline.ts';
import { makeHome } from '../support/home.ts';
import { op, openRecords, owner } from '../support/records.ts';
import { SteppedRuntime } from '../support/stepped-runtime.ts';

/** The other side: keeps what it is sent, and answers as the test says. */
class Other implements Sink {
  readonly sent: Outgoing[] = [];
  readonly answers: (Delivered | Error | 'wait')[] = [];
  held = 0;
  async deliver(outgoing: Outgoing, signal: AbortSignal): Promise<Delivered> {
    this.sent.push(outgoing);
    const answer = this.answers.shift() ?? { kind: 'acked', rejected: [], held: outgoing.through };
    if (answer instanceof Error) throw answer;
    if (answer === 'wait') {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    }
    return answer as Delivered;
  }
  async close(): Promise<void> {}
  get items(): ReplicaItem[] {
    return this.sent.flatMap(({ items }) => JSON.parse(items) as ReplicaItem[]);
  }
}

type Options = { folder?: string; maxEvents?: number; mask?: (items: readonly string[]) => Promise<string[]> };

function newFolder(): string {
  const home = makeHome();
  afterTest(() => home.remove());
  return home.folder;
}

function open(others: Record<string, Other>, options: Options = {}) {
  const folder = options.folder ?? newFolder();
  const runtime = new SteppedRuntime();
  const records = openRecords(folder, runtime);
  const { db, journal, writer, bell, lists } = records;
  const ended = new AbortController();
  const loops: Promise<void>[] = [];
  const rows = new OutboxRows(db);
  const dispatch = new Dispatch({
    ...{ rows, journal, writer, bell, lists, runtime, walk: new SessionWalk(db) },
    backoff: { baseMs: 500, maxMs: 60_000 },
    limits: { maxEvents: options.maxEvents ?? 200, maxBytes: 256 * 1024 },
    deliverMs: 60_000,
    mask: options.mask ?? (async (items) => [...items]),
    openReader: records.shown,
    isReplica: () => false,
    isSharedBeside: () => false,
    makeSink: (_kind, url) => others[url]!,
    signal: ended.signal,
    onLoop: (loop) => void loops.push(loop),
  });
  dispatch.start();
  const stop = async () => {
    ended.abort();
    await Promise.all(loops);
  };
  afterTest(stop);
  const append = async (...ops: Parameters<typeof op>[]) => {
    const { rejected } = await writer.append(
      owner,
      ops.map(([type, params]) => op(type, params)),
    );
    expect(rejected).toEqual([]);
  };
  const session = (id: string) => append(['session/create', { sessionId: id }]);
  const rename = (id: string, title: string) => append(['session/update', { sessionId: id, title }]);
  const add = (name: string, more: object = {}) =>
    dispatch.add({ name, kind: 'http', url: name, mask: false, ...more });
  const pruneAll = async () => {
    const pruner = new Pruner(db, journal);
    const { seq } = journal.head;
    while (journal.floorSeq < seq) await writer.write(() => pruner.cut(seq, 100));
  };
  const caughtUp = (name: string) => until(() => dispatch.list().find((sink) => sink.name === name)?.lag === 0);
  return { ...records, folder, runtime, rows, dispatch, stop, append, session, rename, add, pruneAll, caughtUp };
}

describe('what is sent', () => {
  test('a new sink is sent the journal from its beginning, one item an op, its events verbatim and in order', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.append(
      ['turn/start', { sessionId: 'ses_a', agent: 'a', model: { providerId: 'p', modelId: 'm' }, parts: [] }],
      ['session/update', { sessionId: 'ses_a', title: 'A' }],
    );
    await home.add('one');
    await home.caughtUp('one');
    await home.rename('ses_a', 'B');
    await home.caughtUp('one');
    const events = home.journal.readAfter(home.journal.beginning, {}, { events: 100, bytes: 1e6 }).events;
    expect(other.items.flatMap((item) => item.events)).toEqual(events.map(({ text }) => JSON.parse(text)));
    expect(other.items.map(({ version }) => version)).toEqual([1, 3, 4, 5]);
    expect(other.sent.map(({ origin }) => origin)).toEqual(other.sent.map(() => home.journal.storeId));
    expect(other.sent.at(-1)!.through).toBe(formatCursor(home.journal.head));
  });

  test('a filter leaves other sessions out, and the cursor moves past them', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.add('one', { filter: { sessions: ['ses_b'] } });
    await home.session('ses_a');
    await home.session('ses_b');
    await until(() => other.sent.length === 1);
    expect(other.items.map(({ sessionId }) => sessionId)).toEqual(['ses_b']);
    const rename = (n: number): Parameters<typeof op> => ['session/update', { sessionId: 'ses_a', title: `${n}` }];
    await home.append(...Array.from({ length: 1_100 }, (_, n) => rename(n)));
    await until(() => home.dispatch.list()[0]!.lag < 1_000);
    expect(other.sent.length).toBe(1);
  });

  test('part/delta is left out of what is masked: prevVersion tells of it, also after a restart', async () => {
    const other = new Other();
    const home = open({ one: other }, { mask: async (items) => items.map((item) => item.replaceAll('secret', '***')) });
    await home.session('ses_a');
    await home.append(
      ['message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' }],
      ['part/put', { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a', part: { type: 'text', text: 'secret' } }],
    );
    await home.add('one', { mask: true });
    await home.caughtUp('one');
    const delta = (offset: number) =>
      ['part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset, text: 'x' }] as Parameters<
        typeof op
      >;
    await home.append(delta(6), delta(7));
    await home.rename('ses_a', 'B');
    await until(() => other.items.length === 4);
    await home.append(delta(8));
    await home.stop();
    home.close();
    const again = new Other();
    const next = open({ one: again }, { folder: home.folder });
    await next.rename('ses_a', 'C');
    await until(() => again.items.length === 1);
    expect([...other.items, ...again.items].map(({ version, prevVersion }) => [version, prevVersion])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [6, 3],
      [8, 6],
    ]);
    expect(JSON.stringify(other.items)).not.toContain('secret');
    expect(again.items.some(({ snapshot }) => snapshot)).toBe(false);
  });

  test('[P29] what cannot be masked is not sent, and is sent when it can be', async () => {
    const other = new Other();
    let isBroken = true;
    const home = open(
      { one: other },
      {
        mask: async (items) => {
          if (isBroken) throw new Error('the worker is gone');
          return [...items];
        },
      },
    );
    await home.add('one', { mask: true });
    await home.session('ses_a');
    await until(() => home.dispatch.list()[0]!.state === 'failing');
    expect(other.sent).toEqual([]);
    isBroken = false;
    await until(() => home.runtime.nextIn() !== undefined);
    home.runtime.pass(1_000);
    await until(() => other.sent.length === 1);
  });
});

describe('what does not arrive', () => {
  test('[P12] a failed send keeps the batch: it is sent again with its id, grouping and order, and new ops come behind it', async () => {
    const other = new Other();
    other.answers.push({ kind: 'retry', reason: 'away' }, new Error('cut'));
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await until(() => home.dispatch.list()[0]!.state === 'failing');
    await home.rename('ses_a', 'B');
    const { batch } = home.dispatch.batches('one', undefined, 10, 0)[0]!;
    expect(batch).toMatchObject({ state: 'pending', attempts: 1, lastError: 'away', items: 1 });
    home.runtime.pass(500);
    await until(() => other.sent.length === 2);
    await until(() => home.runtime.nextIn() !== undefined);
    home.runtime.pass(1_000);
    await home.caughtUp('one');
    const [first, second, third, fourth] = other.sent;
    expect(second).toEqual(first);
    expect(third).toEqual(first);
    expect(fourth!.batchId).not.toBe(first!.batchId);
    expect(home.dispatch.list()[0]).toMatchObject({ state: 'active', lastError: null });
  });

  test('[P12] a batch is on disk before it is sent, and after a restart it is sent as it was', async () => {
    const other = new Other();
    other.answers.push('wait');
    const home = open({ one: other });
    await home.session('ses_a');
    await home.session('ses_b');
    await home.add('one');
    await until(() => other.sent.length === 1);
    expect(home.rows.next('one')).toMatchObject({ id: other.sent[0]!.batchId, items: other.sent[0]!.items });
    expect(home.dispatch.batches('one', 'inFlight', 10, 0)).toHaveLength(1);
    await home.rename('ses_a', 'B');
    await home.stop();
    home.close();
    const next = open({ one: other }, { folder: home.folder });
    await next.caughtUp('one');
    expect(other.sent[1]).toEqual(other.sent[0]);
    expect(other.sent).toHaveLength(3);
  });

  test('it waits as long as the other side asks for, and longer each time, up to a bound and at random', async () => {
    const backoff = { baseMs: 500, maxMs: 60_000 };
    expect(retryDelayMs(1, backoff, 0.5)).toBe(250);
    expect(retryDelayMs(4, backoff, 0.5)).toBe(2_000);
    expect(retryDelayMs(40, backoff, 1)).toBe(60_000);
    expect(retryDelayMs(1, backoff, 0)).toBe(0);
    expect(retryDelayMs(1, backoff, 0.5, 9_000)).toBe(9_000);
    const other = new Other();
    other.answers.push({ kind: 'retry', reason: 'busy', atLeastMs: 30_000 });
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await until(() => home.runtime.nextIn() === 30_000);
    home.runtime.pass(29_999);
    await home.rename('ses_a', 'B');
    expect(other.sent).toHaveLength(1);
    home.runtime.pass(1);
    await home.caughtUp('one');
  });

  test('what is refused for good pauses the sink and is set aside; resume sends it again', async () => {
    const other = new Other();
    other.answers.push({ kind: 'refused', reason: '401: the token is not known there' });
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await until(() => home.dispatch.list()[0]!.state === 'paused');
    expect(home.dispatch.list()[0]!.lastError).toBe('401: the token is not known there');
    expect(home.dispatch.batches('one', 'failed', 10, 0)).toHaveLength(1);
    await home.rename('ses_a', 'B');
    expect(other.sent).toHaveLength(1);
    await home.dispatch.resume('one');
    await home.caughtUp('one');
    expect(other.sent[1]).toEqual(other.sent[0]);
    expect(home.dispatch.list()[0]).toMatchObject({ state: 'active', lastError: null });
  });

  test('what the other side rejects is set aside with its reason and does not block the rest', async () => {
    const other = new Other();
    other.answers.push({ kind: 'acked', rejected: [{ opId: 'x', reason: 'AlreadyExists: taken' }], held: undefined });
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await home.rename('ses_a', 'B');
    await home.caughtUp('one');
    expect(home.dispatch.batches('one', 'acked', 10, 0)[0]!.batch).toMatchObject({
      rejected: [{ opId: 'x', reason: 'AlreadyExists: taken' }],
      items: 1,
    });
    expect(other.items.at(-1)!.version).toBe(2);
  });

  test('the trouble of one sink touches no other', async () => {
    const [good, bad, stuck] = [new Other(), new Other(), new Other()];
    bad.answers.push(...Array.from({ length: 50 }, () => ({ kind: 'retry' as const, reason: 'away' })));
    stuck.answers.push('wait');
    const home = open({ good, bad, stuck });
    for (const name of ['bad', 'stuck', 'good']) await home.add(name);
    for (let n = 0; n < 5; n += 1) {
      await home.session(`ses_${n}`);
      await home.caughtUp('good');
    }
    expect(good.items).toHaveLength(5);
    expect(bad.sent).toHaveLength(1);
  });

  test('retry sends at once, discard gives up, and neither touches what is on its way or has arrived', async () => {
    const other = new Other();
    other.answers.push({ kind: 'retry', reason: 'away' }, { kind: 'retry', reason: 'away' }, 'wait');
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await until(() => home.dispatch.list()[0]!.state === 'failing');
    const { batch } = home.dispatch.batches('one', undefined, 10, 0)[0]!;
    await home.dispatch.retry(batch.batchId);
    await until(() => other.sent.length === 2 && home.dispatch.list()[0]!.state === 'failing');
    await until(() => home.runtime.nextIn() !== undefined);
    await home.dispatch.discard(batch.batchId);
    await home.session('ses_b');
    await until(() => other.sent.length === 3);
    expect(JSON.parse(other.sent[2]!.items)).toMatchObject([{ sessionId: 'ses_b' }]);
    const inFlight = other.sent[2]!.batchId;
    await expect(home.dispatch.discard(inFlight)).rejects.toThrow(/on its way/);
    await expect(home.dispatch.retry(inFlight)).rejects.toThrow(/on its way/);
    await expect(home.dispatch.retry(batch.batchId)).rejects.toThrow(/no batch/);
  });

  test('batches are listed by what they do now, page by page, and none is left out by those of another state', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const others = Object.fromEntries(names.map((name) => [name, new Other()]));
    for (const name of names) {
      const away = { kind: 'retry' as const, reason: 'away', atLeastMs: 50_000 };
      others[name]!.answers.push(name === 'c' ? 'wait' : away);
    }
    const home = open(others);
    await home.session('ses_a');
    for (const name of names) await home.add(name);
    await until(() => names.every((name) => others[name]!.sent.length === 1));
    await until(
      () => home.dispatch.batches(undefined, 'pending', 10, 0).filter(({ batch }) => batch.attempts).length === 3,
    );
    const page = (state: 'pending' | 'inFlight', limit: number, after = 0) =>
      home.dispatch.batches(undefined, state, limit, after).map(({ batch }) => batch.sink);
    expect(page('inFlight', 1)).toEqual(['c']);
    expect(page('pending', 3)).toEqual(['a', 'b', 'd']);
    const [first] = home.dispatch.batches(undefined, 'pending', 2, 0).slice(-1);
    expect(page('pending', 2, first!.key)).toEqual(['d']);
  });

  test('a sink that is paused is sent nothing, and goes on where it was', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.add('one');
    await home.dispatch.pause('one');
    await home.session('ses_a');
    await home.rename('ses_a', 'B');
    expect(other.sent).toEqual([]);
    await home.stop();
    home.close();
    const next = open({ one: other }, { folder: home.folder });
    expect(next.dispatch.list()[0]).toMatchObject({ state: 'paused' });
    await next.dispatch.resume('one');
    await next.caughtUp('one');
    expect(other.items.map(({ version }) => version)).toEqual([1, 2]);
  });
});

describe('what the other side lacks', () => {
  test('what retention has passed is sent as whole sessions, and the events behind it follow', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.rename('ses_a', 'B');
    await home.session('ses_b');
    await home.pruneAll();
    await home.rename('ses_b', 'C');
    await home.add('one');
    await home.caughtUp('one');
    await home.rename('ses_a', 'D');
    await home.caughtUp('one');
    const whole = other.items.filter(({ snapshot }) => snapshot);
    expect(whole.map(({ sessionId, version, snapshot }) => [sessionId, version, snapshot!.done])).toEqual([
      ['ses_a', 2, true],
      ['ses_b', 2, true],
    ]);
    expect(whole[0]!.events.map(({ type }) => type)).toEqual(['session/created', 'session/updated']);
    expect(
      other.items.filter(({ snapshot }) => !snapshot).map(({ sessionId, version }) => [sessionId, version]),
    ).toEqual([['ses_a', 3]]);
  });

  test('what a sink has not acknowledged is kept up to maxLagEvents; then it is sent whole sessions', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await home.caughtUp('one');
    await home.dispatch.pause('one');
    const retention = new Retention({
      ...{
        journal: home.journal,
        pruner: new Pruner(home.db, home.journal),
        writer: home.writer,
        runtime: home.runtime,
      },
      rule: { maxEvents: 10, maxAgeMs: 1e12, maxLagEvents: 50 },
      acknowledged: (floor) => home.dispatch.acknowledged(floor),
    });
    for (let n = 0; n < 40; n += 1) await home.rename('ses_a', `${n}`);
    await retention.cut();
    expect(home.journal.floorSeq).toBe(1);
    for (let n = 40; n < 60; n += 1) await home.rename('ses_a', `${n}`);
    await retention.cut();
    expect(home.journal.floorSeq).toBe(51);
    await home.dispatch.resume('one');
    await home.caughtUp('one');
    expect(other.items.slice(1).map(({ version, snapshot }) => [version, snapshot?.done])).toEqual([[61, true]]);
    await retention.cut();
    expect(home.journal.floorSeq).toBe(51);
  });

  test('a session in which the other side lacks something is sent whole, and the others go on', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.session('ses_b');
    await home.add('one');
    await home.caughtUp('one');
    other.answers.push({ kind: 'behind', held: other.sent.at(-1)!.through, sessions: ['ses_a'] });
    await home.rename('ses_a', 'B');
    await home.caughtUp('one');
    await until(() => other.items.some(({ snapshot }) => snapshot?.done));
    await home.rename('ses_b', 'B');
    await home.rename('ses_a', 'C');
    await home.caughtUp('one');
    const behind = other.items.slice(3);
    expect(behind.map(({ sessionId, version, snapshot }) => [sessionId, version, snapshot?.done])).toEqual([
      ['ses_a', 2, true],
      ['ses_b', 2, undefined],
      ['ses_a', 3, undefined],
    ]);
  });

  test('where the other side was put back, it goes on from the cursor that is held there', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.add('one');
    await home.session('ses_a');
    await home.caughtUp('one');
    const held = other.sent.at(-1)!.through;
    await home.rename('ses_a', 'B');
    await home.rename('ses_a', 'C');
    await home.caughtUp('one');
    other.answers.push({ kind: 'behind', held, sessions: [] });
    await home.rename('ses_a', 'D');
    await until(() => other.items.at(-1)!.version === 4 && home.dispatch.list()[0]!.lag === 0);
    const again = other.sent.slice(other.sent.findIndex(({ expectedCursor }, at) => at > 3 && expectedCursor === held));
    const versions = again.flatMap(({ items }) => (JSON.parse(items) as ReplicaItem[]).map(({ version }) => version));
    expect(versions).toEqual([2, 3, 4]);
    expect(other.items.some(({ snapshot }) => snapshot)).toBe(false);
  });

  test('where what is held there is of another store, all sessions are sent whole, and those that went as gone', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.add('one');
    await home.session('ses_a');
    await home.session('ses_b');
    await home.session('ses_c');
    await home.append(['session/delete', { sessionId: 'ses_c' }]);
    await home.caughtUp('one');
    const before = other.items.length;
    other.answers.push({ kind: 'behind', held: 'another.7.abc', sessions: [] });
    await home.rename('ses_a', 'B');
    await until(() => other.items.filter(({ snapshot }) => snapshot?.done).length === 3);
    await home.caughtUp('one');
    const whole = other.items.slice(before + 1);
    expect(whole.map(({ sessionId, version }) => [sessionId, version])).toEqual([
      ['ses_a', 2],
      ['ses_b', 1],
      ['ses_c', 2],
    ]);
    // Where the other side was put back it may be there again.
    expect(whole.at(-1)!.events.map(({ type }) => type)).toEqual(['session/deleted']);
  });

  test('[P18] a long session is sent whole in pieces of a bounded size, which end in one that says so', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    for (let n = 0; n < 12; n += 1) {
      await home.append(
        ['message/put', { sessionId: 'ses_a', messageId: `msg_${n}`, role: 'user' }],
        ['part/put', { sessionId: 'ses_a', messageId: `msg_${n}`, part: { type: 'text', text: 'x'.repeat(60_000) } }],
      );
    }
    await home.pruneAll();
    await home.add('one');
    await home.caughtUp('one');
    const pieces = other.items.map(({ snapshot }) => snapshot!);
    expect(pieces.map(({ index }) => index)).toEqual(pieces.map((_, index) => index));
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.map(({ done }) => done)).toEqual(pieces.map((_, index) => index === pieces.length - 1));
    expect(Math.max(...other.sent.map(({ items }) => items.length))).toBeLessThan(400_000);
    expect(other.items.flatMap(({ events }) => events).filter(({ type }) => type === 'part/updated')).toHaveLength(12);
  });
});

describe('what is changed from outside', () => {
  test('a name that is taken, a url that is none, and a place that is sent to with the same token are refused', async () => {
    const home = open({ one: new Other(), two: new Other() });
    await home.add('one');
    await expect(home.add('one', { url: 'two' })).rejects.toMatchObject({ refusal: { refused: 'AlreadyExists' } });
    await expect(home.add('other', { url: 'one' })).rejects.toMatchObject({ refusal: { refused: 'AlreadyExists' } });
    await expect(home.dispatch.pause('none')).rejects.toMatchObject({ refusal: { refused: 'NotFound' } });
    expect(home.dispatch.list().map(({ name }) => name)).toEqual(['one']);
  });

  test('a sink that is removed goes with all that waits for it, and its loop ends', async () => {
    const other = new Other();
    other.answers.push('wait');
    const home = open({ one: other });
    await home.session('ses_a');
    await home.add('one');
    await until(() => other.sent.length === 1);
    await home.dispatch.remove('one');
    expect(home.dispatch.list()).toEqual([]);
    expect(home.rows.page(undefined, undefined, 10, 0, [])).toEqual([]);
    await home.add('one');
    await home.caughtUp('one');
    expect(other.sent[1]!.batchId).not.toBe(other.sent[0]!.batchId);
  });
});

describe('whoever is at the other side', () => {
  test('one that does not say whether it refuses holds up no change of the others', async () => {
    const [silent, other] = [new Other(), new Other()];
    Object.assign(silent, { host: {} });
    silent.answers.push('wait');
    const home = open({ silent, other });
    await home.add('other');
    const adding = home.add('silent');
    await until(() => silent.sent.length === 1);
    expect(await home.dispatch.pause('other')).toMatchObject({ state: 'paused' });
    expect(home.dispatch.list().map(({ name }) => name)).toEqual(['other']);
    home.runtime.pass(5_000);
    expect(await adding).toMatchObject({ name: 'silent' });
  });

  test('who is sent one session cannot have another by saying that it lacks that', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_private');
    await home.session('ses_public');
    await home.add('one', { filter: { sessions: ['ses_public'] } });
    await until(() => other.sent.length === 1);
    other.answers.push({ kind: 'behind', held: undefined, sessions: ['ses_private', 'ses_public'] });
    await home.rename('ses_public', 'B');
    await home.rename('ses_public', 'C');
    await until(() => other.items.some(({ snapshot }) => snapshot?.done));
    await home.caughtUp('one');
    expect(new Set(other.items.map(({ sessionId }) => sessionId))).toEqual(new Set(['ses_public']));
  });

  test('what is too large for it is set aside with its session, and the others go on; resumed, it is sent whole', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.session('ses_b');
    await home.add('one');
    await home.caughtUp('one');
    other.answers.push({ kind: 'tooLarge', reason: '413' });
    await home.rename('ses_a', 'large');
    await home.caughtUp('one');
    await home.rename('ses_a', 'more');
    await home.rename('ses_b', 'B');
    await home.caughtUp('one');
    expect(other.items.slice(3).map(({ sessionId, version }) => [sessionId, version])).toEqual([['ses_b', 2]]);
    expect(home.dispatch.list()[0]).toMatchObject({ state: 'active' });
    expect(home.dispatch.batches('one', 'acked', 10, 0).flatMap(({ batch }) => batch.rejected)).toMatchObject([
      { reason: '413' },
    ]);
    await home.dispatch.resume('one');
    await until(() => other.items.some(({ snapshot }) => snapshot?.done));
    expect(other.items.at(-1)).toMatchObject({ sessionId: 'ses_a', version: 3 });
  });

  test('a sink that is resumed, removed and resumed at once has one loop, or none', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.add('one');
    await Promise.allSettled([
      home.dispatch.resume('one', 't1'),
      home.dispatch.resume('one', 't2'),
      home.dispatch.remove('one'),
      home.dispatch.resume('one', 't3'),
    ]);
    expect(home.dispatch.list()).toEqual([]);
    await home.session('ses_a');
    await home.add('one');
    await Promise.all([home.dispatch.resume('one', 't4'), home.dispatch.resume('one', 't5')]);
    await home.caughtUp('one');
    await home.rename('ses_a', 'B');
    await home.caughtUp('one');
    expect(other.items.map(({ version }) => version)).toEqual([1, 2]);
  });

  test('[P29] half a secret is not sent with a session that is sent whole: streamed text comes when its part is done', async () => {
    const other = new Other();
    const home = open({ one: other });
    await home.session('ses_a');
    await home.append(
      ['message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' }],
      ['part/put', { sessionId: 'ses_a', messageId: 'msg_a', partId: 'prt_a', part: { type: 'text', text: 'is ' } }],
      ['part/delta', { sessionId: 'ses_a', partId: 'prt_a', field: 'text', offset: 3, text: 'ghp_half' }],
    );
    await home.pruneAll();
    await home.add('one', { mask: true });
    await until(() => other.items.some(({ snapshot }) => snapshot?.done));
    expect(JSON.stringify(other.items)).toContain('"is "');
    expect(JSON.stringify(other.items)).not.toContain('ghp_half');
  });

  test('a host to which nothing is sent is asked now and then whether it still holds what it said', async () => {
    const other = new Other();
    Object.assign(other, { host: {} });
    const home = open({ one: other });
    await home.add('one');
    await home.session('ses_a');
    await home.append(['session/delete', { sessionId: 'ses_a' }]);
    await home.caughtUp('one');
    const held = other.sent.at(-1)!.through;
    const quarter = async () => {
      await until(() => home.runtime.nextIn(16 * 60_000) !== undefined);
      home.runtime.pass(15 * 60_000);
    };
    await quarter();
    await until(() => other.sent.at(-1)!.items === '[]');
    expect(other.sent.at(-1)).toMatchObject({ expectedCursor: held, through: held });
    other.answers.push({ kind: 'behind', held: 'another.1.x', sessions: [] });
    await quarter();
    await until(() => other.items.at(-1)?.snapshot?.done === true);
    expect(other.items.at(-1)!.events.map(({ type }) => type)).toEqual(['session/deleted']);
  });
});
