// The contract of the stores that intents are kept in, run by each of them; and what a file does when it is torn, damaged, full
// or held. That of a browser runs in Chromium: intents-browser.test.ts.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Intent, IntentStore } from '../../protocol/intents-store.ts';
import { IntentsLockedError, memoryIntents } from '../../protocol/intents-store.ts';
import { fileIntents } from '../../protocol/node/file-intents.ts';
import { FileLock } from '../../protocol/node/file-lock.ts';
import { testHome } from '../support/daemon.ts';

const intent = (n: number, text = ''): Intent => ({
  n,
  at: 1_000 + n,
  op: { opId: `op${n}`, type: 'session/create', params: { title: `𝄞 ${text}` } },
});
const newId = () => 'me';
const newFile = () => join(testHome().folder, 'kept', 'intents.jsonl');

/** What is there when it is opened anew. */
const stores: [string, () => () => IntentStore][] = [
  [
    'memory',
    () => {
      const store = memoryIntents();
      return () => store;
    },
  ],
  [
    'file',
    () => {
      const path = newFile();
      return () => fileIntents(path);
    },
  ],
];

describe.each(stores)('%s', (_name, make) => {
  it('holds what was added, until it is removed, in order', async () => {
    const again = make();
    const store = again();
    expect(await store.open(newId)).toEqual({ clientId: 'me', cursor: undefined, intents: [], batch: undefined });
    await Promise.all([1, 2, 3].map((n) => store.add(intent(n))));
    await store.remove([2]);
    await store.close();
    const other = again();
    expect((await other.open(newId)).intents).toEqual([intent(1), intent(3)]);
    await other.close();
  });

  it('holds the batch until something is removed', async () => {
    const again = make();
    const store = again();
    await store.open(newId);
    await store.add(intent(1));
    await store.add(intent(2));
    const batch = { batchId: 'b', ns: [1, 2] };
    await store.bind(batch);
    await store.close();
    const second = again();
    expect((await second.open(newId)).batch).toEqual(batch);
    await second.remove([1]);
    await second.close();
    const third = again();
    expect(await third.open(newId)).toMatchObject({ batch: undefined, intents: [intent(2)] });
    await third.close();
  });

  it('takes calls that are not awaited in their order', async () => {
    const again = make();
    const store = again();
    await store.open(newId);
    void store.add(intent(1));
    void store.bind({ batchId: 'a', ns: [1] });
    void store.remove([1]);
    void store.add(intent(2));
    void store.bind({ batchId: 'b', ns: [2] });
    await store.keepCursor('s.1.a');
    await store.close();
    const other = again();
    const held = { clientId: 'me', cursor: 's.1.a', intents: [intent(2)], batch: { batchId: 'b', ns: [2] } };
    expect(await other.open(() => 'another')).toEqual(held);
    await other.close();
  });
});

describe('a file', () => {
  it('is yours only', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    await store.add(intent(1));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    await store.close();
  });

  it('is there as it was, wherever the last line was torn', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    await store.add(intent(1));
    await store.add(intent(2));
    await store.close();
    const whole = readFileSync(path);
    const lastLine = whole.subarray(0, -1).lastIndexOf(10) + 1;
    for (let at = lastLine; at < whole.length; at += 1) {
      writeFileSync(path, whole.subarray(0, at));
      const torn = fileIntents(path);
      expect((await torn.open(newId)).intents).toEqual([intent(1)]);
      await torn.add(intent(3));
      await torn.close();
      const after = fileIntents(path);
      expect((await after.open(newId)).intents).toEqual([intent(1), intent(3)]);
      await after.close();
    }
  });

  it.each([
    ['in its midst, half a line', 3, '{"n":2,'],
    ['in its midst, an empty line', 3, ''],
    ['at its end, which was told as kept', 4, 'x"n":3,"at":1,"op":{}}'],
    ['by an empty object', 2, '{}'],
    ['by a list', 4, '[1]'],
    ['by an op that is none', 2, '{"n":1,"at":1,"op":null}'],
    ['by a place that is none', 2, '{"n":"1","at":1,"op":{"opId":"a","type":"session/create","params":{}}}'],
    ['by a batch that is none', 4, '{"batch":{"batchId":"b"}}'],
    ['by an end that is none', 4, '{"gone":3}'],
    ['by a second first line', 3, '{"v":1,"clientId":"another"}'],
  ])('[P12] that is damaged %s, is refused by its line and left as it was', async (_name, number, line) => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    for (const n of [1, 2, 3]) await store.add(intent(n));
    await store.close();
    const lines = readFileSync(path, 'utf8').split('\n');
    lines[number - 1] = line;
    writeFileSync(path, lines.join('\n'));
    await expect(fileIntents(path).open(newId)).rejects.toThrow(`${path}, line ${number}, is damaged`);
    // It is not held by the one that refused it.
    await expect(fileIntents(path).open(newId)).rejects.toThrow('damaged');
    expect(readFileSync(path, 'utf8')).toBe(lines.join('\n'));
  });

  it.each([
    ['another program’s', '{"name":"something else"}\n'],
    ['a diary', 'Monday: rain.\nTuesday: rain.\nWednesday: sun.\n'],
    ['a line without its end', 'Monday: rain.'],
    ['more than a first line without its end', '{"v":1,"clientId":"me","title":"mine"'],
    ['a line end', '\n'],
    ['an outbox whose first line is damaged', 'x"v":1,"clientId":"me"}\n{"cursor":"s.1.a"}\n'],
    ['an outbox of a later version', '{"v":2,"clientId":"me"}\n'],
    ['an outbox of nobody', '{"v":1}\n{"cursor":"s.1.a"}\n'],
  ])('[P12] that is %s is refused and left as it was', async (_name, text) => {
    const path = join(testHome().folder, 'other');
    writeFileSync(path, text);
    await expect(fileIntents(path).open(newId)).rejects.toThrow(
      /is no outbox that this version can read.*another path/,
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('that is empty, or has a piece of its first line, is begun', async () => {
    const path = join(testHome().folder, 'begun');
    const first = `${JSON.stringify({ v: 1, clientId: 'a"\\𝄞' })}\n`;
    for (let at = 0; at < Buffer.byteLength(first); at += 1) {
      writeFileSync(path, Buffer.from(first).subarray(0, at));
      const store = fileIntents(path);
      expect(await store.open(newId)).toMatchObject({ clientId: 'me', intents: [] });
      await store.close();
    }
  });

  it('[P12] that cannot be written anew goes on as it is, until it can', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    // No draft can be made where a folder is.
    mkdirSync(`${path}.new`);
    const text = 'x'.repeat(300_000);
    const addAndEnd = async (n: number) => {
      await store.add(intent(n, text));
      await store.remove([n]);
    };
    for (let n = 1; n <= 5; n += 1) await addAndEnd(n);
    expect(statSync(path).size).toBeGreaterThan(1_500_000);
    rmSync(`${path}.new`, { recursive: true });
    // It is tried again, but not at each write.
    await addAndEnd(6);
    expect(statSync(path).size).toBeGreaterThan(1_800_000);
    for (let n = 7; n <= 9; n += 1) await addAndEnd(n);
    await store.add(intent(10));
    expect(statSync(path).size).toBeLessThan(1_000_000);
    await store.close();
    const other = fileIntents(path);
    expect((await other.open(newId)).intents).toEqual([intent(10)]);
    await other.close();
  });

  it.each([
    ['file', (path: string) => path],
    ['folder', dirname],
  ])('[P12] whose %s is removed is made anew before an op is told as kept', async (_name, removed) => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    await store.add(intent(1));
    rmSync(removed(path), { recursive: true });
    await store.add(intent(2));
    // And so is its lock.
    await expect(fileIntents(path).open(newId)).rejects.toThrow(IntentsLockedError);
    await store.close();
    const other = fileIntents(path);
    expect(await other.open(newId)).toMatchObject({ clientId: 'me', intents: [intent(1), intent(2)] });
    await other.close();
  });

  it('[P12] whose folder is removed and cannot be made anew tells that an op is not kept, and keeps the next', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    rmSync(dirname(path), { recursive: true });
    writeFileSync(dirname(path), 'in the way');
    await expect(store.add(intent(1))).rejects.toThrow('EEXIST');
    rmSync(dirname(path));
    await store.add(intent(2));
    await store.close();
    const other = fileIntents(path);
    expect((await other.open(newId)).intents).toEqual([intent(2)]);
    await other.close();
  });

  it('[P12] that another has put in the place of a removed one is left alone', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    rmSync(dirname(path), { recursive: true });
    const other = fileIntents(path);
    await other.open(() => 'another');
    await other.add(intent(7));
    await expect(store.add(intent(1))).rejects.toThrow(IntentsLockedError);
    await other.close();
    await expect(store.add(intent(2))).rejects.toThrow('another file is in its place');
    await store.close();
    const third = fileIntents(path);
    expect(await third.open(newId)).toMatchObject({ clientId: 'another', intents: [intent(7)] });
    await third.close();
  });

  it('whose folder is removed can be closed', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    rmSync(dirname(path), { recursive: true });
    await store.close();
    expect(readdirSync(dirname(dirname(path)))).not.toContain('kept');
  });

  it('is written anew when most of it is done with, and stays about as large as what waits', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    const text = 'x'.repeat(50_000);
    for (let n = 1; n <= 100; n += 1) {
      await store.add(intent(n, text));
      if (n > 5) await store.remove([n - 5]);
    }
    expect(statSync(path).size).toBeLessThan(2_000_000);
    await store.close();
    const other = fileIntents(path);
    expect((await other.open(newId)).intents.map(({ n }) => n)).toEqual([96, 97, 98, 99, 100]);
    await other.close();
  });

  it('is held by one at a time, until that one closes it', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    const refused = await fileIntents(path)
      .open(newId)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(IntentsLockedError);
    expect((refused as Error).message).toContain(`held by the process ${process.pid}`);
    await store.close();
    const other = fileIntents(path);
    await other.open(newId);
    await other.close();
  });
});

describe('the lock', () => {
  it.each([
    ['[P23] nobody, of no bytes', ''],
    ['[P23] nobody, of half a word', 'rel'],
    ['[P23] the process group', '0'],
    ['[P23] every process', '-1'],
    ['[P23] a number that no process has', '99999999999'],
    ['a process that is gone', '4194305 1 boot'],
    ['one whose number is another’s now', `${process.pid} 1 boot`],
    ['one that let go of it', 'released'],
  ])('of %s is taken over, by one', (_name, holder) => {
    const path = join(testHome().folder, 'lock');
    writeFileSync(`${path}.7`, holder);
    const lock = FileLock.take(path);
    expect(lock).toBeInstanceOf(FileLock);
    expect(FileLock.take(path)).toBe(`the process ${process.pid}`);
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('lock'))).toEqual(['lock.8']);
    (lock as FileLock).release();
    expect(FileLock.take(path)).toBeInstanceOf(FileLock);
  });

  it('[P23] that is released names nobody, and a second release does not touch the next holder’s', () => {
    const path = join(testHome().folder, 'lock');
    const lock = FileLock.take(path) as FileLock;
    lock.release();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('');
    // The next holder, in a folder made anew, has the same number again.
    rmSync(`${path}.1`);
    expect(FileLock.take(path)).toBeInstanceOf(FileLock);
    lock.release();
    expect(FileLock.take(path)).toBe(`the process ${process.pid}`);
  });

  it('[P23] whose file was removed is lost, and its release does not end the one that is there now', () => {
    const path = join(testHome().folder, 'lock');
    const lock = FileLock.take(path) as FileLock;
    expect(lock.isLost()).toBe(false);
    rmSync(`${path}.1`);
    expect(lock.isLost()).toBe(true);
    expect(FileLock.take(path)).toBeInstanceOf(FileLock);
    lock.release();
    expect(FileLock.take(path)).toBe(`the process ${process.pid}`);
  });
});
