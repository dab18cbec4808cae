// export and import: to a file, to a terminal, and back, of any size.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { lookBehind } from '../../cli/behind.ts';
import { configure } from '../../cli/commands/export.ts';
import { importDocuments } from '../../cli/import-document.ts';
import type { Client } from '../../protocol/client.ts';
import type { Message, Part } from '../../protocol/schema.ts';
import { startDaemon, subscribe } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { expectSafe } from '../support/hostile.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, run, seedSession, start } from './run-cli.ts';

type Document = { session: object; messages: { message: Message; parts: Part[] }[] };

/** Two homes, the first with a session. */
async function twoHomes(): Promise<[Home, Home]> {
  const homes: [Home, Home] = [cliHome(), cliHome()];
  for (const home of homes) await startDaemon(home);
  await seedSession(homes[0], 'ses_seed', 'the work');
  return homes;
}

async function messagesOf(client: Client, sessionId: string) {
  const items: { message: Message; parts: Part[] }[] = [];
  let pageToken: string | undefined;
  do {
    const page = await client.call('message/list', { sessionId, ...(pageToken && { pageToken }) });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return items;
}

/** An export of a session whose messages have this much text each, quotes that grow when they are sent. */
async function largeExport(home: Home, count: number, units: number): Promise<string> {
  const path = join(home.folder, 'seed.json');
  await run(home, ['export', 'ses_seed', '--output', path]);
  const { messages, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Document;
  const { message, parts } = messages[0]!;
  const text = '"'.repeat(units);
  const many = Array.from({ length: count }, (_, index) => {
    const id = `msg_large${index}`;
    const part = { ...parts[0]!, id: `prt_large${index}`, messageId: id, text: `${index} ${text}` };
    return { message: { ...message, id, messageIndex: index }, parts: [part] };
  });
  const large = join(home.folder, 'large.json');
  writeFileSync(large, JSON.stringify({ ...rest, messages: many }));
  return large;
}

test('what is exported as json is imported as the same session, and the same file again makes nothing', async () => {
  const [from, to] = await twoHomes();
  const exported = await run(from, ['export', 'seed']);
  expect(exported).toMatchObject({ code: 0, stderr: '' });
  const first = await run(to, ['import', '-'], { input: exported.stdout });
  expect(first).toEqual({ code: 0, stdout: 'imported ses_seed  the work\n2 messages\n', stderr: '' });
  const [theirs, ours] = [await clientOf(from), await clientOf(to)];
  const withoutVersions = (items: unknown) => JSON.parse(JSON.stringify(items)) as unknown;
  expect(withoutVersions(await messagesOf(ours, 'ses_seed'))).toEqual(
    withoutVersions(await messagesOf(theirs, 'ses_seed')),
  );
  const again = await run(to, ['import', '-'], { input: exported.stdout });
  expect(again).toMatchObject({ code: 0, stdout: 'is there already: ses_seed  the work\n2 messages\n' });
  const copy = await run(to, ['import', '-', '--copy', '--json'], { input: exported.stdout });
  const told = JSON.parse(copy.stdout) as { sessionId: string; duplicate: boolean };
  expect(told).toEqual({ sessionId: expect.not.stringMatching(/^ses_seed$/), duplicate: false });
  expect((await ours.call('session/list', {})).items).toHaveLength(2);
  await run(to, ['rm', 'ses_seed', '--yes']);
  const gone = await run(to, ['import', '-'], { input: exported.stdout });
  expect(gone).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/imported before, as ses_seed, and that was deleted/),
  });
});

test('an export that is larger than a frame is imported in several calls', async () => {
  const [from, to] = await twoHomes();
  const path = await largeExport(from, 30, 250_000);
  expect(statSync(path).size).toBeGreaterThan(8 * 1024 * 1024);
  const { code, stdout, stderr } = await run(to, ['import', path]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe('imported ses_seed  the work\n30 messages\n');
  const back = join(to.folder, 'back.json');
  expect(await run(to, ['export', 'seed', '--output', back])).toMatchObject({ code: 0 });
  const textsOf = (file: string) =>
    (JSON.parse(readFileSync(file, 'utf8')) as Document).messages.map(
      ({ parts }) => (parts[0] as { text: string }).text,
    );
  expect(textsOf(back)).toEqual(textsOf(path));
});

test('a message that is larger than a frame is imported part by part', async () => {
  const [from, to] = await twoHomes();
  const path = await largeExport(from, 2, 2_000_000);
  const { messages, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Document;
  const [first, second] = messages;
  const parts = Array.from({ length: 4 }, (_, index) => ({ ...first!.parts[0]!, id: `prt_large${index}x`, index }));
  writeFileSync(path, JSON.stringify({ ...rest, messages: [{ ...first!, parts }, second] }));
  expect(await run(to, ['import', path])).toMatchObject({
    code: 0,
    stdout: 'imported ses_seed  the work\n2 messages\n',
  });
  const held = await messagesOf(await clientOf(to), 'ses_seed');
  expect(held.map((each) => each.parts.map(({ id }) => id))).toEqual([parts.map(({ id }) => id), ['prt_large1']]);
  expect((await run(to, ['import', path])).stdout).toContain('is there already: ses_seed');
});

test('an import that is killed in the middle is completed by the same command', async () => {
  const [from, to] = await twoHomes();
  const path = await largeExport(from, 60, 250_000);
  const client = await clientOf(to);
  const { collector } = await subscribe(client, { from: 'now', filter: { types: ['session/created'] } });
  const cut = start(to, ['import', path]);
  await collector.until('the session to be made', ({ events }) => events.length > 0);
  cut.child.kill('SIGKILL');
  expect((await cut.ended).code).toBe('SIGKILL');
  const before = (await client.call('session/get', { sessionId: 'ses_seed' })).session.messageCount;
  expect(before).toBeLessThan(60);
  const again = await run(to, ['import', path]);
  expect(again).toMatchObject({ code: 0, stdout: 'imported ses_seed  the work\n60 messages\n' });
  const texts = (await messagesOf(client, 'ses_seed')).map(({ parts }) => (parts[0] as { text: string }).text);
  expect(texts.map((text) => Number(text.split(' ')[0]))).toEqual(Array.from({ length: 60 }, (_, index) => index));
  expect((await client.call('session/list', {})).items).toHaveLength(1);
});

test('a document is cut the same way each time, and each piece fits', () => {
  const messages = Array.from({ length: 9 }, (_, index) => ({ message: { id: `m${index}` }, parts: ['"'.repeat(40)] }));
  const whole = { format: 'x', session: { id: 's' }, turns: [{ id: 't' }], messages };
  const pieces = importDocuments(JSON.stringify(whole), 500);
  expect(pieces.length).toBeGreaterThan(2);
  for (const piece of pieces) expect(JSON.stringify(piece).length).toBeLessThanOrEqual(500);
  const parsed = pieces.map((piece) => JSON.parse(piece) as typeof whole);
  for (const { format, session } of parsed) expect({ format, session }).toEqual({ format: 'x', session: { id: 's' } });
  expect(parsed.flatMap(({ messages = [] }) => messages)).toEqual(messages);
  expect(parsed[0]!.turns).toEqual([{ id: 't' }]);
  expect(importDocuments(JSON.stringify(whole), 500)).toEqual(pieces);
  expect(importDocuments(JSON.stringify({ session: {} }))).toEqual(['{"session":{}}']);
  const parted = {
    ...whole,
    turns: [],
    messages: [{ message: { id: 'm' }, parts: ['a'.repeat(300), 'b'.repeat(300)] }],
  };
  const each = importDocuments(JSON.stringify(parted), 600).map(
    (piece) => (JSON.parse(piece) as typeof parted).messages,
  );
  expect(each).toEqual(['a', 'b'].map((name) => [{ message: { id: 'm' }, parts: [name.repeat(300)] }]));
  expect(() => importDocuments(JSON.stringify(parted), 400)).toThrow(/^messages\.0\.parts\.0 is too large: \d+ bytes/);
});

test('what cannot be read, is no export or is cut off is told so, with what to do', async () => {
  const home = cliHome();
  await startDaemon(home);
  for (const [input, message] of [
    [
      '# title',
      /^error: stdin: it is not JSON: .*\nhint: it takes only what was written by: .* export ID --format json\n/,
    ],
    ['{}', /^error: stdin: it is no session that was exported as json\nhint: it takes only /],
    ['{"format":"x","session":{"id":"s"', /^error: stdin: it is not JSON: .*\nhint: is it all of the export\? /],
    ['{"session":{},"messages":3}', /^error: stdin: messages must be a list\n/],
    ['{"session":{}}', /^error: the daemon does not take it: .*sessiond\/session/],
  ] as const) {
    const { code, stderr } = await run(home, ['import', '-'], { input });
    expect({ input, code }).toEqual({ input, code: 1 });
    expect(stderr).toMatch(message);
  }
  expect(await run(home, ['import', '/nowhere.json'])).toEqual({
    code: 5,
    stdout: '',
    stderr:
      'error: cannot read /nowhere.json: ENOENT: no such file or directory\n' +
      'hint: is the path right? - reads from stdin\n',
  });
  expect(await run(home, ['import', '/'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: cannot read /: EISDIR: illegal operation on a directory\nhint: it is a folder: name a file in it\n',
  });
});

test('a file is written whole or not at all, and what it was before stays until then', async () => {
  const [home] = await twoHomes();
  const target = join(home.folder, 'real.md');
  const link = join(home.folder, 'link.md');
  writeFileSync(target, 'before');
  chmodSync(target, 0o640);
  symlinkSync(target, link);
  expect(await run(home, ['export', 'nope', '--output', link])).toMatchObject({ code: 5 });
  expect(readFileSync(target, 'utf8')).toBe('before');
  expect(await run(home, ['export', 'seed', '--output', link])).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(target, 'utf8')).toMatch(/^# the work\n/);
  expect(statSync(target).mode & 0o777).toBe(0o640);
  expect(readdirSync(home.folder).filter((name) => name.startsWith('.'))).toEqual([]);
  const pipe = join(home.folder, 'pipe.md');
  execFileSync('mkfifo', [pipe]);
  const [piped, read] = await Promise.all([run(home, ['export', 'seed', '--output', pipe]), readFile(pipe, 'utf8')]);
  expect(piped).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(read).toMatch(/^# the work\n/);
  const nowhere = await run(home, ['export', 'seed', '--output', join(home.folder, 'no/such.md')]);
  expect(nowhere).toEqual({
    code: 1,
    stdout: '',
    stderr:
      `error: cannot write ${join(home.folder, 'no/such.md')}: ENOENT: no such file or directory\n` +
      'hint: its folder is not there: make it, or write elsewhere\n',
  });
  const folder = await run(home, ['export', 'seed', '--output', home.folder]);
  expect(folder).toMatchObject({ code: 1, stderr: expect.stringContaining('hint: it is a folder: add') });
});

test('the line that tells of the file has the number of messages', async () => {
  const [home] = await twoHomes();
  const path = join(home.folder, 'a.md');
  expect((await run(home, ['export', 'seed', '--output', path])).stdout).toBe(`wrote ${path}, 2 messages\n`);
});

test('while the transcript of the session is still being read, that is told on stderr', async () => {
  const counts = { path: '/p', files: 3, filesDone: 1, sessions: 0, badRecords: 0, lastError: null };
  const told = async (source: string | undefined, state: string, bytesBehind: number, json = false) => {
    const { context, out, err } = fakeTerminal(cliHome(), { json });
    const items = [
      { ...counts, name: 'codex-2', kind: 'codex', state, bytesBehind },
      { ...counts, name: 'pi', kind: 'pi', state: 'watching', bytesBehind: 0 },
    ];
    const client = { call: async () => ({ items }) } as unknown as Client;
    const origin = source === undefined ? null : { source, externalId: 'own' };
    await (await lookBehind(context, client, { origin }))();
    expect(out.text).toBe('');
    return err.text;
  };
  expect(await told('codex', 'watching', 1000)).toContain(
    'transcripts of codex are still being read (1 of 3 files, 1.0 kB to go); the newest messages may be missing',
  );
  expect(await told('codex', 'reading', 0)).toContain('still being read (1 of 3 files);');
  expect(JSON.parse(await told('codex', 'reading', 7, true))).toMatchObject({ reading: { bytesBehind: 7 } });
  expect(await told('codex', 'watching', 0)).toBe('');
  expect(await told('pi', 'reading', 1000)).toBe('');
  expect(await told(undefined, 'reading', 1000)).toBe('');
});

test('the format follows the ending of the file; json goes into a pipe', async () => {
  const [home] = await twoHomes();
  for (const [name, start] of [
    ['a.json', '{"format":'],
    ['a.md', '# the work'],
    ['a.HTML', '<!doctype html>'],
    ['a.txt', '{"format":'],
  ] as const) {
    const path = join(home.folder, name);
    await run(home, ['export', 'seed', '--output', path]);
    expect(readFileSync(path, 'utf8').slice(0, start.length)).toBe(start);
  }
  expect((await run(home, ['export', 'seed'])).stdout).toMatch(/^\{"format":/);
  expect((await run(home, ['export', 'seed', '--format', 'pdf'])).code).toBe(2);
  expect(existsSync(join(home.folder, 'seed'))).toBe(false);
});

test('on a terminal it is markdown, and nothing that the terminal would obey', async () => {
  const [home] = await twoHomes();
  const client = await clientOf(home);
  const evil = '\x1b]0;owned\x07\x1b[2Jevil\u202e';
  await client.call('session/create', { sessionId: 'ses_evil', title: evil });
  await client.call('message/put', { sessionId: 'ses_evil', messageId: 'msg_evil', role: 'user' });
  const part = { type: 'text', text: evil } as const;
  await client.call('part/put', { sessionId: 'ses_evil', messageId: 'msg_evil', part });
  for (const format of [[], ['--format', 'json'], ['--format', 'html']]) {
    const { context, out } = fakeTerminal(home);
    const command = new Command();
    configure(command, context);
    await command.parseAsync(['ses_evil', ...format], { from: 'user' });
    expect(out.text).toContain('evil');
    if (format.length === 0) expect(out.text).toMatch(/^# /);
    expectSafe(out.text, 'the export', false);
  }
});
