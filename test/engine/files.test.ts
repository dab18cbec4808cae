// Every way in which an agent's file can change under the daemon, with a whole daemon and real files.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Place, Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { TranscriptReader } from '../../daemon/engine/transcript.ts';
import { ZstdTranscriptReader } from '../../daemon/engine/zstd-transcript.ts';
import type { Position } from '../../daemon/store/positions.ts';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { subscribe, testHome } from '../support/daemon.ts';
import { allItems, takenIn } from '../support/everything.ts';
import { bytesInUse, collectGarbage } from '../support/memory.ts';
import { asNobody } from '../support/nobody.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { head, texts, watching } from '../support/watching.ts';

const id = '11111111-2222-4333-8444-555555555555';
const other = '99999999-2222-4333-8444-555555555555';

const statusOf = async (client: Client) => (await client.call('source/list', {})).items[0]!;
const sessionsOf = (client: Client) => allItems<Session>(client, 'session/list', {});

describe('a file', () => {
  test('[P26] that grows by bytes, torn anywhere, gives each line once, when it is whole', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const { client } = await watching(home);
    const bytes = Buffer.from(line(id, 'user', 'one 😀') + line(id, 'assistant', 'two'));
    mkdirSync(dirname(path), { recursive: true });
    const seen: number[] = [];
    for (let from = 0; from < bytes.length; from += 29) {
      appendFileSync(path, bytes.subarray(from, from + 29));
      await takenIn(client);
      seen.push((await texts(client)).length);
    }
    expect(seen).toEqual(seen.toSorted());
    expect(await texts(client)).toEqual(['one 😀', 'two']);
  });

  test('that is truncated and written anew, to any length, is read anew; what is gone from it stays', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const lines = ['one', 'two', 'three'].map((text) => line(id, 'user', text));
    append(path, lines.join(''));
    const { client } = await watching(home);
    truncateSync(path, 0);
    await takenIn(client);
    appendFileSync(path, lines[2]! + line(id, 'user', 'four') + line(id, 'user', 'five') + line(id, 'user', 'six'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
  });

  test('that is edited in place, the length unchanged, far from its end, is read anew', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'hello') + line(id, 'user', 'x'.repeat(200_000)));
    const { client } = await watching(home);
    writeFileSync(path, readFileSync(path, 'utf8').replace('hello', 'jello'));
    await takenIn(client);
    expect((await texts(client))[0]).toBe('jello');
  });

  test('whose last 64 KiB lose a message in place, as Claude Code removes one, is read anew', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const gone = line(id, 'user', 'gone');
    const tail = line(id, 'user', 'tail'.padEnd(300, '.'));
    append(path, line(id, 'user', 'first') + gone + tail);
    const { client } = await watching(home);
    const before = await head(client);
    // Cut out, and grown by more than was cut before anybody looked.
    writeFileSync(path, readFileSync(path, 'utf8').replace(gone, '') + line(id, 'user', 'new '.padEnd(600, '.')));
    await takenIn(client);
    expect((await texts(client)).map((text) => text.slice(0, 4))).toEqual(['firs', 'gone', 'tail', 'new ']);
    const { events } = await client.call('events/read', { after: before, filter: { types: ['part/*', 'message/*'] } });
    expect(events).toHaveLength(2);
  });

  test('that is renamed, or moved to another folder, goes on as the same session', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const before = await head(client);
    const moved = join(home.claude, '-elsewhere', `${id}.jsonl`);
    mkdirSync(dirname(moved), { recursive: true });
    renameSync(path, moved);
    await takenIn(client);
    expect(await head(client)).toBe(before);
    appendFileSync(moved, line(id, 'assistant', 'two'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two']);
    expect(await sessionsOf(client)).toHaveLength(1);
  });

  test('[P25] that is deleted and comes back, longer, goes on where it was', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const text = readFileSync(path, 'utf8');
    rmSync(dirname(path), { recursive: true });
    await takenIn(client);
    expect(await texts(client)).toEqual(['one']);
    append(path, text + line(id, 'assistant', 'two'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two']);
  });

  test('[P33] that is a fork, or a resumed copy, with the same record ids is a session of its own', async () => {
    const home = testHome();
    const shared = line(id, 'user', 'one', 'uuid-1') + line(id, 'assistant', 'two', 'uuid-2');
    append(transcriptPath(home.claude, id), shared);
    append(transcriptPath(home.claude, other), shared.replaceAll(id, other) + line(other, 'user', 'three'));
    const { client } = await watching(home);
    const counts = (await sessionsOf(client)).map(({ origin, messageCount }) => [origin?.externalId, messageCount]);
    expect(new Map(counts as [string, number][])).toEqual(
      new Map([
        [id, 2],
        [other, 3],
      ]),
    );
  });

  test('of a subagent is under its parent, whichever of the two is read first', async () => {
    const home = testHome();
    const child = join(dirname(transcriptPath(home.claude, id)), id, 'subagents', 'agent-7.jsonl');
    append(child, line(id, 'user', 'help').replace('{', '{"isSidechain":true,"agentId":"7",'));
    utimesSync(child, new Date(), new Date(Date.now() + 60_000));
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    const { client } = await watching(home);
    const sessions = await sessionsOf(client);
    const parent = sessions.find(({ title }) => title === 'one')!;
    expect(sessions.find(({ title }) => title === 'help')?.parentId).toBe(parent.id);
  });

  test("whose times go back, its own and its lines', is in the order of its lines", async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const [late, early] = [line(id, 'user', 'late'), line(id, 'user', 'early')];
    append(path, early.replace(/"timestamp":"[^"]*"/, '"timestamp":"2026-05-05T05:05:05Z"'));
    const { client } = await watching(home);
    appendFileSync(path, late.replace(/"timestamp":"[^"]*"/, '"timestamp":"2025-05-05T05:05:05Z"'));
    utimesSync(path, new Date('2020-01-01'), new Date('2020-01-01'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['early', 'late']);
    const { events } = await client.call('events/read', { after: (await client.call('daemon/status', {})).earliest });
    const at = events.map((event) => event.at);
    expect(at).toEqual(at.toSorted((a, b) => a - b));
  });

  test('with a line of 50 MB is taken in whole, and others get their turn', async () => {
    const home = testHome();
    const big = 'x'.repeat(50 * 1024 * 1024);
    append(
      transcriptPath(home.claude, id),
      line(id, 'user', 'one') + line(id, 'assistant', big) + line(id, 'user', 'three'),
    );
    const { client } = await watching(home);
    const [session] = await sessionsOf(client);
    const items = await allItems<{ parts: { text?: string }[] }>(client, 'message/list', { sessionId: session!.id });
    expect(items.map(({ parts }) => parts[0]!.text?.length)).toEqual([3, big.length, 5]);
  }, 60_000);

  test('with bytes that are no UTF-8 keeps the record, and the character is replaced', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const bytes = Buffer.from(line(id, 'user', 'a?b'));
    bytes[bytes.indexOf('?')] = 0xff;
    append(path, line(id, 'user', 'one'));
    appendFileSync(path, bytes);
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one', 'a\ufffdb']);
  });

  test('that is compressed is read like one that is not, and is the same session', async () => {
    const home = testHome();
    const plain = claudeCodeSource(home.claude);
    const source: Source = {
      ...plain,
      identify: (path): Place | undefined => {
        const place = plain.identify(path.replace(/\.zst$/, ''));
        return path.endsWith('.zst') && place?.reading === 'lines' ? { ...place, compressed: 'zstd' } : place;
      },
    };
    const path = transcriptPath(home.claude, id);
    const lines = Array.from({ length: 3_000 }, (_, n) => line(id, 'user', `${n} ${'wool '.repeat(50)}`)).join('');
    append(path, lines);
    const { client } = await watching(home, source);
    const before = await head(client);
    expect(await texts(client)).toHaveLength(3_000);
    writeFileSync(`${path}.zst`, compressed(lines + line(id, 'user', 'last')));
    rmSync(path);
    await takenIn(client);
    expect(await texts(client)).toHaveLength(3_001);
    const { events } = await client.call('events/read', { after: before, filter: { types: ['part/*', 'message/*'] } });
    expect(events).toHaveLength(2);
  });
});

describe('what is no transcript at all', () => {
  test('a pipe, a device, a folder of that name: none is waited for, none hides another', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    const { client } = await watching(home);
    const pipe = transcriptPath(home.claude, other);
    execFileSync('mkfifo', [pipe]);
    symlinkSync('/dev/zero', transcriptPath(home.claude, 'zero'));
    mkdirSync(transcriptPath(home.claude, 'folder'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one']);
    // A file that is a pipe by the time that it is opened.
    await expect(TranscriptReader.open(pipe)).rejects.toThrow('no file');
    await expect(TranscriptReader.open('/dev/zero')).rejects.toThrow('no file');
  });

  test('a document that became a pipe is told in the status, and hides no other', async () => {
    const home = testHome();
    const plain = claudeCodeSource(home.claude);
    const documents: Source = {
      ...plain,
      identify: (path) => {
        const place = plain.identify(path);
        return place && 'sessionKey' in place ? { reading: 'document', sessionKey: place.sessionKey } : undefined;
      },
      readDocument: (transcript, text, held) =>
        plain.read(transcript, [{ text: text.trimEnd(), offset: 0 }], undefined, held, true),
    };
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    append(transcriptPath(home.claude, other), line(other, 'user', 'two'));
    const { client } = await watching(home, documents);
    expect((await texts(client)).toSorted()).toEqual(['one', 'two']);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    rmSync(transcriptPath(home.claude, other));
    append(transcriptPath(home.claude, other), line(other, 'user', 'three'));
    await takenIn(client);
    expect((await texts(client)).toSorted()).toEqual(['one', 'three', 'two']);
  });

  test('twenty thousand tiny lines are taken in bites, each of a bounded number', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one') + '1\n'.repeat(20_000));
    const plain = claudeCodeSource(home.claude);
    const bites: number[] = [];
    const source: Source = {
      ...plain,
      read: (transcript, lines, state, held, mustTake) => {
        bites.push(lines.length);
        return plain.read(transcript, lines, state, held, mustTake);
      },
    };
    const { client } = await watching(home, source);
    expect(bites.reduce((sum, count) => sum + count, 0)).toBe(20_001);
    expect(Math.max(...bites)).toBeLessThanOrEqual(2_048);
    expect((await statusOf(client)).badRecords).toBe(20_000);
  });

  test('a gigabyte without a line end is held by no more than the longest line, and what comes behind it is read', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const begin = statSync(path).size;
    truncateSync(path, begin + 1e9); // holes: they cost no disk
    const reader = await TranscriptReader.open(path, { maxLineBytes: 1_000 });
    const start = { offset: begin, tail: await tailAt(path, begin) } as Position;
    const torn = await reader.readPiece(start, 256);
    expect(torn).toMatchObject({ lines: [], end: begin, atEnd: true });
    await reader.close();
    appendFileSync(path, `\n${line(id, 'user', 'two')}`);
    const again = await TranscriptReader.open(path, { maxLineBytes: 1_000 });
    const piece = await again.readPiece(start, 256);
    expect(piece!.lines.map(({ text }) => text)).toEqual(['\0'.repeat(1_000)]);
    expect(piece).toMatchObject({ end: begin + 1e9 + 1, atEnd: false });
    const last = await again.readPiece({ offset: piece!.end, tail: piece!.tail } as Position, 256);
    expect(last!.lines.map(({ text }) => JSON.parse(text).message.content)).toEqual(['two']);
    await again.close();
  });

  test('a gigabyte that zstd makes of little is held by no more than the longest line', async () => {
    const home = testHome();
    const path = join(home.folder, 'bomb.zst');
    writeFileSync(path, compressed(`${line(id, 'user', 'one')}${'0'.repeat(4e8)}\n${line(id, 'user', 'two')}`));
    const reader = await ZstdTranscriptReader.open(path, { maxLineBytes: 1_000 });
    collectGarbage();
    const before = bytesInUse();
    let most = 0;
    const found: string[] = [];
    for (let position = { offset: 0 } as Position; ; ) {
      const piece = await reader.readPiece(position, 4_096);
      found.push(...piece.lines.map(({ text }) => text));
      most = Math.max(most, bytesInUse());
      if (piece.atEnd) break;
      position = { offset: piece.end } as Position;
    }
    await reader.close();
    expect(found.map((text) => (text.startsWith('{') ? JSON.parse(text).message.content : text.length))).toEqual([
      'one',
      1_000,
      'two',
    ]);
    expect(most - before).toBeLessThan(3e8);
  });
});

describe('a title', () => {
  const titled = (title: string) => `${JSON.stringify({ type: 'ai-title', aiTitle: title, sessionId: id })}\n`;

  test('that the user gave is not overruled by the next one of the agent, also after a restart', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one') + titled('First'));
    const { client, stop } = await watching(home);
    const [session] = await sessionsOf(client);
    expect(session!.title).toBe('First');
    append(path, titled('Second'));
    await takenIn(client);
    expect((await sessionsOf(client))[0]!.title).toBe('Second');
    await client.call('session/update', { sessionId: session!.id, title: 'Mine' });
    append(path, titled('Third'));
    await takenIn(client);
    expect((await sessionsOf(client))[0]!.title).toBe('Mine');
    await stop();
    append(path, titled('Fourth'));
    const again = await watching(home);
    expect((await sessionsOf(again.client))[0]!.title).toBe('Mine');
  });
});

describe('a folder', () => {
  test('of links that lead round in a circle is read once', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    symlinkSync(home.claude, join(dirname(path), 'again'));
    symlinkSync('round', join(dirname(path), 'round'));
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one']);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', files: 1, sessions: 1, lastError: null });
  });

  test('of folders that all link to each other is read once, not once for each way round', async () => {
    const home = testHome();
    const folders = Array.from({ length: 12 }, (_, n) => join(home.claude, `-f${n}`));
    for (const folder of folders) append(join(folder, `${folder.slice(-1)}.jsonl`), '');
    append(join(folders[0]!, `${id}.jsonl`), line(id, 'user', 'one'));
    for (const from of folders)
      for (const to of folders) if (from !== to) symlinkSync(to, join(from, `to${to.slice(-3)}`));
    const { client } = await watching(home);
    expect(await sessionsOf(client)).toHaveLength(1);
    expect((await statusOf(client)).files).toBeLessThanOrEqual(2 * 13);
  });

  test('that is a link to elsewhere is read; what grows in it is found by the sweep', async () => {
    const home = testHome();
    const elsewhere = join(home.folder, 'elsewhere', `${id}.jsonl`);
    append(elsewhere, line(id, 'user', 'one'));
    mkdirSync(home.claude, { recursive: true });
    symlinkSync(dirname(elsewhere), join(home.claude, '-linked'));
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one']);
    appendFileSync(elsewhere, line(id, 'user', 'two'));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two']);
  });

  test('that appears later, deep, is followed live', async () => {
    const home = testHome();
    mkdirSync(home.claude, { recursive: true });
    const { client } = await watching(home);
    const { collector } = await subscribe(client);
    const child = join(home.claude, '-new', id, 'subagents', 'agent-9.jsonl');
    append(child, line(id, 'user', 'deep'));
    await collector.until('the session', ({ events }) => events.length >= 3);
    append(child, line(id, 'assistant', 'more'));
    await collector.until('the next line', ({ events }) => events.length >= 5);
    expect(await texts(client)).toEqual(['deep', 'more']);
    expect(await statusOf(client)).toMatchObject({ files: 1, sessions: 1 });
  });

  test('without permission is told in the status, hides no other, and is read when it is given', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    chmodSync(home.folder, 0o755);
    const { client } = await watching(home);
    const closed = join(home.claude, '-closed', `${other}.jsonl`);
    mkdirSync(dirname(closed));
    chmodSync(dirname(closed), 0o000);
    await asNobody(() => takenIn(client));
    expect(await texts(client)).toEqual(['one']);
    expect(await statusOf(client)).toMatchObject({ state: 'failing', lastError: expect.stringContaining('-closed') });
    chmodSync(dirname(closed), 0o755);
    append(closed, line(other, 'user', 'two'));
    await takenIn(client);
    expect((await texts(client)).toSorted()).toEqual(['one', 'two']);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', lastError: null });
  });

  test('a file that cannot be opened is told in the status, hides no other, and is read when it can be', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    const damaged = transcriptPath(home.claude, other);
    const { client } = await watching(home, stubborn(claudeCodeSource(home.claude), damaged));
    append(damaged, line(other, 'user', 'two'));
    await takenIn(client);
    expect(await statusOf(client)).toMatchObject({ state: 'failing', lastError: expect.stringContaining(other) });
    expect(await texts(client)).toEqual(['one']);
    rmSync(damaged);
    await takenIn(client);
    expect(await statusOf(client)).toMatchObject({ state: 'watching', lastError: null });
  });
});

/** A source that takes a file for a compressed one, which it is not: the engine fails to read it, whoever runs this. */
function stubborn(source: Source, path: string): Source {
  return {
    ...source,
    identify: (asked) => {
      const place = source.identify(asked);
      return asked === path && place?.reading === 'lines' ? { ...place, compressed: 'zstd' } : place;
    },
  };
}

/** What a position holds of the bytes before it. */
async function tailAt(path: string, end: number): Promise<Buffer> {
  const reader = await TranscriptReader.open(path);
  const piece = await reader.readPiece({ offset: 0 } as Position, end);
  await reader.close();
  expect(piece!.end).toBe(end);
  return piece!.tail;
}

/** By a program: Node 20 has no zstd. */
function compressed(text: string): Buffer {
  return execFileSync('zstd', ['-q', '-c'], { input: text, maxBuffer: 1e9 });
}
