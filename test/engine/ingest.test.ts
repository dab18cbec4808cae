// Sources, with a whole daemon and real files. What a line means is tested in test/adapters.
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { Ingest } from '../../daemon/engine/ingest.ts';
import { openStore } from '../../daemon/store/open.ts';
import { Positions } from '../../daemon/store/positions.ts';
import type { Part, Session } from '../../protocol/schema.ts';
import { connectTo, daemonInProcess, startDaemon, subscribe, testHome } from '../support/daemon.ts';
import { allItems, readEverything, takenIn } from '../support/everything.ts';
import type { Home } from '../support/home.ts';
import { HandRuntime, openRecords, readTables } from '../support/records.ts';
import { layClaudeSamples, samples } from '../support/samples.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';
import { head, texts, watching } from '../support/watching.ts';

const id = '11111111-2222-4333-8444-555555555555';

describe('a transcript', () => {
  test('becomes a session with its directory, agent, title and messages', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), line(id, 'user', 'Mend the roof') + line(id, 'assistant', 'Done.'));
    const { client } = await watching(home);
    const [session] = await allItems<Session>(client, 'session/list', {});
    expect(session).toMatchObject({
      title: 'Mend the roof',
      directory: '/work/project',
      agent: 'claude-code',
      messageCount: 2,
      origin: { source: 'claude-code', externalId: id },
      usage: { input: 1, output: 2 },
    });
    expect(await texts(client)).toEqual(['Mend the roof', 'Done.']);
  });

  test('that grows reaches a live subscriber, with only the new lines as events', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    const { collector } = await subscribe(client, { filter: { types: ['part/*'] } });
    append(path, line(id, 'assistant', 'two'));
    await collector.until('the new line', ({ events }) => events.length > 0);
    append(path, line(id, 'user', 'three'));
    await collector.until('the next line', ({ events }) => events.length > 1);
    expect(collector.events.map((event) => (event.data as { text?: string }).text)).toEqual(['two', 'three']);
  });

  test('in a folder that appears later is found', async () => {
    const home = testHome();
    mkdirSync(home.claude, { recursive: true });
    const { client } = await watching(home);
    const { collector } = await subscribe(client);
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    await collector.until('the session', ({ events }) => events.length >= 3);
    expect(await texts(client)).toEqual(['one']);
  });

  test('in a folder that was removed and made anew is followed live again', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const { client } = await watching(home);
    rmSync(home.claude, { recursive: true });
    await takenIn(client);
    expect((await client.call('source/list', {})).items[0]!.state).toBe('absent');
    append(path, line(id, 'user', 'two'));
    await takenIn(client);
    const { collector } = await subscribe(client);
    append(path, line(id, 'assistant', 'three'));
    await collector.until('the new line', ({ events }) => events.length > 0);
    expect(await texts(client)).toEqual(['one', 'two', 'three']);
  });

  test('[P26] is taken by whole lines only: a torn one waits for its end', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const torn = line(id, 'assistant', 'two 😀');
    const bytes = Buffer.from(torn);
    // Cut inside the emoji, so that a decoder which did not wait would damage it.
    const cut = bytes.indexOf(Buffer.from('😀')) + 2;
    append(path, line(id, 'user', 'one'));
    appendFileSync(path, bytes.subarray(0, cut));
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one']);
    appendFileSync(path, bytes.subarray(cut));
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two 😀']);
  });

  test('[P26] with a damaged line keeps it whole, counts it, and goes on behind it', async () => {
    const home = testHome();
    append(
      transcriptPath(home.claude, id),
      `${line(id, 'user', 'one')}{"type": "assis\n${line(id, 'assistant', 'two')}`,
    );
    const { client } = await watching(home);
    const [item] = await readEverything(client).then((held) => [...held.values()]);
    const parts = item!.items.flatMap((each) => each.parts);
    expect(parts.map((part) => part.type)).toEqual(['text', 'data', 'text']);
    expect((parts[1] as Extract<Part, { type: 'data' }>).value).toBe('{"type": "assis');
    expect((await client.call('source/list', {})).items[0]!.badRecords).toBe(1);
  });

  test('[P25] that its agent deletes stays in the store, over a restart too', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const first = await watching(home);
    rmSync(path);
    await takenIn(first.client);
    expect(await texts(first.client)).toEqual(['one']);
    await first.stop();
    const { client } = await watching(home);
    expect(await texts(client)).toEqual(['one']);
  });

  test('[P26] that is rewritten is read anew: what is there already makes no event, what is gone stays', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const [one, two, three] = [line(id, 'user', 'one'), line(id, 'assistant', 'two'), line(id, 'user', 'three')];
    append(path, one + two);
    const { client } = await watching(home);
    const before = await head(client);
    writeFileSync(path, two + three);
    await takenIn(client);
    expect(await texts(client)).toEqual(['one', 'two', 'three']);
    const { events } = await client.call('events/read', { after: before, filter: { types: ['part/*', 'message/*'] } });
    expect(events).toHaveLength(2);
  });

  test('that is replaced by another file is read anew, though it ends as the old one did', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const one = line(id, 'user', 'hello');
    append(path, one + line(id, 'user', 'x'.repeat(300)));
    const { client } = await watching(home);
    writeFileSync(`${path}.compact.tmp`, readFileSync(path, 'utf8').replace('hello', 'jello'));
    renameSync(`${path}.compact.tmp`, path);
    await takenIn(client);
    expect(await texts(client)).toEqual(['jello', 'x'.repeat(300)]);
  });

  test('whose title is set back to an earlier one, or set before its first message later, has it', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const titled = (title: string) =>
      `${JSON.stringify({ type: 'custom-title', customTitle: title, sessionId: id })}\n`;
    const noise = Array.from({ length: 130 }, (_, n) => `${JSON.stringify({ type: 'mode', mode: n })}\n`).join('');
    const user = line(id, 'user', 'one');
    const title = async () => (await allItems<Session>(client, 'session/list', {}))[0]!.title;
    append(path, user + titled('A') + titled('B') + noise);
    const { client } = await watching(home);
    expect(await title()).toBe('B');
    append(path, titled('A'));
    await takenIn(client);
    expect(await title()).toBe('A');
    rmSync(path);
    append(path, titled('Renamed') + user + line(id, 'assistant', 'two'));
    await takenIn(client);
    expect(await title()).toBe('Renamed');
  });

  test('behind a link is read, and so are those below a linked folder of projects, live too', async () => {
    const home = testHome();
    const real = join(home.folder, 'dotfiles');
    const elsewhere = join(home.folder, 'elsewhere.jsonl');
    append(transcriptPath(real, id), line(id, 'user', 'one'));
    append(elsewhere, line('other', 'user', 'linked'));
    symlinkSync(elsewhere, join(dirname(transcriptPath(real, id)), 'other.jsonl'));
    mkdirSync(dirname(home.claude), { recursive: true });
    symlinkSync(real, home.claude);
    const { client } = await watching(home);
    expect((await texts(client)).toSorted()).toEqual(['linked', 'one']);
    const { collector } = await subscribe(client);
    append(transcriptPath(real, id), line(id, 'assistant', 'two'));
    await collector.until('the new line', ({ events }) => events.length > 0);
    append(elsewhere, line('other', 'assistant', 'more'));
    await takenIn(client);
    expect((await texts(client)).toSorted()).toEqual(['linked', 'more', 'one', 'two']);
  });

  test('with a line that is too long keeps its beginning and goes on behind it', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, `${line(id, 'user', 'one')}${'x'.repeat(2_000)}\n${line(id, 'assistant', 'two')}`);
    const records = openRecords(home.paths.data, new HandRuntime());
    const ingest = new Ingest(claudeCodeSource(home.claude), {
      writer: records.writer,
      tables: records.tables,
      ledger: records.writer.ledger,
      positions: new Positions(records.db),
      runtime: records.runtime,
      maxLineBytes: 1_000,
    });
    const abort = new AbortController();
    const running = ingest.run(abort.signal);
    await ingest.rescan();
    abort.abort();
    await running;
    const [held] = readTables(records).values();
    const parts = held!.messages.flatMap(({ parts: of }) => of);
    expect(parts.map((part) => (part.type === 'data' ? (part.value as string).length : part.type))).toEqual([
      'text',
      1_000,
      'text',
    ]);
    expect(ingest.status.badRecords).toBe(1);
  });

  test('that is read again from its start changes nothing', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one') + line(id, 'assistant', 'two'));
    const { client } = await watching(home);
    const before = await head(client);
    const copy = `${readFileSync(path, 'utf8')}`;
    rmSync(path);
    await takenIn(client);
    writeFileSync(path, copy);
    utimesSync(path, new Date(), new Date(Date.now() + 5_000));
    await takenIn(client);
    expect(await head(client)).toBe(before);
  });

  test('whose session the user deleted stays deleted, also when it grows and after a restart', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one'));
    const first = await watching(home);
    const [session] = await allItems<Session>(first.client, 'session/list', {});
    await first.client.call('session/delete', { sessionId: session!.id });
    append(path, line(id, 'assistant', 'two'));
    await takenIn(first.client);
    expect(await texts(first.client)).toEqual([]);
    await first.stop();
    const { client } = await watching(home);
    append(path, line(id, 'user', 'three'));
    await takenIn(client);
    expect(await allItems(client, 'session/list', {})).toEqual([]);
  });
});

describe('a read that fails', () => {
  test('[P12] is told in the status and done again: a piece is forgotten only when the store has it', async () => {
    const home = testHome();
    append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
    const source = claudeCodeSource(home.claude);
    let broken = true;
    const failing: Source = {
      ...source,
      read: (...args) => {
        if (broken) throw new Error('a bug in the adapter');
        return source.read(...args);
      },
    };
    const { daemon, connect } = daemonInProcess(home, { sources: [failing] });
    await daemon.start();
    const client = connect();
    const { collector } = await subscribe(client, { from: 'start' });
    await takenIn(client);
    const [status] = (await client.call('source/list', {})).items;
    expect(status).toMatchObject({ state: 'failing', lastError: expect.stringContaining('a bug in the adapter') });
    broken = false;
    await collector.until('the transcript', ({ events }) => events.length >= 3);
    expect(await texts(client)).toEqual(['one']);
    await takenIn(client);
    expect((await client.call('source/list', {})).items[0]).toMatchObject({ state: 'watching', lastError: null });
  });
});

describe('a newer version of a source', () => {
  test('reads every transcript anew, once, and what is there already makes no event', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    append(path, line(id, 'user', 'one') + line(id, 'assistant', 'two'));
    const first = await watching(home);
    const before = await head(first.client);
    await first.stop();
    // What migration 0002 leaves of a store that an older sessiond wrote.
    const { db, close } = openStore(home.paths.data);
    db.exec('UPDATE source_mark SET version = 0; DELETE FROM source_state; DELETE FROM source_record');
    close();
    const source = claudeCodeSource(home.claude);
    const read: number[] = [];
    const counting: Source = {
      ...source,
      read: (...args) => {
        read.push(args[1].length);
        return source.read(...args);
      },
    };
    for (const reads of [[2], []]) {
      const { daemon, connect } = daemonInProcess(home, { sources: [counting] });
      await daemon.start();
      const client = connect();
      await takenIn(client);
      expect(read.splice(0)).toEqual(reads);
      expect(await head(client)).toBe(before);
      await daemon.stop();
    }
  });
});

describe('a store of an older sessiond', () => {
  test('keeps what the user changed, and no finished tool is seen running again', async () => {
    const home = testHome();
    const path = transcriptPath(home.claude, id);
    const titled = (title: string) =>
      `${JSON.stringify({ type: 'custom-title', customTitle: title, sessionId: id })}\n`;
    const said = line(id, 'assistant', 'x');
    const call = said.replace('{"type":"text","text":"x"}', '{"type":"tool_use","id":"c","name":"Bash","input":{}}');
    const result = line(id, 'user', 'x').replace(
      '"content":"x"',
      '"content":[{"type":"tool_result","tool_use_id":"c","content":"done"}]',
    );
    append(path, line(id, 'user', 'one') + titled('First') + call);
    const { client, stop } = await watching(home);
    append(path, titled('Second') + result);
    await takenIn(client);
    const [session] = await allItems<Session>(client, 'session/list', {});
    const sessionId = session!.id;
    const [first] = await allItems<{ parts: Part[] }>(client, 'message/list', { sessionId });
    const { id: partId, messageId } = first!.parts[0]!;
    await client.call('session/update', { sessionId, title: 'Mine' });
    await client.call('part/put', { sessionId, messageId, partId, part: { type: 'text', text: 'edited' } });
    const before = await head(client);
    await stop();
    const { db, close } = openStore(home.paths.data);
    db.exec('UPDATE source_mark SET version = 0; DELETE FROM source_state; DELETE FROM source_record');
    close();
    const again = await watching(home);
    expect(await head(again.client)).toBe(before);
    expect((await allItems<Session>(again.client, 'session/list', {}))[0]!.title).toBe('Mine');
    expect((await texts(again.client))[0]).toBe('edited');
  });
});

describe('the first read', () => {
  test('takes the newest transcripts first, a few at a time', async () => {
    const home = testHome();
    const days = Array.from({ length: 20 }, (_, n) => `2026-01-${String(((n * 7) % 20) + 1).padStart(2, '0')}`);
    for (const [index, day] of days.entries()) {
      const path = transcriptPath(home.claude, `${index}`);
      append(path, line(`${index}`, 'user', day));
      utimesSync(path, new Date(day), new Date(day));
    }
    const { client } = await watching(home);
    const { earliest } = await client.call('daemon/status', {});
    const { events } = await client.call('events/read', { after: earliest, filter: { types: ['session/created'] } });
    const taken = events.map((event) => (event.data as Session).title!);
    const wanted = days.toSorted().reverse();
    expect(taken.toSorted()).toEqual(days.toSorted());
    for (const [place, day] of wanted.entries()) expect(Math.abs(taken.indexOf(day) - place), day).toBeLessThan(4);
  });

  test.skipIf(!samples)(
    'that is killed again and again ends in the same records as one that was not, with nothing twice (needs ../shared/transcripts)',
    async () => {
      const clean = testHome();
      layClaudeSamples(clean.claude);
      await startDaemon(clean);
      const whole = await connectTo(clean);
      await takenIn(whole);
      const expected = await readEverything(whole);

      const home = testHome();
      layClaudeSamples(home.claude);
      for (const failpoint of ['afterCommit:2', 'beforeCommit:3', 'afterCommit:4', 'beforeCommit:5', 'beforeReply:3']) {
        const daemon = await startDaemon(home, { failpoint });
        const reading = await connectTo(home).catch(() => undefined); // it may be dead by now
        // Several files share a commit: how many commits there are is not known, and the last ones may be too few.
        await Promise.race([daemon.exit, reading && takenIn(reading).catch(() => daemon.exit)].filter(Boolean));
        expect(await daemon.kill('SIGKILL'), failpoint).toBe('SIGKILL');
      }
      await startDaemon(home);
      const client = await connectTo(home);
      await takenIn(client);
      expect(withoutPaths(await readEverything(client), home)).toEqual(withoutPaths(expected, clean));

      // A second start finds nothing new, and reads no old content to find that out.
      const before = await head(client);
      await client.call('daemon/shutdown', {});
      await client.closed;
      await startDaemon(home);
      const again = await connectTo(home);
      await takenIn(again);
      expect(await head(again)).toBe(before);
    },
    120_000,
  );
});

/** The two homes differ in their folder's name, the sessions' versions in how often they were read: no more. */
function withoutPaths(held: Awaited<ReturnType<typeof readEverything>>, home: Home): unknown {
  const text = JSON.stringify([...held.values()]);
  return JSON.parse(text.replaceAll(home.folder, '')) as unknown;
}
