// A store that has grown to so many events. A few sessions are written by the daemon's own writer, op by op, as clients
// would; then their rows are copied under other ids.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Bell } from '../../daemon/engine/bell.ts';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { Writer } from '../../daemon/engine/writer.ts';
import { Journal } from '../../daemon/store/journal.ts';
import type { Db, OpenStore } from '../../daemon/store/open.ts';
import { openStore } from '../../daemon/store/open.ts';
import { Tables } from '../../daemon/store/tables.ts';
import type { Op } from '../../protocol/schema.ts';
import { copyMark, copyNumber, copyRows } from './row-copies.ts';

// A build-time switch; this runs from source.
Object.assign(globalThis, { __FAILPOINTS__: false });

export type Grown = {
  /** A session of 100 messages, and the long one. */
  shortSession: string;
  longSession: string;
  /** So many words there are that stand in three parts each, of three sessions. */
  words: number;
};

/** The word with this number, from 0. */
export const rareWord = (number: number) => `case${copyNumber(number + 1)}`;

const shortMessages = 100;
/** Of the sessions that are copied: some are short. */
const turnsOfSessions = [2, 4, 8];
/** Old enough to be past, young enough to be kept. */
const ageMs = 20 * 24 * 3600_000;

/**
 * Makes `store.db` in `folder` with about `events` events, 3 for each of the `longMessages` among them; its search index is
 * left to the daemon. `tell`: how many there are.
 */
export async function growStore(
  folder: string,
  events: number,
  longMessages: number,
  tell: (events: number) => void,
): Promise<Grown> {
  const kinds = await writeKinds(folder);
  const db = new Database(join(folder, 'store.db'));
  try {
    db.pragma('synchronous = OFF');
    db.pragma('journal_mode = OFF');
    db.pragma('cache_size = -1000000');
    db.pragma('foreign_keys = OFF');
    addMessages(db, kinds.short, shortMessages, tell);
    addMessages(db, kinds.long, longMessages, tell);
    const { from, to } = kinds.conversations;
    const before = db.prepare('SELECT head_seq FROM store').pluck().get() as number;
    const copies = Math.max(1, Math.ceil((events - before) / (to - from + 1)));
    const series = { from, to, copies, sessions: turnsOfSessions.length, versions: 0, messages: 0 };
    copyRows(db, series, (done) => tell(before + done * (to - from + 1)));
    // The index of op ids is written by whoever puts them.
    db.exec(`
      DELETE FROM ledger_key;
      INSERT INTO ledger_key SELECT op_key, entry FROM ledger ORDER BY op_key, entry;
      UPDATE store SET ledger_keyed = (SELECT max(entry) FROM ledger)`);
    // Listed in the order that they were made in, and not all of one millisecond.
    const updatedAt = 'updated_at + key';
    db.exec(`UPDATE session SET updated_at = ${updatedAt}, record = json_set(record, '$.updatedAt', ${updatedAt})`);
    return { shortSession: kinds.short.session, longSession: kinds.long.session, words: copies };
  } finally {
    db.close();
  }
}

/** Has the one message of a session there `count` times, and what follows from that in its session. */
function addMessages(db: Db, kind: MessageKind, count: number, tell: (events: number) => void): void {
  const { session, from, to } = kind;
  const each = to - from + 1;
  const series = { from, to, copies: count - 1, sessions: 0, versions: each, messages: 1 };
  copyRows(db, series, (copies) => tell(copies * each));
  const record = `json_set(record, '$.messageCount', @count, '$.version', 1 + ${each} * @count)`;
  const own = `next_message = @count, changed_seq = (SELECT head_seq FROM store), record = ${record}`;
  db.prepare(`UPDATE session SET ${own} WHERE id = @session`).run({ session, count });
}

type Span = { from: number; to: number };
type MessageKind = Span & { session: string };

/** A new store with one of each that is copied, and where it stands. */
async function writeKinds(folder: string): Promise<{ short: MessageKind; long: MessageKind; conversations: Span }> {
  const store = openStore(folder);
  try {
    const kinds = new Kinds(store);
    const ofMessages = async (session: string) => {
      await kinds.session(session, 'A session of messages');
      return { session, ...(await kinds.span(() => kinds.message(session))) };
    };
    return {
      short: await ofMessages('ses_short'),
      long: await ofMessages('ses_long'),
      conversations: await kinds.span(async () => {
        for (const turns of turnsOfSessions) await kinds.conversation(turns);
      }),
    };
  } finally {
    store.close();
  }
}

/** Writes what is copied, with the mark in every id. */
class Kinds {
  readonly #journal: Journal;
  readonly #writer: Writer;
  #ids = 0;

  constructor(store: OpenStore) {
    const quiet = { info() {}, warn() {}, error() {} };
    const now = () => Date.now() - ageMs;
    const runtime = { ...systemRuntime(quiet), now, newId: (prefix: string) => this.#newId(prefix) };
    this.#journal = new Journal(store.db);
    this.#writer = new Writer(store, this.#journal, new Tables(store.db, this.#journal), new Bell(), runtime, () => {});
  }

  /** The events that `write` makes. */
  async span(write: () => Promise<void>): Promise<Span> {
    const from = this.#journal.head.seq + 1;
    await write();
    return { from, to: this.#journal.head.seq };
  }

  /** As long as the daemon's own, and like them in the order that they were made in. */
  #newId(prefix: string): string {
    this.#ids += 1;
    return `${prefix}_${copyMark}${String(this.#ids).padStart(16, '0')}`;
  }

  session(sessionId: string | undefined, title: string): Promise<Record<string, string>> {
    const params = { ...(sessionId && { sessionId }), title, directory: '/home/dev/project', agent: 'bench' };
    return this.#op('session/create', params);
  }

  /** A message of two parts. */
  async message(sessionId: string): Promise<void> {
    const { messageId } = await this.#op('message/put', { sessionId, role: 'assistant' });
    const put = (part: object) => this.#op('part/put', { sessionId, messageId, part });
    await put({ type: 'text', text: prose(30) });
    await put({ type: 'tool', callId: 'call', tool: 'read', state: 'completed', output: prose(20) });
  }

  async conversation(turns: number): Promise<void> {
    const { sessionId } = await this.session(undefined, `Session ${copyMark} of ${turns} turns`);
    for (let turn = 0; turn < turns; turn += 1) {
      const first = turn === 0 ? `case${copyMark} ` : '';
      const asked = { agent: 'bench', model: { providerId: 'p', modelId: 'm' }, parts: [text(first + prose(15))] };
      const { turnId } = await this.#op('turn/start', { sessionId, ...asked });
      const { messageId } = await this.#op('message/put', { sessionId, turnId, role: 'assistant' });
      const tool = { type: 'tool', callId: `call-${turn}`, tool: 'bash', input: { command: prose(5) } };
      const running = { sessionId, messageId, part: { ...tool, state: 'running' } };
      const { partId } = await this.#op('part/put', running);
      const output = prose(30);
      await this.#op('part/put', { ...running, partId, part: { ...tool, state: 'completed', output } });
      for (let part = 0; part < 4; part += 1)
        await this.#op('part/put', { sessionId, messageId, part: text(prose(25)) });
      if (turn % 4 === 0) {
        const request = { permission: 'bash' };
        const { blockerId } = await this.#op('blocker/ask', { sessionId, turnId, kind: 'permission', request });
        await this.#op('blocker/answer', { sessionId, blockerId, answer: { decision: 'once' } });
      }
      await this.#op('turn/finish', { turnId, state: 'completed', parts: [text(prose(20))] });
    }
  }

  async #op(type: Op['type'], params: object): Promise<Record<string, string>> {
    const opId = this.#newId('op').padEnd(36, '0');
    const author = { principal: 'owner', actorId: 'bench/c1' };
    const { ids } = await this.#writer.appendOne(author, { type, params, opId } as Op);
    return ids;
  }
}

const text = (words: string) => ({ type: 'text', text: words });

/** So many words, of some 2,000 different ones. */
let said = 0;
function prose(words: number): string {
  const syllables = ['ka', 'lo', 'mi', 'ne', 'pu', 'ra', 'so', 'ti', 'va', 'we', 'zo', 'du', 'fe'];
  return Array.from({ length: words }, () => {
    said = (said * 1_103_515_245 + 12_345) % 2 ** 31;
    const [a, b, c] = [said % 13, Math.floor(said / 13) % 13, Math.floor(said / 169) % 13];
    return syllables[a]! + syllables[b]! + syllables[c]!;
  }).join(' ');
}
