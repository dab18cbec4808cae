// Random histories of a home, delivered to a host in random batches: again, late, out of order, over restarts, and whole sessions
// in between. And what no home sends: whatever comes, the tables stay sound and other sessions are not touched.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplicaItem } from '../../protocol/outbox.ts';
import type { Session } from '../../protocol/schema.ts';
import { eventTypes } from '../../protocol/schema.ts';
import { emptyView, reduce } from '../../protocol/view.ts';
import { makeHome } from '../support/home.ts';
import { walk } from '../support/model-walk.ts';
import type { Listed, Records } from '../support/records.ts';
import { allEvents, HandRuntime, op, openRecords, owner, readTables, viewTables } from '../support/records.ts';
import { asHeld, batchOf, expectSound, itemsOf, send, work } from '../support/replica.ts';
import { craft, follow, mutations } from '../support/replica-attack.ts';
import { delivery, historyOf, Sender } from '../support/replica-walk.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 25);
/** A failure prints its seed. Given as FUZZ_SEED, the failure is shrunk too, which takes minutes. */
const seed = process.env.FUZZ_SEED ? { seed: Number(process.env.FUZZ_SEED) } : { endOnFailure: true };

/** A cost that was taken out again was told once, and a sum is rounded at each step: a whole session has neither. */
function likened(held: Map<string, Listed>): Map<string, unknown> {
  return new Map(
    [...held].map(([id, listed]) => {
      const { costUsd = 0, ...usage } = listed.session.usage;
      const session: Session = { ...listed.session, usage: { ...usage, costUsd } };
      return [id, asHeld({ ...listed, session })];
    }),
  );
}

const met = new Set<string>();

test('[P13] whatever is sent twice, late, out of order or whole, a host comes to hold what its home holds, each event once', async () => {
  await fc.assert(
    fc.asyncProperty(walk, fc.array(delivery, { maxLength: 40, size: 'max' }), async (steps, deliveries) => {
      const [there, here] = [makeHome(), makeHome()];
      const home = openRecords(there.paths.data);
      let host = openRecords(here.paths.data);
      try {
        const history = await historyOf(home, steps);
        if (history.items.length === 0) return;
        const sender = new Sender(history, met);
        for (const each of deliveries) {
          await sender.deliver(host, each);
          if (!each.restart) continue;
          host.close();
          host = openRecords(here.paths.data);
        }
        const rest = {
          of: [0, 1, 2, 3].map((which): [number, number] => [which, 9]),
          again: 0,
          late: null,
          whole: null,
          hole: false,
        };
        for (let tries = 0; !sender.isDone; tries += 1) {
          expect(tries).toBeLessThan(500);
          for (const which of [0, 4, 8, 12, 16, 20]) {
            await sender.deliver(host, {
              ...rest,
              restart: false,
              of: rest.of.map(([at, count]) => [at + which, count]),
            });
          }
        }
        expect(likened(readTables(host))).toEqual(likened(readTables(home)));
        const views = [home, host].map((records) => viewTables(allEvents(records).reduce(reduce, emptyView())));
        expect(likened(views[1]!)).toEqual(likened(views[0]!));
        expectSound(host);
      } finally {
        home.close();
        host.close();
        there.remove();
        here.remove();
      }
    }),
    { numRuns, ...seed },
  );
  expect([...met].sort()).toEqual(['VersionConflict', 'duplicate', 'snapshot']);
}, 600_000);

/** An item of the history, changed; or one made up. `follows`: its versions are as they must be. */
const attack = fc.record({
  which: fc.nat(200),
  made: fc.boolean(),
  changes: fc.array(fc.nat(mutations.length - 1), { maxLength: 3 }),
  draws: fc.infiniteStream(fc.nat(1_000)),
  follows: fc.nat(3).map((drawn) => drawn > 0),
  restart: fc.nat(9).map((drawn) => drawn === 0),
});

const outcomes = new Set<string>();

test('whatever is sent as a replica, the tables stay sound, and no session of the host is touched', async () => {
  await fc.assert(
    fc.asyncProperty(walk, fc.array(attack, { minLength: 20, maxLength: 80, size: 'max' }), async (steps, attacks) => {
      const [there, here] = [makeHome(), makeHome()];
      const home = openRecords(there.paths.data);
      const runtime = new HandRuntime();
      let host = openRecords(here.paths.data, runtime);
      try {
        await work(home, 'ses_base');
        // Something of everything is there to be attacked.
        await send(host, batchOf(home, itemsOf(home)));
        const { items, pieces } = await historyOf(home, steps);
        const all = [...items, ...[...pieces.values()].flat()];
        await ownSession(host);
        const own = readTables(host).get('ses_own');
        let at = 0;
        for (const { which, made, changes, draws, follows, restart } of attacks) {
          const stream = draws[Symbol.iterator]();
          const pick = (many: readonly unknown[]) => many[stream.next().value % many.length];
          // Most often the next that is due is under attack, and comes behind it as it is.
          const due = which % 4 > 0 ? items[at] : undefined;
          if (due) at += 1;
          const crafted = made ? craft(host, pick) : undefined;
          const item = crafted ?? structuredClone(due ?? all[which % all.length]!);
          if (!crafted) for (const number of changes) mutations[number]!(item, pick, all);
          if (crafted || follows) follow(host, item);
          // As it is taken in where the wire begins.
          const parsed = ReplicaItem.safeParse(JSON.parse(JSON.stringify(item)));
          if (!parsed.success) outcomes.add('schema');
          const batch = batchOf(home, [...(parsed.success ? [parsed.data] : []), ...(due ? [due] : [])]);
          const { applied, rejected } = await send(host, batch);
          for (const { kind } of rejected) outcomes.add(kind);
          const isApplied = applied.some(({ opId }) => opId === item.opId);
          if (crafted) for (const { type } of item.events) outcomes.add(`${isApplied ? 'took' : 'refused'} ${type}`);
          if (!restart) continue;
          host.close();
          host = openRecords(here.paths.data, runtime);
        }
        expect(readTables(host).get('ses_own')).toEqual(own);
        expectSound(host);
        expect(runtime.errors).toEqual([]);
        expect(host.fatal).toEqual([]);
      } finally {
        home.close();
        host.close();
        there.remove();
        here.remove();
      }
    }),
    { numRuns, ...seed },
  );
  const reached = (what: string) => eventTypes.filter((type) => outcomes.has(`${what} ${type}`)).length;
  expect(['AlreadyExists', 'InvalidParams', 'VersionConflict', 'schema'].filter((kind) => !outcomes.has(kind))).toEqual(
    [],
  );
  expect(Math.min(reached('took'), reached('refused'))).toBeGreaterThanOrEqual(eventTypes.length - 4);
}, 600_000);

async function ownSession({ writer }: Records): Promise<void> {
  const sessionId = 'ses_own';
  const model = { providerId: 'p', modelId: 'm' };
  const ops = [
    op('session/create', { sessionId, title: 'own' }),
    op('turn/start', { sessionId, turnId: 'trn_own', agent: 'x', model, parts: [] }),
    op('message/put', { sessionId, messageId: 'msg_own', role: 'assistant', turnId: 'trn_own' }),
    op('part/put', { sessionId, messageId: 'msg_own', partId: 'prt_own', part: { type: 'text', text: 'own' } }),
    op('blocker/ask', { sessionId, blockerId: 'blk_own', kind: 'permission', request: { permission: 'p' } }),
  ];
  for (const each of ops) await writer.appendOne(owner, each);
}
