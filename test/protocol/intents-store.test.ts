// The contract of the stores that intents are kept in, run by each of them; and what a file does when it is torn, damaged, full
// or held. That of a browser runs in Chromium: intents-browser.test.ts.
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

  it('that is damaged in its midst is refused, by its line', async () => {
    const path = newFile();
    const store = fileIntents(path);
    await store.open(newId);
    for (const n of [1, 2, 3]) await store.add(intent(n));
    await store.close();
    const lines = readFileSync(path, 'utf8').split('\n');
    lines[2] = '{"n":2,';
    writeFileSync(path, lines.join('\n'));
    await expect(fileIntents(path).open(newId)).rejects.toThrow(`${path}, line 3, is damaged`);
    // It is not held by the one that refused it.
    await expect(fileIntents(path).open(newId)).rejects.toThrow('damaged');
  });

  it('that is none of ours is refused', async () => {
    const path = join(testHome().folder, 'other.json');
    appendFileSync(path, '{"name":"something else"}\n');
    await expect(fileIntents(path).open(newId)).rejects.toThrow('no outbox');
    expect(readFileSync(path, 'utf8')).toBe('{"name":"something else"}\n');
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
});
