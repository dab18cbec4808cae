// What changes in a folder is told as it does, whatever lies in it, with a whole daemon and real files.
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import type { Client } from '../../protocol/client.ts';
import { daemonInProcess, subscribe, testHome } from '../support/daemon.ts';
import { takenIn } from '../support/everything.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { texts, watching } from '../support/watching.ts';

const id = '11111111-2222-4333-8444-555555555555';
const statusOf = async (client: Client) => (await client.call('source/list', {})).items[0]!;

/** The watches that this process has of the system. */
function watches(): number {
  const folder = '/proc/self/fdinfo';
  return readdirSync(folder)
    .map((fd) => {
      try {
        return readFileSync(join(folder, fd), 'utf8').match(/^inotify /gm)?.length ?? 0;
      } catch {
        return 0; // that of the listing itself
      }
    })
    .reduce((a, b) => a + b, 0);
}

describe('live', () => {
  test.skipIf(process.platform !== 'linux')(
    '[P24] a folder costs one watch, its files none until they change',
    async () => {
      const home = testHome();
      for (let n = 0; n < 200; n += 1) append(transcriptPath(home.claude, `s${n}`), line(`s${n}`, 'user', 'one'));
      const before = watches();
      const { client } = await watching(home);
      expect(watches() - before).toBe(2);
      const { collector } = await subscribe(client);
      append(transcriptPath(home.claude, 's199'), line('s199', 'assistant', 'two'));
      await collector.until('the new line', ({ events }) => events.length > 0);
      expect(watches() - before).toBeLessThanOrEqual(3);
    },
  );

  test('a transcript untouched for a year is followed as any other', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    utimesSync(path, new Date('2020-01-01'), new Date('2020-01-01'));
    const { client } = await watching(home);
    const { collector } = await subscribe(client);
    append(path, line(id, 'assistant', 'two'));
    await collector.until('the new line', ({ events }) => events.length > 0);
    expect(await texts(client)).toEqual(['one', 'two']);
  });

  test('a line written in pieces, quickly, is there when the last piece is', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    for (let n = 0; n < 50; n += 1) {
      const text = line(id, 'user', `line ${n}`);
      appendFileSync(path, text.slice(0, 40));
      await new Promise((resolve) => setImmediate(resolve));
      appendFileSync(path, text.slice(40));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await collector.until('the lines', ({ events }) => events.length === 50);
    expect((await texts(client)).at(-1)).toBe('line 49');
  });

  test('a folder that was moved, and one that was removed and made anew, are followed without a look at all', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    const count = (parts: number) => collector.until(`${parts} parts`, ({ events }) => events.length === parts);
    const moved = join(home.claude, '-moved', `${id}.jsonl`);
    renameSync(dirname(path), dirname(moved));
    appendFileSync(moved, line(id, 'user', 'two'));
    await count(1);
    appendFileSync(moved, line(id, 'user', 'three'));
    await count(2);
    rmSync(dirname(moved), { recursive: true });
    append(transcriptPath(home.claude, 'b'), line('b', 'user', 'four'));
    await count(3);
    rmSync(home.claude, { recursive: true });
    append(transcriptPath(home.claude, 'c'), line('c', 'user', 'five'));
    await takenIn(client);
    await count(4);
    append(transcriptPath(home.claude, 'c'), line('c', 'user', 'six'));
    await count(5);
  });
});

describe('a name that is no UTF-8', () => {
  test('of a file or a folder is told in the status, once in the log, and hides no other', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const unreadable = (folder: string, name: string) =>
      Buffer.concat([Buffer.from(join(folder, name)), Buffer.from([0xff]), Buffer.from('.jsonl')]);
    writeFileSync(unreadable(dirname(path), 'other'), line('other', 'user', 'two'));
    mkdirSync(unreadable(home.claude, 'folder'));
    const warnings: object[] = [];
    const log = { info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) };
    const { daemon, connect } = daemonInProcess(home, {
      sources: [claudeCodeSource(home.claude)],
      runtime: systemRuntime(log),
    });
    await daemon.start();
    const client = connect();
    await takenIn(client);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    append(path, line(id, 'assistant', 'three'));
    writeFileSync(unreadable(dirname(path), 'third'), line('third', 'user', 'four'));
    await collector.until('the new line', ({ events }) => events.length > 0);
    await takenIn(client);
    expect(await statusOf(client)).toMatchObject({
      state: 'failing',
      files: 1,
      lastError: expect.stringContaining('its name is no UTF-8'),
    });
    expect(await texts(client)).toEqual(['one', 'three']);
    expect(warnings).toHaveLength(3);
    rmSync(unreadable(dirname(path), 'other'));
    rmSync(unreadable(dirname(path), 'third'));
    rmSync(unreadable(home.claude, 'folder'), { recursive: true });
    await takenIn(client);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', lastError: null });
  });

  test('but one that has a replacement character for its own is read', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, 'odd\ufffd'), line('odd', 'user', 'one'));
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one']);
  });
});

describe('the status', () => {
  test('of a transcript that is written to again and again stays watching, and its files are counted once', async () => {
    const home = testHome();
    const { client } = await watching(home);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    const path = transcriptPath(home.claude, id);
    for (let n = 1; n <= 8; n += 1) {
      append(path, line(id, 'user', `line ${n}`));
      await collector.until(`line ${n}`, ({ events }) => events.length === n);
      expect(await statusOf(client)).toMatchObject({ files: 1, state: 'watching', lastError: null });
    }
  });

  test('a folder that was made anew under its name is followed again after the next look at all', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    rmSync(dirname(path), { recursive: true });
    mkdirSync(dirname(path));
    await takenIn(client);
    append(transcriptPath(home.claude, 'b'), line('b', 'user', 'two'));
    await collector.until('the new line', ({ events }) => events.length === 1);
  });
});
