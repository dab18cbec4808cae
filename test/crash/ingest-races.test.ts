// What happens to a file, or is asked of the daemon, at the one moment where it could be missed.
import { appendFileSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import type { Client } from '../../protocol/client.ts';
import { afterTest, daemonInProcess, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { readEverything, takenIn } from '../support/everything.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';

const id = '11111111-2222-4333-8444-555555555555';

async function texts(client: Client): Promise<string[]> {
  const held = [...(await readEverything(client)).values()];
  const parts = held.flatMap(({ items }) => items.flatMap((item) => item.parts));
  return parts.map((part) => (part.type === 'text' ? part.text : `(${part.type})`));
}

/** Calls `then` once, when the next read of any file in this process has its bytes. */
async function afterNextRead(path: string, then: () => void): Promise<void> {
  const handle = await open(path);
  const shared = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const read = shared.read as (...args: unknown[]) => Promise<unknown>;
  let armed = true;
  shared.read = async function (this: FileHandle, ...args: unknown[]) {
    const result = await read.apply(this, args);
    if (armed) then();
    armed = false;
    return result;
  } as never;
  afterTest(() => {
    shared.read = read as never;
  });
}

test('a file that is rewritten between the look at what was there and the read of what is new is read anew', async () => {
  const home = testHome();
  const path = transcriptPath(home.claude, id);
  const [one, two, three] = ['one', 'two', 'three'].map((text) => line(id, 'user', text)) as [string, string, string];
  append(path, one + two);
  const { daemon, connect } = daemonInProcess(home, { sources: [claudeCodeSource(home.claude)] });
  await daemon.start();
  const client = connect();
  await takenIn(client);
  const long = line(id, 'user', 'long'.padEnd(300, '.'));
  await afterNextRead(path, () => writeFileSync(path, two + long + three));
  appendFileSync(path, three);
  await takenIn(client);
  await takenIn(client);
  expect((await texts(client)).map((text) => text.slice(0, 5)).toSorted()).toEqual(['long.', 'one', 'three', 'two']);
});

/** `again` resolves when the daemon begins to look again at what it has read: the first look after a read is that. */
function whenLookedAtAgain(source: Source) {
  let hasRead = false;
  let resolve: () => void;
  const again = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  const read: Source['read'] = (...args) => {
    hasRead = true;
    return source.read(...args);
  };
  const identify: Source['identify'] = (path) => {
    if (hasRead) resolve();
    return source.identify(path);
  };
  return { again, source: { ...source, read, identify } };
}

async function startAndAwaitLook(home: Home) {
  append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
  const { again, source } = whenLookedAtAgain(claudeCodeSource(home.claude));
  const { daemon, connect } = daemonInProcess(home, { sources: [source] });
  await daemon.start();
  await within('the second look', again);
  return { daemon, client: connect() };
}

test('a rescan that is asked for while a file is looked at again is answered at once, not with the next sweep', async () => {
  const { client } = await startAndAwaitLook(testHome());
  await within('the rescan', takenIn(client), () => '', 5_000);
});

test('a daemon that is asked to stop while a file is looked at again stops at once', async () => {
  const { daemon } = await startAndAwaitLook(testHome());
  await within('the stop', daemon.stop(), () => '', 5_000);
});
