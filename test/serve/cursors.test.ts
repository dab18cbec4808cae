// Every door that a cursor comes in by judges it alike, at each edge of what is kept, before and after the journal was really
// cut and the daemon started again (P2, P3, P30).
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { defaultRetention } from '../../daemon/config.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { daemonInProcess, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Wire } from '../support/wire.ts';
import { wireInMemory, wireTo } from '../support/wire.ts';

const seqOf = (cursor: string) => Number(cursor.split('.')[1]);
const withSeq = (cursor: string, seq: number) => cursor.replace(/\.\d+\./, `.${seq}.`);

/** What a door says: the kind of its refusal, else the mode, with the reason. */
type Door = (wire: Wire, cursor: string) => Promise<string>;
const kindOr = ({ error, result }: Awaited<ReturnType<Wire['call']>>, answered: string) =>
  error ? (error.data.kind as string) : [result.mode ?? answered, result.reason].filter(Boolean).join(' ');

const doors: Record<string, Door> = {
  never: async (wire, from) => kindOr(await wire.call('events/subscribe', { from, snapshot: 'never' }), ''),
  onGap: async (wire, from) => kindOr(await wire.call('events/subscribe', { from, snapshot: 'onGap' }), ''),
  unsaid: async (wire, from) => kindOr(await wire.call('events/subscribe', { from }), ''),
  read: async (wire, after) => kindOr(await wire.call('events/read', { after }), 'answered'),
};

let lastOp = 0;
/** Of the op that goes with it, which changes nothing, there is never an event. */
const expected: Door = async (wire, expectedCursor) => {
  lastOp += 1;
  const ops = [{ opId: `op_none_${lastOp}`, type: 'session/update', params: { sessionId: 'ses_0' } }];
  return kindOr(await wire.call('ops/append', { ops, expectedCursor }), 'answered');
};

/** What each door says of a cursor. */
const verdicts = async (wire: Wire, cursor: string) =>
  Object.fromEntries(
    await Promise.all(Object.entries(doors).map(async ([name, door]) => [name, await door(wire, cursor)])),
  );

const refused = (kind: string) => ({ never: kind, onGap: `snapshot ${kind}`, unsaid: `snapshot ${kind}`, read: kind });
const good = { never: 'resumed', onGap: 'resumed', unsaid: 'resumed', read: 'answered' };

/** Makes `count` sessions; the cursor of each. */
async function create(wire: Wire, count: number): Promise<string[]> {
  const cursors: string[] = [];
  for (let at = 0; at < count; at += 1) {
    cursors.push((await wire.call('session/create', { sessionId: `ses_${at}` })).result.cursor);
  }
  return cursors;
}

/** Each edge of what is kept, of ten events of which the last three are. */
async function expectEdges(wire: Wire, cursors: string[]): Promise<void> {
  const { earliest, head } = (await wire.call('daemon/status')).result;
  expect([seqOf(earliest), head]).toEqual([7, cursors[9]]);
  const [before, at, behind, newest] = [cursors[5]!, cursors[6]!, cursors[7]!, cursors[9]!];
  expect(at).toBe(earliest);
  expect(await verdicts(wire, before)).toEqual(refused('CursorExpired'));
  expect(await verdicts(wire, withSeq(earliest, 0))).toEqual(refused('CursorExpired'));
  expect(await verdicts(wire, at)).toEqual(good);
  expect(await verdicts(wire, behind)).toEqual(good);
  expect(await verdicts(wire, newest)).toEqual(good);
  expect(await verdicts(wire, withSeq(head, 11))).toEqual(refused('CursorInFuture'));
  expect(await verdicts(wire, `${earliest.slice(0, -1)}${earliest.endsWith('a') ? 'b' : 'a'}`)).toEqual(
    refused('Diverged'),
  );
  const { error } = await wire.call('events/read', { after: before });
  expect(error!.data).toEqual({ kind: 'CursorExpired', earliest, head });
  // From the oldest that is kept come all that are kept.
  const { result } = await wire.call('events/read', { after: earliest });
  expect(result.events.map(({ seq }: { seq: number }) => seq)).toEqual([8, 9, 10]);
}

test('[P2] [P3] every door judges earliest - 1, earliest, earliest + 1, head and head + 1 alike, before the journal is cut', async () => {
  const retention = { ...defaultRetention, maxEvents: 3 };
  const { daemon } = daemonInProcess(testHome(), { retention });
  const wire = wireInMemory(daemon);
  const cursors = await create(wire, 10);
  await expectEdges(wire, cursors);
  const said = await Promise.all([5, 6, 9].map((at) => expected(wire, cursors[at]!)));
  expect(said).toEqual(['CursorExpired', 'VersionConflict', 'answered']);
});

test('[P3] earliest never goes back, neither for a name that begins with the state, nor when the clock does', async () => {
  let time = 10_000;
  const runtime = { ...systemRuntime({ info() {}, warn() {}, error() {} }), now: () => time };
  const retention = { ...defaultRetention, maxEvents: 3, maxAgeMs: 5_000 };
  const { daemon } = daemonInProcess(testHome(), { retention, runtime });
  const wire = wireInMemory(daemon);
  const cursors = await create(wire, 10);
  const earliest = async () => (await wire.call('daemon/status')).result.earliest;
  expect(await earliest()).toBe(cursors[6]);
  // Nothing was cut off yet, so that it could be served from the beginning.
  await wire.call('events/subscribe', { name: 'editor', snapshot: 'always' });
  expect(await earliest()).toBe(cursors[6]);
  time += 5_001;
  expect(await earliest()).toBe(cursors[9]);
  time -= 5_001;
  expect(await earliest()).toBe(cursors[9]);
  expect(await doors.never!(wire, cursors[8]!)).toBe('CursorExpired');
});

test('[P13] a retry of what was applied is answered like the first time, although its expectedCursor is pruned', async () => {
  const { daemon } = daemonInProcess(testHome(), { retention: { ...defaultRetention, maxEvents: 1 } });
  const wire = wireInMemory(daemon);
  const { cursor } = (await wire.call('session/create', { sessionId: 'ses_0' })).result;
  const ops = [{ opId: 'op_1', type: 'session/update', params: { sessionId: 'ses_0', title: 'a' } }];
  const append = () => wire.call('ops/append', { ops, expectedCursor: cursor });
  expect((await append()).result.applied).toMatchObject([{ opId: 'op_1' }]);
  await wire.call('session/create', { sessionId: 'ses_1' });
  expect(await doors.never!(wire, cursor)).toBe('CursorExpired');
  expect((await append()).result.duplicates).toMatchObject([{ opId: 'op_1' }]);
});

test('[P2] [P3] and alike when it was cut, and the daemon killed and started again', async () => {
  const home = testHome();
  const first = await startDaemon(home);
  const cursors = await create(await wireTo(home.paths.socket), 10);
  await first.kill('SIGKILL');
  writeFileSync(home.paths.config, '[retention]\nmaxEvents = 3\n');
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const daemon = await startDaemon(home);
    const wire = await wireTo(home.paths.socket);
    const isCut = async () => {
      while ((await wire.call('daemon/status')).result.events > 3)
        await new Promise((resolve) => setImmediate(resolve));
    };
    await within('the journal to be cut', isCut());
    await expectEdges(wire, cursors);
    const said = await Promise.all([5, 6, 9].map((at) => expected(wire, cursors[at]!)));
    expect(said).toEqual(['CursorExpired', 'VersionConflict', 'answered']);
    await daemon.kill(signal);
  }
});

test('[P3] the cursor of everything that was told resumes for as long as it is kept: of batches, bookmarks and fences', async () => {
  const { daemon } = daemonInProcess(testHome(), { retention: { ...defaultRetention, maxEvents: 8 } });
  const wire = wireInMemory(daemon);
  const reader = wireInMemory(daemon);
  const filter = { types: ['session/created'] };
  const { subscription } = (await reader.call('events/subscribe', { filter, bookmarkMs: 1, maxBatch: 1 })).result;
  await create(wire, 3);
  for (let at = 0; at < 4; at += 1) await wire.call('session/update', { sessionId: 'ses_0', title: `${at}` });
  const fence = (await reader.call('events/sync', { subscription })).result.cursor;
  const bookmarks = () => reader.notifications('events/bookmark').map(({ params }) => params.cursor as string);
  await reader.until('a bookmark behind what never matched', () => bookmarks().includes(fence));
  const told = reader.notifications().flatMap(({ params }) => (params.cursor ? [params.cursor as string] : []));
  for (const cursor of [...new Set([...told, fence])]) {
    expect(await doors.never!(wire, cursor), cursor).toBe('resumed');
  }
  await wire.call('session/delete', { sessionId: 'ses_1' });
  await wire.call('session/delete', { sessionId: 'ses_2' });
  // Nine events now: the place before the first two is gone, that behind the first is the oldest.
  const zero = withSeq(fence, 0);
  expect(await doors.never!(wire, zero)).toBe('CursorExpired');
  expect(await doors.never!(wire, told.find((each) => seqOf(each) === 1)!)).toBe('resumed');
});
