// What is kept of guests' ops (PROTOCOL.md 7): for as long as op ids are, and no longer.
import { expect, it } from 'vitest';
import { Guests } from '../../daemon/engine/guests.ts';
import { Sweep } from '../../daemon/engine/sweep.ts';
import { AuditRows } from '../../daemon/store/audit-rows.ts';
import { GuestRows } from '../../daemon/store/guest-rows.ts';
import { ReplicaRows } from '../../daemon/store/replica-rows.ts';
import { op, owner } from '../support/records.ts';
import { batchOf, homeAndHost, itemsOf, noKin, send } from '../support/replica.ts';

const day = 24 * 3600_000;

it('forgets ops of guests with the op ids of their time, also what no home has asked for', async () => {
  const { home, host } = await homeAndHost();
  await send(host, batchOf(home, itemsOf(home)));
  const { db, journal, tables, writer, lists, runtime } = host;
  const rows = new GuestRows(db);
  const limits = {
    ...{ maxSessionGuestOps: 10, maxSessionGuestUnits: 10_000, maxHomeGuestOps: 10, maxHomeGuestUnits: 10_000 },
    ...{ maxGuestOps: 10, maxGuestUnits: 10_000 },
  };
  const guests = new Guests({
    ...{ rows, replicas: new ReplicaRows(db), records: tables, journal, audit: new AuditRows(db) },
    ...{ kin: { ...noKin, rootOf: (id) => id }, writer, runtime, limits },
  });
  const sweep = new Sweep({
    ...{ writer, lists, ledger: writer.ledger, guests: rows, runtime, ledgerMaxAgeMs: 30 * day },
    retention: { cut: async () => {} },
    subscribers: { expire: async () => {} },
    capabilities: { expire: () => {}, prune: async () => {} },
  });
  const update = () => op('session/update', { sessionId: 'ses_a', title: 'x' });
  const { storeId: origin } = home.journal;
  const waiting = () => guests.take(owner, origin, 10, 10_000).map((text) => JSON.parse(text).op.opId as string);
  const [first, second, third] = [update(), update(), update()];
  const kept = await guests.keep(owner, [first!, second!]);
  const [guestOpId] = kept.flatMap((each) => ('id' in each ? [each.id] : []));
  const applied = { opId: first!.opId, seq: null, version: 1, ids: {} };
  await guests.settle(owner, origin, [{ guestOpId: guestOpId!, applied }]);
  runtime.time += 20 * day;
  await guests.keep(owner, [third!]);
  expect(waiting()).toEqual([second!.opId, third!.opId]);
  expect(guests.standing(kept).result.applied).toEqual([applied]);
  runtime.time += 11 * day;
  await sweep.prune(new AbortController().signal);
  expect(waiting()).toEqual([third!.opId]);
  // What is not known any more went with what it was for.
  expect(guests.standing(kept).result.rejected.map(({ kind }) => kind)).toEqual(['NotFound', 'NotFound']);
  expect(rows.waiting().map(({ session, count }) => [session, count])).toEqual([['ses_a', 1]]);
});
