// Plays programs that others wrote, or could have, against a daemon that is killed and over connections that are cut: each must
// see every event once, in order, as the journal has it, always resumed (P30).
//
// A program is started with SOCKET and NAME behind its arguments, and prints a line of JSON to stdout for each thing it does:
// 1. it connects to SOCKET and sends initialize {protocolVersion: 1, client: {name: NAME, version: "1"}}   {"connected": true}
// 2. it appends what `own` below lists, with op ids of its own, and again until that is acknowledged       {"appended": cursor}
// 3. it subscribes: from "start", later from its cursor with snapshot "never"              {"subscribed": mode, "from": cursor}
// 4. of each batch it prints the events, as {"seq", "type", "text"} (text: `textOf` below) or whole as {"batch": params}, and
//    then its cursor is the batch's, as that of caughtUp and bookmark is; where `prev` is not its cursor   {"gap": [prev, cursor]}
// 5. when the connection ends, wherever that is, it throws away what it has of a message and begins again; until it is killed.
import { linkSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { findProgram } from '../../cli/find-program.ts';
import { parseCursor } from '../../protocol/cursor.ts';
import { connect } from '../../protocol/node/connect.ts';
import type { Event } from '../../protocol/schema.ts';
import { root } from '../support/build.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { afterTest, connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { Dice } from '../support/history-run/dice.ts';
import { Program } from './program.ts';
import { readJournal } from './stage.ts';

/** What a program tells. */
type Told = {
  connected?: true;
  appended?: string;
  subscribed?: string;
  from?: string;
  seq?: number;
  batch?: { events: Event[] };
  gap?: [string, string];
};

const hard = [
  '𝄞 🙂 👩‍👩‍👧 🏳️‍🌈 é e\u0301 ﷽ שלום عربي',
  'a line\u2028another\u2029a third\nand\r\n"quoted" \\ and \\u0041 \t\u0001\u007f',
  '"prev":"x","cursor":"y" Content-Length: 3\r\n\r\n{}\ndata: {}\n\nid: 1',
];
// About 200 KB, most of it characters of 4 bytes; the letters have them begin at every place of a chunk.
const long = '🙂𝄞🙂𝄞🙂𝄞🙂a'.repeat(7_000);

/** How many bytes come through until each cut: in the reply to initialize, in that to ops/append, then anywhere. */
const cutAfter = (dice: Dice) => [
  dice.int(20, 200),
  dice.int(360, 500),
  dice.int(2_000, 10_000),
  dice.int(10_000, 100_000),
  dice.int(100_000, 200_000),
  dice.int(1_000, 200_000),
];

/** Whether a connection that is cut before this byte is cut inside a character. */
const isInside = (next: number) => (next & 0xc0) === 0x80;

/** Whether a program can be started, for tests that are skipped where it cannot. */
export function isInstalled(program: string): boolean {
  return findProgram(program, process.env) !== undefined;
}

/** The path of a program of this folder. */
export function foreign(file: string): string {
  return join(root, 'test/clients/foreign', file);
}

/** Plays `command` as the client `name`, and expects of it what stands above. `name`: letters, digits and `-`. */
export async function playForeign(name: string, command: string[]): Promise<void> {
  const home = testHome();
  let daemon = await startDaemon(home);
  const path = join(home.folder, 'cut.sock');
  const places = cutAfter(new Dice(9, name));
  /** The first two cuts may be anywhere, the others are inside a character. */
  const anywhere = 2;
  let allowed = 3;
  const proxy: CuttingProxy = new CuttingProxy(
    path,
    home.paths.socket,
    () => (proxy.cuts < allowed ? places[proxy.cuts]! : Number.POSITIVE_INFINITY),
    (next) => proxy.cuts < anywhere || isInside(next),
  );
  const writer = connect(home.paths.socket, { reconnect: { baseMs: 5, maxMs: 50 } });
  afterTest(() => writer.close());
  const put = async (text: string) => {
    const part = { type: 'text' as const, text };
    await writer.append({ type: 'part/put', params: { sessionId: 'ses_frame', messageId: 'msg_frame', part } });
  };
  await writer.append({ type: 'session/create', params: { sessionId: 'ses_frame', title: 'شريط 🎞️ "frame"' } });
  const message = { sessionId: 'ses_frame', messageId: 'msg_frame', role: 'assistant' as const };
  await writer.append({ type: 'message/put', params: message });

  const told: Told[] = [];
  const program = new Program(home, [...command, path, name], (line) => told.push(JSON.parse(line) as Told));
  const seen = () => seqs(told.findLast((each) => seqs(each).length > 0) ?? {}).at(-1) ?? 0;
  const head = async () => parseCursor((await writer.call('daemon/status', {})).head)!.seq;
  /** Writes until all cuts that are allowed were made; each time more than the next of them needs. */
  const writeUntilCut = async () => {
    while (proxy.cuts < allowed) {
      const before = proxy.cuts;
      await Promise.all([...hard, ...hard, ...(before < anywhere ? [] : [long]), ...hard].map(put));
      const last = await head();
      await program.until('a cut, or all events', () => proxy.cuts > before || seen() >= last);
    }
  };

  const reachHead = async () => {
    const last = await head();
    await program.until(`the event at head, ${last}`, () => seen() >= last);
  };

  await writeUntilCut();
  await reachHead();
  // The daemon is killed while it sends. Then there is no socket for a while, then one that nobody listens on.
  const newest = seen();
  const writing = Promise.all([...hard, long, ...hard].map(put));
  await program.until('the first of what is written', () => seen() > newest);
  await daemon.kill('SIGKILL');
  const stale = join(home.folder, 'stale.sock');
  linkSync(home.paths.socket, stale);
  proxy.hide();
  daemon = await startDaemon(home);
  await writing;
  renameSync(stale, path);
  for (const text of [...hard, ...hard, ...hard]) await put(text);
  allowed = places.length;
  proxy.show();
  await writeUntilCut();
  // Behind the last cut: what it missed, and then what happens while it is there.
  await reachHead();
  await Promise.all(hard.map(put));
  await reachHead();

  await program.end();
  const journal = await readJournal(await connectTo(home));
  expectAllSeen(told, journal);
  expectOnce(own(name), journal);
  expect(proxy.cuts).toBe(places.length);
  await writer.close();
  expect(await daemon.kill()).toBe(0);
}

/** What a program appends, in this order. */
function own(name: string) {
  const [sessionId, messageId, partId] = [`ses_${name}`, `msg_${name}`, `prt_${name}`];
  const part = { type: 'text', text: `from ${name}: 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301` };
  return [
    { type: 'session/create', params: { sessionId, title: `${name} 𝄞` } },
    { type: 'message/put', params: { sessionId, messageId, role: 'user' } },
    { type: 'part/put', params: { sessionId, messageId, partId, part } },
  ];
}

function expectOnce(ops: ReturnType<typeof own>, journal: Event[]): void {
  const [created, , put] = ops;
  const events = journal.filter(({ sessionId }) => sessionId === created!.params.sessionId);
  expect(events.map(({ type }) => type)).toEqual(['session/created', 'message/updated', 'part/updated']);
  expect(events[0]!.data).toMatchObject({ title: created!.params.title });
  expect(events[2]!.data).toMatchObject({ id: put!.params.partId, ...put!.params.part });
}

function expectAllSeen(told: Told[], journal: Event[]): void {
  expect(told.filter(({ gap }) => gap)).toEqual([]);
  expect(told.filter(({ appended }) => appended)).toHaveLength(1);
  // It goes on from the last event that it printed, and is never given the state instead.
  let seq = 0;
  const modes: string[] = [];
  for (const each of told) {
    seq = seqs(each).at(-1) ?? seq;
    if (!each.subscribed) continue;
    modes.push(each.subscribed);
    expect(each.from === 'start' ? 0 : parseCursor(each.from!)!.seq).toBe(seq);
  }
  expect(['live', 'resumed']).toContain(modes[0]);
  expect(new Set(modes.slice(1))).toEqual(new Set(['resumed']));
  expect(told.flatMap(seqs)).toEqual(journal.map((event) => event.seq));
  expect(journal.map((event) => event.seq)).toEqual(journal.map((_, index) => index + 1));
  // A program prints events whole or by their texts.
  const seen = told.flatMap((each) => each.batch?.events ?? (each.seq ? [each] : []));
  for (const [index, event] of journal.entries()) {
    const { seq, type } = event;
    expect(seen[index]).toEqual('data' in seen[index]! ? event : { seq, type, text: textOf(event) });
  }
}

function seqs(told: Told): number[] {
  return told.batch?.events.map(({ seq }) => seq) ?? (told.seq === undefined ? [] : [told.seq]);
}

/** The text of a part, else the title of a session, else nothing. */
function textOf({ type, data }: Event): string {
  if (type === 'part/updated') return 'text' in data ? data.text : '';
  return type.startsWith('session/') && 'title' in data ? (data.title ?? '') : '';
}
