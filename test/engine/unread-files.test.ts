// Files that cannot be read yet, or not to their end, with a whole daemon: they are told in the status, and cost nothing
// until they change or what they wait for comes.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { opencodeSource } from '../../daemon/adapters/sources/opencode.ts';
import type { Client } from '../../protocol/client.ts';
import { afterTest, testHome } from '../support/daemon.ts';
import { takenIn } from '../support/everything.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { texts, watching } from '../support/watching.ts';

const id = '11111111-2222-4333-8444-555555555555';
const statusOf = async (client: Client) => (await client.call('source/list', {})).items[0]!;

function write(path: string, text: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The source, and the files of which it was given documents. */
function counted(source: Source) {
  const read: string[] = [];
  const readDocument: Source['readDocument'] = (transcript, ...rest) => {
    read.push(transcript.path);
    return source.readDocument!(transcript, ...rest);
  };
  return { source: { ...source, readDocument }, read };
}

/** Bytes that this process reads from files through handles. */
async function countBytes(path: string) {
  const handle = await open(path);
  const shared = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const read = shared.read as (...args: unknown[]) => Promise<{ bytesRead: number }>;
  const counter = { bytes: 0 };
  shared.read = async function (this: FileHandle, ...args: unknown[]) {
    const result = await read.apply(this, args);
    counter.bytes += result.bytesRead;
    return result;
  } as never;
  afterTest(() => {
    shared.read = read as never;
  });
  return counter;
}

describe('a document', () => {
  test('[P26] that is half written is told as bytes behind, and read again when it changed only', async () => {
    const home = testHome();
    const folder = join(home.folder, '.gemini');
    const path = join(folder, 'tmp/p/chats', `session-2026-03-04T10-00-${id.slice(0, 8)}.json`);
    const message = { id: 'm', timestamp: '2026-03-04T10:00:00Z', type: 'gemini', content: 'whole' };
    const document = JSON.stringify({ sessionId: id, startTime: '2026-03-04T10:00:00Z', messages: [message] });
    write(path, document.slice(0, 50));
    const { source, read } = counted(geminiSource(folder));
    const { client } = await watching(home, source);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', bytesBehind: 50, lastError: null });
    await takenIn(client);
    await takenIn(client);
    expect(read).toHaveLength(1);
    write(path, document);
    await takenIn(client);
    expect(read).toHaveLength(2);
    expect(await texts(client)).toEqual(['whole']);
    expect(await statusOf(client)).toMatchObject({ bytesBehind: 0 });
  });

  test('[P24] whose session is not there is told as bytes behind, and read again when that comes, in any order', async () => {
    const home = testHome();
    const folder = join(home.folder, 'opencode');
    const files: [string, object][] = [
      ['part/msg_1/prt_1.json', { id: 'prt_1', sessionID: 'ses_1', messageID: 'msg_1', type: 'text', text: 'said' }],
      ['message/ses_1/msg_1.json', { id: 'msg_1', sessionID: 'ses_1', role: 'user', time: { created: 1 } }],
      ['message/ses_2/msg_2.json', { id: 'msg_2', sessionID: 'ses_2', role: 'user', time: { created: 1 } }],
    ];
    const put = ([name, content]: [string, object]) => write(join(folder, 'storage', name), JSON.stringify(content));
    files.forEach(put);
    const { source, read } = counted(opencodeSource(folder));
    const { client } = await watching(home, source);
    const size = (file: [string, object]) => JSON.stringify(file[1]).length;
    expect((await statusOf(client)).bytesBehind).toBe(files.map(size).reduce((a, b) => a + b));
    await takenIn(client);
    expect(read).toHaveLength(3);
    put(['session/p/ses_1.json', { id: 'ses_1', title: 'one', directory: '/d', time: { created: 1, updated: 1 } }]);
    await takenIn(client);
    expect(await texts(client)).toEqual(['said']);
    expect(read).toHaveLength(6);
    expect((await statusOf(client)).bytesBehind).toBe(size(files[2]!));
  });
});

describe('a line without an end', () => {
  test('[P26] is told as bytes behind, over a restart too, until its end comes', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const torn = line(id, 'assistant', 'two');
    append(path, line(id, 'user', 'one') + torn.slice(0, 60));
    const first = await watching(home);
    expect(await statusOf(first.client)).toMatchObject({ state: 'watching', bytesBehind: 60, filesDone: 1 });
    await first.stop();
    const { client } = await watching(home);
    expect((await statusOf(client)).bytesBehind).toBe(60);
    append(path, torn.slice(60));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two']);
    expect((await statusOf(client)).bytesBehind).toBe(0);
  });

  test('of nothing but records without a message is not behind: it was read', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), `${JSON.stringify({ type: 'mode', mode: 1 })}\n`);
    const { client } = await watching(home);
    expect((await statusOf(client)).bytesBehind).toBe(0);
  });

  test('[P24] that comes in many pieces costs what is new of it, not its length each time', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const long = line(id, 'assistant', 'x'.repeat(24 * 1024 * 1024));
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const counter = await countBytes(path);
    const pieces = 24;
    for (let n = 0; n < pieces; n += 1) {
      appendFileSync(path, long.slice((n * long.length) / pieces, ((n + 1) * long.length) / pieces));
      await takenIn(client);
    }
    expect((await texts(client)).map((text) => text.length)).toEqual([3, 24 * 1024 * 1024]);
    // Looked through for its end, then read: and what a look costs in any case. Each time anew it would be twelve times.
    expect(counter.bytes / long.length).toBeLessThan(3);
  }, 60_000);

  test('that was looked through and then rewritten in place is looked through anew', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const one = line(id, 'user', 'one');
    append(path, one + 'x'.repeat(3_000_000));
    const { client } = await watching(home);
    write(path, one + line(id, 'user', 'two') + 'y'.repeat(3_000_000));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two']);
  });
});

describe('a compressed transcript', () => {
  const threadId = 'aaaaaaaa-2222-4333-8444-555555555555';
  const record = (n: number) =>
    `${JSON.stringify({
      timestamp: '2026-01-01T00:00:00Z',
      type: 'response_item',
      payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text: `${n} ${Math.sin(n)}` }] },
    })}\n`;

  async function torn(home: Home) {
    const folder = join(home.folder, '.codex');
    const path = join(folder, 'archived_sessions', `rollout-2026-01-01T00-00-00-${threadId}.jsonl.zst`);
    const meta = { timestamp: '2026-01-01T00:00:00Z', type: 'session_meta', payload: { id: threadId, cwd: '/d' } };
    const text = `${JSON.stringify(meta)}\n${Array.from({ length: 5_000 }, (_, n) => record(n)).join('')}`;
    const whole = execFileSync('zstd', ['-q', '-c'], { input: text, maxBuffer: 1e9 });
    const half = whole.subarray(0, Math.floor(whole.length / 2));
    write(path, half);
    const { client } = await watching(home, codexSource(folder));
    return { path, whole, half, client };
  }

  test('[P24] that is half written is told as bytes behind, and is decompressed again when it changed only', async () => {
    const home = testHome();
    const { path, whole, half, client } = await torn(home);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', bytesBehind: half.length, lastError: null });
    const counter = await countBytes(path);
    await takenIn(client);
    await takenIn(client);
    expect(counter.bytes).toBe(0);
    write(path, whole);
    await takenIn(client);
    expect(counter.bytes).toBe(whole.length);
    expect(await statusOf(client)).toMatchObject({ bytesBehind: 0 });
    const [session] = (await client.call('session/list', {})).items;
    expect(session!.messageCount).toBe(5_000);
  });
});
