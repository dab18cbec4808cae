// session/search over a whole daemon: what is found, what is not found any more, and what a hostile query does.
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import type { DaemonOptions } from '../../daemon/daemon.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { Params, Result } from '../../protocol/methods.ts';
import type { PartContent } from '../../protocol/schema.ts';
import { connectTo, daemonInProcess, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { wireInMemory } from '../support/wire.ts';

/** A daemon whose log tells why its index was made anew. */
function searching(home = testHome(), options: Partial<DaemonOptions> = {}) {
  const made: string[] = [];
  const errors: object[] = [];
  const log = {
    info: (fields: object) => void ('because' in fields && made.push(String(fields.because))),
    warn() {},
    error: (fields: object) => void errors.push(fields),
  };
  const { daemon, connect } = daemonInProcess(home, { runtime: systemRuntime(log), ...options });
  return { home, daemon, connect, client: connect(), made, errors };
}

async function addSession(client: Client, name: string, texts: string[], given: Params<'session/create'> = {}) {
  await client.call('session/create', { sessionId: `ses_${name}`, title: name, ...given });
  await client.call('message/put', { sessionId: `ses_${name}`, messageId: `msg_${name}`, role: 'user' });
  for (const [at, text] of texts.entries()) await putText(client, name, at, text);
}

function putText(client: Client, name: string, at: number, text: string) {
  const part = { type: 'text', text } as const;
  return client.call('part/put', {
    sessionId: `ses_${name}`,
    messageId: `msg_${name}`,
    partId: `prt_${name}${at}`,
    part,
  });
}

/** The ids of the parts found, without `prt_`, sorted. */
async function found(client: Client, query: string, rest: Partial<Params<'session/search'>> = {}): Promise<string[]> {
  const { items } = await client.call('session/search', { query, ...rest });
  return items.map(({ partId }) => partId.slice(4)).sort();
}

test('what was put is found at once, with its session, its message and a snippet that shows where', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['the kettle is on the stove', 'nothing here']);
  const { items, cursor } = await client.call('session/search', { query: 'kettle' });
  const { session } = await client.call('session/get', { sessionId: 'ses_a' });
  expect(items).toEqual([
    {
      session,
      messageId: 'msg_a',
      partId: 'prt_a0',
      snippet: 'the kettle is on the stove',
      hits: [[4, 10]],
      rank: expect.any(Number),
    },
  ]);
  expect(cursor).toBe((await client.call('daemon/status', {})).head);
});

test('a search that is sent behind a put without waiting for it finds it', async () => {
  const { client } = searching();
  await addSession(client, 'a', []);
  const [, ids] = await Promise.all([putText(client, 'a', 0, 'pipelined'), found(client, 'pipelined')]);
  expect(ids).toEqual(['a0']);
});

test('of a tool its name, its title, input, output and error are found, of a file its name, of a patch its files', async () => {
  const { client } = searching();
  await addSession(client, 'a', []);
  const put = (partId: string, part: PartContent) =>
    client.call('part/put', { sessionId: 'ses_a', messageId: 'msg_a', partId: `prt_${partId}`, part });
  await put('tool', {
    type: 'tool',
    callId: 'c',
    tool: 'Bash',
    state: 'error',
    title: 'Titled',
    input: { nested: [{ command: 'inwards' }] },
    output: 'outwards',
    error: { message: 'wentwrong' },
  });
  await put('file', { type: 'file', mime: 'image/png', filename: 'sketch.png', url: 'data:x' });
  await put('patch', { type: 'patch', files: ['src/changed.ts'] });
  for (const word of ['bash', 'titled', 'inwards', 'outwards', 'wentwrong'])
    expect(await found(client, word)).toEqual(['tool']);
  expect(await found(client, 'sketch.png')).toEqual(['file']);
  expect(await found(client, 'src/changed.ts')).toEqual(['patch']);
});

test('words in any order, phrases in theirs, prefixes; case and accents do not matter', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['Water for tea', 'tea for Wäter', 'waterfall', '漢字のテスト文']);
  expect(await found(client, 'tea water')).toEqual(['a0', 'a1']);
  expect(await found(client, '"for tea"')).toEqual(['a0']);
  expect(await found(client, 'WATER')).toEqual(['a0', 'a1']);
  expect(await found(client, 'wat*')).toEqual(['a0', 'a1', 'a2']);
  expect(await found(client, '"tea for wat"*')).toEqual(['a1']);
  expect(await found(client, 'tea -> water')).toEqual(['a0', 'a1']);
  expect(await found(client, 'テスト')).toEqual(['a3']);
  expect(await found(client, '字テ')).toEqual([]);
  const { items } = await client.call('session/search', { query: 'テスト' });
  expect(items[0]).toMatchObject({ snippet: '漢字のテスト文', hits: [[3, 6]] });
});

test('a query that does not parse is searched as plain words; operators and columns are words', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['open quote here', 'this and that', 'NEAR(text it), text:near', 'x not y or z']);
  expect(await found(client, '"quote open')).toEqual(['a0']);
  expect(await found(client, 'that AND this')).toEqual(['a1']);
  expect(await found(client, 'NEAR(text it)')).toEqual(['a2']);
  expect(await found(client, 'text:near')).toEqual(['a2']);
  expect(await found(client, 'y OR z NOT x')).toEqual(['a3']);
});

test('any query gives an answer or a refusal, and never an internal error', async () => {
  const { client, errors } = searching();
  await addSession(client, 'a', ['a b c "d" e* f', 'ünï 漢字 😀 \u0000 NEAR']);
  const piece = fc.oneof(
    fc.constantFrom(
      '"',
      '*',
      '^',
      'NEAR(',
      'a',
      'AND',
      'text:',
      ' ',
      '\0',
      '漢',
      '-',
      '+',
      '(',
      ')',
      '{',
      '\x01',
      "'",
      ';--',
    ),
    fc.string({ unit: 'grapheme', maxLength: 5 }),
  );
  const query = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join('').slice(0, 1000).toWellFormed());
  await fc.assert(
    fc.asyncProperty(query, async (text) => {
      try {
        await client.call('session/search', { query: text });
      } catch (error) {
        expect(error).toMatchObject({ kind: 'LimitExceeded', data: { what: 'prefixes of a search' } });
      }
    }),
    { numRuns: 300 },
  );
  const long = Array.from({ length: 250 }, (_, at) => `w${at % 100}`).join(' ');
  expect(await found(client, long.slice(0, 1000))).toEqual([]);
  expect(await found(client, '->')).toEqual([]);
  expect(errors).toEqual([]);
  const prefixes = 'abcdefghi'.split('').map((letter) => `${letter}*`);
  await expect(client.call('session/search', { query: prefixes.join(' ') })).rejects.toMatchObject({
    kind: 'LimitExceeded',
    data: { limit: 8 },
  });
});

test('replaced text, a removed part, message and session are not found any more', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['lighthouse one', 'lighthouse two', 'lighthouse three']);
  await addSession(client, 'b', ['lighthouse four']);
  await addSession(client, 'c', ['lighthouse five']);
  expect(await found(client, 'lighthouse')).toEqual(['a0', 'a1', 'a2', 'b0', 'c0']);
  await putText(client, 'a', 0, 'harbour');
  expect(await found(client, 'lighthouse')).toEqual(['a1', 'a2', 'b0', 'c0']);
  expect(await found(client, 'harbour')).toEqual(['a0']);
  await client.call('part/remove', { sessionId: 'ses_a', partId: 'prt_a1' });
  expect(await found(client, 'lighthouse')).toEqual(['a2', 'b0', 'c0']);
  await client.call('message/remove', { sessionId: 'ses_a', messageId: 'msg_a' });
  expect(await found(client, 'lighthouse')).toEqual(['b0', 'c0']);
  await client.call('session/delete', { sessionId: 'ses_b' });
  expect(await found(client, 'lighthouse')).toEqual(['c0']);
});

test('streamed text is found when its turn has ended, or its part is put anew', async () => {
  const { client } = searching();
  await addSession(client, 'a', []);
  const model = { providerId: 'p', modelId: 'm' };
  await client.call('turn/start', { sessionId: 'ses_a', turnId: 'trn_1', agent: 'me', model, parts: [] });
  await client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_r', role: 'assistant', turnId: 'trn_1' });
  const part = { type: 'text', text: 'begun ' } as const;
  await client.call('part/put', { sessionId: 'ses_a', messageId: 'msg_r', partId: 'prt_r', part });
  await client.call('part/delta', { sessionId: 'ses_a', partId: 'prt_r', field: 'text', offset: 6, text: 'streamed' });
  expect(await found(client, 'begun')).toEqual(['r']);
  expect(await found(client, 'streamed')).toEqual([]);
  await client.call('turn/finish', { turnId: 'trn_1', state: 'completed' });
  expect(await found(client, 'begun streamed')).toEqual(['r']);
});

test('directory and agent filter as in session/list', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['pebble'], { directory: '/one', agent: 'x' });
  await addSession(client, 'b', ['pebble'], { directory: '/two', agent: 'x' });
  await addSession(client, 'c', ['pebble']);
  expect(await found(client, 'pebble', { directory: '/one' })).toEqual(['a0']);
  expect(await found(client, 'pebble', { agent: 'x' })).toEqual(['a0', 'b0']);
  expect(await found(client, 'pebble', { agent: 'x', directory: '/two' })).toEqual(['b0']);
  expect(await found(client, 'pebble', { agent: 'y' })).toEqual([]);
});

async function allPages(client: Client, params: Params<'session/search'>) {
  const pages: Result<'session/search'>[] = [];
  let pageToken: string | undefined;
  do {
    const page = await client.call('session/search', { ...params, ...(pageToken && { pageToken }) });
    pages.push(page);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return pages;
}

test('the pages together are what matches, best first, each once; a token of another list is refused', async () => {
  const { client } = searching();
  const texts = Array.from({ length: 23 }, (_, at) => `pebble ${'pebble '.repeat(at % 4)}${'sand '.repeat(at % 5)}`);
  await addSession(client, 'a', texts);
  const pages = await allPages(client, { query: 'pebble', limit: 4 });
  expect(pages.map(({ items }) => items.length)).toEqual([4, 4, 4, 4, 4, 3]);
  const items = pages.flatMap((page) => page.items);
  expect(new Set(items.map(({ partId }) => partId)).size).toBe(23);
  expect(items.map(({ rank }) => rank)).toEqual(items.map(({ rank }) => rank).toSorted((a, b) => a - b));
  const whole = await client.call('session/search', { query: 'pebble' });
  expect(whole).toEqual({ items, cursor: pages[0]!.cursor });
  for (const value of [7, [1], ['x', 1], null]) {
    const pageToken = Buffer.from(JSON.stringify(value)).toString('base64url');
    await expect(client.call('session/search', { query: 'x', pageToken })).rejects.toMatchObject({ code: -32602 });
  }
});

test('a page ends at 256 KiB with at least one item', async () => {
  const { client } = searching();
  const metadata = { large: 'x'.repeat(150_000) };
  for (const name of ['a', 'b', 'c']) await addSession(client, name, ['pebble'], { metadata });
  const pages = await allPages(client, { query: 'pebble' });
  expect(pages.map(({ items }) => items.length)).toEqual([1, 1, 1]);
});

test('a snippet of a long text shows the place, in plain text of one line', async () => {
  const { client } = searching();
  const text = `${'before '.repeat(5_000)}\n\x1b[31mneedle\x1b[0m\u0007\tthread\n${'behind '.repeat(5_000)}`;
  await addSession(client, 'a', [text]);
  const [item] = (await client.call('session/search', { query: '"needle thread"' })).items;
  expect(item!.snippet).toMatch(/^…(before )+needle thread( behind)*…$/);
  const [[from, to]] = item!.hits as [[number, number]];
  expect(item!.snippet.slice(from, to)).toBe('needle thread');
});

test('what a source takes in is found', async () => {
  const home = testHome();
  const sessionId = '00000000-0000-4000-8000-000000000001';
  append(transcriptPath(home.claude, sessionId), line(sessionId, 'user', 'a sentence of a transcript'));
  const { client, daemon } = searching(home, { sources: [claudeCodeSource(home.claude)] });
  await daemon.start();
  await client.call('source/rescan', {});
  expect((await client.call('session/search', { query: 'transcript' })).items).toHaveLength(1);
});

test('a restart goes on with the index; one that is missing is made anew', async () => {
  const first = searching();
  await addSession(first.client, 'a', ['kept through it all']);
  expect(await found(first.client, 'kept')).toEqual(['a0']);
  expect(first.made).toEqual(['there is none']);
  const path = join(first.home.paths.data, 'search.db');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await first.daemon.stop();

  const second = searching(first.home);
  expect(await found(second.client, 'kept')).toEqual(['a0']);
  expect(second.made).toEqual([]);
  await second.daemon.stop();

  rmSync(path);
  const third = searching(first.home);
  expect(await found(third.client, 'kept')).toEqual(['a0']);
  expect(third.made).toEqual(['there is none']);
});

const damages: Record<string, (path: string) => void> = {
  'the beginning overwritten': (path) => writeOver(path, 0, Buffer.alloc(64, 7)),
  'overwritten from page 2 on': (path) => writeOver(path, 4096, Buffer.alloc(statSync(path).size - 4096, 0xa5)),
  empty: (path) => writeFileSync(path, ''),
  garbage: (path) => writeFileSync(path, 'no database at all '.repeat(1_000)),
  'cut off': (path) => writeFileSync(path, readFileSync(path).subarray(0, 5_000)),
};

function writeOver(path: string, at: number, bytes: Buffer): void {
  const all = readFileSync(path);
  bytes.copy(all, at);
  writeFileSync(path, all);
}

test.each(Object.keys(damages))('an index that is damaged (%s) is made anew while the daemon goes on', async (name) => {
  const { home, client, daemon, errors } = searching();
  await addSession(client, 'a', ['survivor one', 'survivor two']);
  expect(await found(client, 'survivor')).toEqual(['a0', 'a1']);
  await daemon.stop();
  damages[name]!(join(home.paths.data, 'search.db'));
  const again = searching(home);
  expect(await found(again.client, 'survivor')).toEqual(['a0', 'a1']);
  expect(again.made).toHaveLength(1);
  await putText(again.client, 'a', 2, 'survivor three');
  expect(await found(again.client, 'survivor')).toEqual(['a0', 'a1', 'a2']);
  expect([...errors, ...again.errors]).toEqual([]);
});

test('an index that is damaged under the running daemon is made anew', async () => {
  const { home, client, made, errors } = searching();
  await addSession(client, 'a', ['survivor one']);
  expect(await found(client, 'survivor')).toEqual(['a0']);
  for (const suffix of ['', '-wal']) {
    const path = join(home.paths.data, `search.db${suffix}`);
    writeFileSync(path, Buffer.alloc(statSync(path).size, 0xa5));
  }
  expect(await found(client, 'survivor')).toEqual(['a0']);
  expect(made).toHaveLength(2);
  expect(errors).toEqual([]);
});

async function anotherIndex(): Promise<string> {
  const other = searching();
  await addSession(other.client, 'o', ['walrus']);
  expect(await found(other.client, 'walrus')).toEqual(['o0']);
  await other.daemon.stop();
  return join(other.home.paths.data, 'search.db');
}

test.each(['of another store', 'an older one'])(
  'an index (%s) that is put in its place is not answered from',
  async (which) => {
    const home = testHome();
    const first = searching(home);
    await addSession(first.client, 'a', ['zebra one']);
    expect(await found(first.client, 'zebra')).toEqual(['a0']);
    await first.daemon.stop();
    const path = join(home.paths.data, 'search.db');
    copyFileSync(which === 'an older one' ? path : await anotherIndex(), `${path}.put`);

    const { client, made, errors } = searching(home);
    await putText(client, 'a', 1, 'zebra two');
    expect(await found(client, 'zebra')).toEqual(['a0', 'a1']);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    renameSync(`${path}.put`, path);
    expect(await found(client, 'zebra')).toEqual(['a0', 'a1']);
    await putText(client, 'a', 2, 'zebra three');
    expect(await found(client, 'zebra')).toEqual(['a0', 'a1', 'a2']);
    expect(made).toHaveLength(1);
    expect(errors).toEqual([]);
  },
);

test('where no index can be made a search is refused as StoreUnavailable, the daemon goes on, and so does the index', async () => {
  const home = testHome();
  const first = searching(home);
  await addSession(first.client, 'a', ['zebra one']);
  await first.daemon.stop();
  const path = join(home.paths.data, 'search.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  mkdirSync(path);

  const { client, errors } = searching(home, { search: { retryMs: 1, maxRetryMs: 1 } });
  await expect(found(client, 'zebra')).rejects.toMatchObject({
    kind: 'StoreUnavailable',
    data: { reason: 'readOnly' },
    message: expect.stringMatching(/search\.db.*move away/),
  });
  await putText(client, 'a', 1, 'zebra two');
  expect(errors).toHaveLength(1);
  rmdirSync(path);
  const foundAgain = async () => {
    for (;;) {
      const ids = await found(client, 'zebra').catch(() => []);
      if (ids.length === 2) return ids;
    }
  };
  expect(await within('the index to be made', foundAgain())).toEqual(['a0', 'a1']);
});

test('a store that was put back by hand gets an index of its own', async () => {
  const home = testHome();
  const first = searching(home);
  await addSession(first.client, 'a', ['older']);
  await first.daemon.stop();
  const store = join(home.paths.data, 'store.db');
  copyFileSync(store, `${store}.copy`);
  const second = searching(home);
  await putText(second.client, 'a', 1, 'newer');
  expect(await found(second.client, 'newer')).toEqual(['a1']);
  await second.daemon.stop();
  for (const suffix of ['-wal', '-shm']) rmSync(store + suffix, { force: true });
  copyFileSync(`${store}.copy`, store);

  const third = searching(home);
  await putText(third.client, 'a', 1, 'other');
  expect(await found(third.client, 'newer')).toEqual([]);
  expect(await found(third.client, 'other')).toEqual(['a1']);
  expect(await found(third.client, 'older')).toEqual(['a0']);
  expect(third.made).toHaveLength(1);
});

test('a page for which there is no more time ends with at least one item, and the pages together are complete', async () => {
  const { client } = searching(testHome(), { search: { pageMs: 0 } });
  await addSession(client, 'a', ['pebble', 'pebble', 'pebble']);
  const pages = await allPages(client, { query: 'pebble' });
  expect(pages.map(({ items }) => items.length)).toEqual([1, 1, 1]);
  expect(new Set(pages.flatMap(({ items }) => items.map(({ partId }) => partId))).size).toBe(3);
});

test('where there is no time to find what matches best a search is refused, and the next one is taken', async () => {
  const { client } = searching(testHome(), { search: { searchMs: -1 } });
  await addSession(client, 'a', ['pebble']);
  const error = await client.call('session/search', { query: 'pebble' }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({ kind: 'LimitExceeded', data: { limit: -1, what: 'ms for a search' } });
  expect(await found(client, 'sand')).toEqual([]);
});

test('a text that holds a word everywhere is found like any other, with a snippet as short', async () => {
  const { client } = searching();
  await addSession(client, 'a', ['a '.repeat(400_000), `${'y '.repeat(400_000)}rare`]);
  for (const query of ['a', '"a a"', 'y rare']) {
    const { items } = await client.call('session/search', { query });
    expect(items).toHaveLength(1);
    expect(items[0]!.snippet.length).toBeLessThan(250);
    expect(items[0]!.hits.length).toBeGreaterThan(0);
  }
});

test('reads and appends that are sent behind a search are answered before it', async () => {
  const { daemon, client } = searching();
  await addSession(client, 'a', ['pebble']);
  const wire = wireInMemory(daemon);
  const call = (id: string, method: string, params: object) => ({ jsonrpc: '2.0', id, method, params });
  wire.send(
    call('search', 'session/search', { query: 'pebble' }),
    call('read', 'session/list', {}),
    call('put', 'session/update', { sessionId: 'ses_a', title: 'another' }),
  );
  await wire.reply('search');
  expect(wire.received.map(({ id }) => id)).toEqual(['read', 'put', 'search']);
});

test('too many searches of one connection at once are refused as Overloaded, and not those of another', async () => {
  const { client, connect } = searching(testHome(), { search: { maxSearches: 2 } });
  await addSession(client, 'a', ['pebble']);
  const other = connect();
  const askers = [client, client, client, client, other, other];
  const results = await Promise.allSettled(askers.map((asker) => found(asker, 'pebble')));
  const [ok, no] = ['fulfilled', 'rejected'];
  expect(results.map(({ status }) => status)).toEqual([ok, ok, no, no, ok, ok]);
  expect(results[3]).toMatchObject({ reason: { kind: 'Overloaded' } });
});

test('killed while it indexes and started again, the index has what the tables have', async () => {
  const home: Home = testHome();
  let running = await startDaemon(home);
  let client = await connectTo(home);
  for (let round = 0; round < 4; round += 1) {
    const name = `r${round}`;
    await addSession(client, name, []);
    await Promise.all(
      Array.from({ length: 200 }, (_, at) => putText(client, name, at, `common ${'filler '.repeat(200)}`)),
    );
    // A search makes the index hurry, and nobody waits for its answer: some rounds are killed earlier than others.
    client.call('session/search', { query: 'common' }).catch(() => {});
    for (let turn = 0; turn < round * 3; turn += 1) await client.call('ping', {});
    await running.kill('SIGKILL');
    running = await startDaemon(home);
    client = await connectTo(home);
  }
  await client.call('part/remove', { sessionId: 'ses_r1', partId: 'prt_r17' });
  const ids = (await allPages(client, { query: 'common', limit: 1000 })).flatMap(({ items }) => items);
  const held: string[] = [];
  for (const round of [0, 1, 2, 3]) {
    const { items } = await client.call('message/list', { sessionId: `ses_r${round}` });
    held.push(...items.flatMap(({ parts }) => parts.map(({ id }) => id)));
  }
  expect(held).toHaveLength(799);
  expect(ids.map(({ partId }) => partId).sort()).toEqual(held.sort());
  const status = await client.call('daemon/status', {});
  const bytes = (file: string) => statSync(join(home.paths.data, file)).size;
  expect(status.storeBytes).toBeGreaterThanOrEqual(bytes('store.db') + bytes('search.db'));
});
