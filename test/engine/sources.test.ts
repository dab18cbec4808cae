// source/add and source/remove: what is read, over restarts too.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { daemonInProcess, subscribe, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { allItems, takenIn } from '../support/everything.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';

const sourceKinds = { 'claude-code': claudeCodeSource };

async function started(home: Home) {
  const { daemon, connect } = daemonInProcess(home, { sources: [claudeCodeSource(home.claude)], sourceKinds });
  await daemon.start();
  return { client: connect(), stop: () => daemon.stop() };
}

const titles = async (client: Client) =>
  (await allItems<Session>(client, 'session/list', {})).map(({ title }) => title).toSorted();
const names = async (client: Client) => (await client.call('source/list', {})).items.map(({ name }) => name);

describe('source/add', () => {
  test('reads one more folder, follows it live, and does so after a restart', async () => {
    const home = testHome();
    const copied = join(home.folder, 'copied');
    append(transcriptPath(home.claude, 'a'), line('a', 'user', 'mine'));
    append(transcriptPath(copied, 'b'), line('b', 'user', 'theirs'));
    const { client, stop } = await started(home);
    const { collector } = await subscribe(client, { from: 'start', filter: { types: ['session/created'] } });
    const { source } = await client.call('source/add', { kind: 'claude-code', path: `${copied}/` });
    expect(source).toMatchObject({ name: 'claude-code-2', path: copied, state: 'reading' });
    await collector.until('both sessions', ({ events }) => events.length === 2);
    expect(await titles(client)).toEqual(['mine', 'theirs']);
    await stop();

    append(transcriptPath(copied, 'c'), line('c', 'user', 'later'));
    const again = await started(home);
    await takenIn(again.client);
    expect(await names(again.client)).toEqual(['claude-code', 'claude-code-2']);
    expect(await titles(again.client)).toEqual(['later', 'mine', 'theirs']);
  });

  test('of two folders at once makes two sources, both there after a restart', async () => {
    const home = testHome();
    const { client, stop } = await started(home);
    const add = (name: string) => client.call('source/add', { kind: 'claude-code', path: join(home.folder, name) });
    const added = await Promise.all([add('x1'), add('x2'), add('x1')]);
    expect(added.map(({ source }) => source.name)).toEqual(['claude-code-2', 'claude-code-3', 'claude-code-2']);
    await stop();
    const again = await started(home);
    expect(await names(again.client)).toEqual(['claude-code', 'claude-code-2', 'claude-code-3']);
  });

  test('of what is no folder of transcripts is refused', async () => {
    const { client } = await started(testHome());
    for (const path of ['/', '/..', '/dev/null', '/a\0b'])
      await expect(client.call('source/add', { kind: 'claude-code', path }), path).rejects.toThrow('folder');
    expect(await names(client)).toEqual(['claude-code']);
  });

  test('the same again changes nothing; a folder inside one that is read is refused by name', async () => {
    const home = testHome();
    const { client } = await started(home);
    const add = (path: string) => client.call('source/add', { kind: 'claude-code', path });
    expect((await add(home.claude)).source.name).toBe('claude-code');
    await expect(add(join(home.claude, '-work'))).rejects.toThrow(home.claude);
    await expect(add('projects')).rejects.toThrow('absolute');
    await expect(client.call('source/add', { kind: 'emacs', path: '/x' })).rejects.toThrow('claude-code');
    await expect(client.call('source/add', { kind: 'toString', path: '/x' })).rejects.toThrow('claude-code');
    expect(await names(client)).toEqual(['claude-code']);
  });
});

describe('source/remove', () => {
  test('stops reading, for good; what was taken in stays, and adding it again goes on', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, 'a');
    append(path, line('a', 'user', 'one'));
    const { client, stop } = await started(home);
    await takenIn(client);
    await client.call('source/remove', { name: 'claude-code' });
    expect(await names(client)).toEqual([]);
    append(transcriptPath(home.claude, 'b'), line('b', 'user', 'two'));
    expect(await client.call('source/rescan', {})).toEqual({ files: 0 });
    await stop();

    const again = await started(home);
    await takenIn(again.client);
    expect(await names(again.client)).toEqual([]);
    expect(await titles(again.client)).toEqual(['one']);
    const { source } = await again.client.call('source/add', { kind: 'claude-code', path: home.claude });
    expect(source.name).toBe('claude-code');
    await takenIn(again.client);
    expect(await titles(again.client)).toEqual(['one', 'two']);
  });

  test('of a name that is none is NotFound', async () => {
    const { client } = await started(testHome());
    await expect(client.call('source/remove', { name: 'nobody' })).rejects.toMatchObject({ kind: 'NotFound' });
    await expect(client.call('source/rescan', { name: 'nobody' })).rejects.toMatchObject({ kind: 'NotFound' });
  });
});

describe('source/rescan', () => {
  test('is answered also when it is asked for while a file is just looked at', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, 'a');
    append(path, line('a', 'user', 'one'));
    const plain = claudeCodeSource(home.claude);
    let hasRead = false;
    let onLookAgain = () => {};
    const source: Source = {
      ...plain,
      read: (...args) => {
        hasRead = true;
        return plain.read(...args);
      },
      identify: (asked) => {
        if (hasRead) onLookAgain();
        return plain.identify(asked);
      },
    };
    const { daemon, connect } = daemonInProcess(home, { sources: [source] });
    const client = connect();
    // What was taken in is looked at once more, a little later: that is when the daemon is asked.
    const answered = new Promise<object>((resolve, reject) => {
      onLookAgain = () => {
        onLookAgain = () => {};
        client.call('source/rescan', {}).then(resolve, reject);
      };
    });
    await daemon.start();
    expect(await within('the answer', answered)).toEqual({ files: 1 });
  });
});

describe('the status', () => {
  test('[P24] tells how far the first read is, in files and bytes, until it is done', async () => {
    const home = testHome();
    mkdirSync(home.claude, { recursive: true });
    for (let n = 0; n < 50; n += 1)
      append(transcriptPath(home.claude, `s${n}`), line(`s${n}`, 'user', 'x'.repeat(2_000)));
    const { client } = await started(home);
    const seen: { files: number; filesDone: number; bytesBehind: number; state: string }[] = [];
    for (let last = 'reading'; last === 'reading'; last = seen.at(-1)!.state) {
      // In memory a call takes no turn of the event loop: the daemon needs one.
      await new Promise((resolve) => setImmediate(resolve));
      seen.push((await client.call('source/list', {})).items[0]!);
    }
    const reading = seen.filter(({ state, files }) => state === 'reading' && files > 0);
    expect(reading.some(({ filesDone, files }) => filesDone > 0 && filesDone < files)).toBe(true);
    expect(reading.map(({ filesDone }) => filesDone)).toEqual(
      reading.map(({ filesDone }) => filesDone).toSorted((a, b) => a - b),
    );
    // It grows while the files are found, and shrinks while they are read.
    const behind = reading.map(({ bytesBehind }) => bytesBehind);
    const most = behind.indexOf(Math.max(...behind));
    expect(behind.slice(most)).toEqual(behind.slice(most).toSorted((a, b) => b - a));
    expect(behind.at(-1)).toBeLessThan(behind[most]!);
    expect(seen.at(-1)).toMatchObject({ state: 'watching', files: 50, filesDone: 50, bytesBehind: 0, sessions: 50 });
  });
});
