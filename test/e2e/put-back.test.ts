// A store file that was put back by hand, and a store that is another one: cursors of what is gone are told so, older ones
// resume, with the mode asserted (P1, P28, P30).
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { ErrorKind, RpcError } from '../../protocol/errors.ts';
import { connectTo, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';

const seqOf = (cursor: string) => Number(cursor.split('.')[1]);

async function create(client: Client, ...names: string[]): Promise<void> {
  for (const name of names) await client.call('session/create', { sessionId: `ses_${name}` });
}

const headOf = async (client: Client) => (await client.call('daemon/status', {})).head;

/** Runs `work` against the daemon of that home, and stops it. */
async function during<T>(home: Home, work: (client: Client) => Promise<T>): Promise<T> {
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  const result = await work(client);
  client.close();
  expect(await daemon.kill()).toBe(0);
  return result;
}

const storeFiles = (folder: string) => readdirSync(folder).filter((name) => /^store\.db(-wal|-shm)?$/.test(name));

/** Copies the store of a stopped daemon from one folder to another, which then holds nothing else of a store. */
function copyStore(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of storeFiles(to)) rmSync(join(to, name));
  for (const name of storeFiles(from)) cpSync(join(from, name), join(to, name));
  expect(existsSync(join(to, 'store.db'))).toBe(true);
}

/** A home whose store was put back, the cursors from before and behind the copy, and what was there. */
async function putBack() {
  const home = testHome();
  const backup = join(home.folder, 'backup');
  const before = await during(home, async (client) => {
    await create(client, 'a');
    const early = await headOf(client);
    await create(client, 'b', 'c');
    return { early, last: await headOf(client) };
  });
  copyStore(home.paths.data, backup);
  const behind = await during(home, async (client) => {
    await create(client, 'd');
    const first = await headOf(client);
    await create(client, 'e', 'f');
    return { first, last: await headOf(client) };
  });
  copyStore(backup, home.paths.data);
  return { home, before, behind };
}

const refusal = (asked: Promise<unknown>): Promise<ErrorKind | undefined | 'answered'> =>
  asked.then(
    () => 'answered' as const,
    (error: RpcError) => error.kind,
  );

/** Every door that a cursor comes in by refuses it with `kind`; a subscriber that takes snapshots is given one because of it. */
async function expectRefused(client: Client, cursor: string, kind: ErrorKind): Promise<void> {
  expect(await refusal(client.subscribe({ from: cursor, snapshot: 'never' }, () => {}))).toBe(kind);
  expect(await refusal(client.call('events/read', { after: cursor }))).toBe(kind);
  const op = { opId: 'op_refused', type: 'session/create' as const, params: {} };
  expect(await refusal(client.call('ops/append', { ops: [op], expectedCursor: cursor }))).toBe(kind);
  const { started, collector } = await subscribe(client, { from: cursor, snapshot: 'onGap' });
  expect(started).toMatchObject({ mode: 'snapshot', reason: kind, cursor: await headOf(client) });
  await collector.until('the end of the snapshot', ({ deliveries }) =>
    deliveries.some(({ type }) => type === 'events/caughtUp'),
  );
  const shown = collector.deliveries.flatMap(({ type, params }) => (type === 'events/snapshot' ? params.items : []));
  const held = (await client.call('session/list', {})).items.map(({ id }) => id);
  expect(shown.map(({ session }) => session.id).sort()).toEqual(held.sort());
  expect(collector.events).toEqual([]);
}

/** Resumes, with the mode, and gets all that lies behind. */
async function expectResumes(client: Client, cursor: string): Promise<void> {
  const head = await headOf(client);
  const { started, collector } = await subscribe(client, { from: cursor, snapshot: 'onGap' });
  expect(started).toMatchObject({ mode: 'resumed', cursor });
  expect(started).not.toHaveProperty('reason');
  await collector.until('all behind it', ({ deliveries }) => deliveries.some(({ type }) => type === 'events/caughtUp'));
  const [from, to] = [seqOf(cursor), seqOf(head)];
  expect(collector.events.map(({ seq }) => seq)).toEqual(Array.from({ length: to - from }, (_, at) => from + 1 + at));
  expect(collector.deliveries.some(({ type }) => type === 'events/snapshot')).toBe(false);
}

test('[P1] of a store that was put back, what came behind the copy is in the future', async () => {
  const { home, before, behind } = await putBack();
  await during(home, async (client) => {
    expect(await headOf(client)).toBe(before.last);
    await expectRefused(client, behind.first, 'CursorInFuture');
    await expectRefused(client, behind.last, 'CursorInFuture');
    await expectResumes(client, before.early);
    await expectResumes(client, before.last);
  });
});

test('[P1] of a store that was put back and has grown past it, what came behind the copy has diverged', async () => {
  const { home, before, behind } = await putBack();
  await during(home, async (client) => {
    await create(client, 'x', 'y', 'z', 'w');
    expect(seqOf(await headOf(client))).toBeGreaterThan(seqOf(behind.last));
    await expectRefused(client, behind.first, 'Diverged');
    await expectRefused(client, behind.last, 'Diverged');
    await expectResumes(client, before.early);
    await expectResumes(client, before.last);
  });
});

test('[P1] a store that was put back and came to the very same head is found out', async () => {
  const { home, behind } = await putBack();
  await during(home, async (client) => {
    await create(client, 'x', 'y', 'z');
    expect(seqOf(await headOf(client))).toBe(seqOf(behind.last));
    await expectRefused(client, behind.last, 'Diverged');
  });
});

test('[P1] a subscriber that is known by name is told too, and keeps its name', async () => {
  const home = testHome();
  const backup = join(home.folder, 'backup');
  await during(home, async (client) => {
    await create(client, 'a');
    await subscribe(client, { name: 'n' });
  });
  copyStore(home.paths.data, backup);
  const acked = await during(home, async (client) => {
    await subscribe(client, { name: 'n' });
    await create(client, 'b');
    return (await client.call('events/ack', { name: 'n', cursor: await headOf(client) })).cursor;
  });
  copyStore(backup, home.paths.data);
  await during(home, async (client) => {
    await create(client, 'x', 'y');
    // By the cursor that its owner kept; what the store kept is from before, and resumes.
    await expect(client.call('events/ack', { name: 'n', cursor: acked })).rejects.toMatchObject({ kind: 'Diverged' });
    const { started } = await subscribe(client, { name: 'n', from: acked });
    expect(started).toMatchObject({ mode: 'snapshot', reason: 'Diverged' });
    const again = await connectTo(home);
    expect((await subscribe(again, { name: 'n' })).started).toMatchObject({ mode: 'resumed' });
  });
});

test('[P28] another store in the place of one that is gone is told, and nobody waits for seqs that begin anew', async () => {
  const home = testHome();
  const cursor = await during(home, async (client) => {
    await create(client, 'a', 'b', 'c');
    return headOf(client);
  });
  rmSync(home.paths.data, { recursive: true });
  await during(home, async (client) => {
    await expectRefused(client, cursor, 'StoreChanged');
    await create(client, 'a', 'b', 'c', 'd');
    // Also where the new one has come as far.
    await expectRefused(client, cursor, 'StoreChanged');
  });
});
