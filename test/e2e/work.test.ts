// P24: work grows with new bytes, not with the archive. Judged by what the daemon process reads, never by time.
import { appendFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ChangingFile } from '../support/changing-file.ts';
import { connectTo, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { takenIn } from '../support/everything.ts';
import type { Format } from '../support/formats.ts';
import { formats, sessionIdOf } from '../support/formats.ts';
import type { Home } from '../support/home.ts';
import { readWork } from '../support/read-bytes.ts';

const growing = formats.filter(({ grows }) => grows);

/** Transcripts of all formats that grow, in turn, of at least this size each; their sizes summed up. */
function lay(home: Home, count: number, bytes: number, of: Format[] = growing) {
  const files = Array.from({ length: count }, (_, n) => {
    const file = new ChangingFile(home, of[n % of.length]!, sessionIdOf(n), undefined, 10);
    file.rename(n % 3);
    file.append(1, 1);
    while (file.states.at(-1)!.length < bytes) file.append(20, 1);
    return file;
  });
  return { files, total: files.reduce((sum, file) => sum + file.states.at(-1)!.length, 0) };
}

/** Starts a daemon, waits until it has looked at everything, and tells what it has read by then. */
async function start(home: Home) {
  const daemon = await startDaemon(home);
  const client = await connectTo(home);
  await takenIn(client);
  // The index is behind the record, and goes on with what is left at the next start.
  const isIndexed = async () => (await client.call('session/search', { query: 'nothing' })).cursor === (await head());
  const head = async () => (await client.call('daemon/status', {})).head;
  const indexed = async () => {
    while (!(await isIndexed()));
  };
  await within('the index to have it all', indexed(), head, 60_000);
  return { daemon, client, work: readWork(daemon.pid) };
}

async function stop({ daemon, client }: Awaited<ReturnType<typeof start>>): Promise<void> {
  client.close();
  expect(await daemon.kill()).toBe(0);
}

test('[P24] a second start reads no old content, of 300 files of three formats', async () => {
  const empty = testHome();
  const bare = await start(empty);
  await stop(bare);

  const home = testHome();
  const { total } = lay(home, 300, 10_000);
  expect(total).toBeGreaterThan(3_000_000);
  const first = await start(home);
  expect(first.work.bytes - bare.work.bytes).toBeGreaterThan(total);
  const { head } = await first.client.call('daemon/status', {});
  await stop(first);

  const second = await start(home);
  expect((await second.client.call('daemon/status', {})).head).toBe(head);
  const { items } = await second.client.call('source/list', {});
  expect(items.reduce((sum, { filesDone }) => sum + filesDone, 0)).toBe(300);
  // What it reads beside its own code are the marks of the files, out of the store, and some pages to judge its age by.
  expect(second.work.bytes - bare.work.bytes).toBeLessThan(total / 10);
});

test('[P24] a line that is appended costs the same in 10 files as in 300, and a look at all of them reads nothing', async () => {
  const few = await costs(10);
  const many = await costs(300);
  // 290 files more, of 1.5 MB. What it may be more are a few pages: the store is a level deeper, and no longer all in the cache
  // (3 to 6 of 4 KiB, measured).
  expect(many.line).toBeLessThan(few.line + 10 * 4_096);
  expect(many.look).toBeLessThan(few.look + 20_000);
}, 60_000);

/** The bytes that are read for one line that is appended, and for a look at all files: the median of nine. */
async function costs(count: number): Promise<{ line: number; look: number }> {
  const home = testHome();
  const { files } = lay(home, count, 5_000);
  const running = await start(home);
  const { collector } = await subscribe(running.client, { filter: { types: ['message/updated'] } });
  const bytes = () => readWork(running.daemon.pid).bytes;
  const lines: number[] = [];
  const looks: number[] = [];
  for (const [index, file] of files.slice(0, 9).entries()) {
    const before = bytes();
    const seen = collector.events.length;
    appendFileSync(file.path, `${unitOf(file, 10_000 + index)}\n`);
    await collector.until('the new line', ({ events }) => events.length > seen);
    const taken = bytes();
    await takenIn(running.client);
    lines.push(taken - before);
    looks.push(bytes() - taken);
  }
  await stop(running);
  // The median: now and then SQLite reads its log once more, to copy it into the store.
  return { line: median(lines), look: median(looks) };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** A unit that holds a message. */
function unitOf({ format, sessionId }: ChangingFile, from: number): string {
  for (let n = from; ; n += 1) {
    const unit = format.unit(sessionId, n).join('\n');
    if (unit.includes(`ask ${n}`)) return unit;
  }
}
