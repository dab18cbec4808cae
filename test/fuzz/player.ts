// Plays frames against a real daemon, on several connections at once and over HTTP, and says what it should not have done. One that
// died is started anew, so that fast-check can look for the fewest frames that do it.
import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Running } from '../support/daemon.ts';
import { startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { FuzzFrame } from './frames.ts';
import type { Any } from './lane.ts';
import { answersTo, faultOf, Lane } from './lane.ts';

const laneCount = 8;
const httpLane = 0;
/** Of so many frames one is sent over HTTP, where each takes ten times as long. */
const httpShare = 25;
/** Refused a token, a connection may do nothing more: these have one of their own. */
const tokenLane = 1;
/** What GET /events may answer (PROTOCOL.md 11). */
const streamStatus = [200, 400, 401, 403, 404, 410, 429, 431, 503];
const told = ['cursor', 'head', 'earliest', 'nextPageToken', 'token', 'storeId'];

export class Player {
  readonly #home: Home;
  /** Of the round: the daemon ends a connection that is idle for 5 s, maybe just as the next request is sent on it. */
  #agent = new Agent();
  /** The newest of what the daemon told, by the names that frames have for it. */
  readonly #seen = new Map<string, string>();
  /** Answers that were no error, over the socket. */
  results = 0;
  #running: Running | undefined;
  #logRead = 0;
  #lastId = 0;
  #round = 0;

  constructor(home: Home) {
    this.#home = home;
  }

  /** Rejects with what was wrong. */
  async play(frames: FuzzFrame[]): Promise<void> {
    if (!this.#isAlive) await this.#start();
    this.#round += 1;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const sorted: string[][] = Array.from({ length: laneCount }, () => []);
    for (const { lane, text } of frames) {
      const showsToken = /initialize|capability\/redeem/.test(text);
      const at = lane % httpShare === 0 ? httpLane : 1 + (lane % (laneCount - 1));
      sorted[showsToken ? tokenLane : at]!.push(this.#filled(text));
    }
    const observer = await this.#open('line');
    observer.send(this.#records());
    await observer.answered();
    const lanes: Lane[] = [];
    const faults: string[] = [];
    try {
      const over = { isSo: false };
      const observed = this.#observe(observer, over);
      const asked = this.#overHttp(sorted[httpLane]!, faults);
      for (const [at, texts] of sorted.entries()) {
        if (at === httpLane || texts.length === 0) continue;
        const lane = await this.#open(at % 3 === 2 ? 'header' : 'line');
        lanes.push(lane);
        lane.send(['{"jsonrpc":"2.0","id":"first","method":"ping"}', ...texts]);
      }
      await Promise.all([...lanes.map((lane) => lane.settle()), asked]);
      over.isSo = true;
      await observed;
    } finally {
      this.#agent.destroy();
      for (const [at, lane] of [observer, ...lanes].entries()) {
        faults.push(...lane.faults);
        lane.close((this.#round + at) % 2 === 0);
      }
    }
    faults.push(...this.#logged());
    if (!this.#isAlive) faults.push(`the daemon ended: ${this.#running!.stderr()}`);
    if (faults.length > 0) throw new Error(faults.slice(0, 5).join('\n'));
  }

  /** Bytes that the daemon has in memory. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.#running!.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
  }

  /** Stops the daemon; how it ended, and what SQLite says of its store. */
  async stop(): Promise<{ exit: number | string; integrity: unknown }> {
    const exit = await this.#running!.kill();
    const db = new Database(join(this.#home.paths.data, 'store.db'), { readonly: true });
    try {
      return { exit, integrity: db.pragma('integrity_check', { simple: true }) };
    } finally {
      db.close();
    }
  }

  get #isAlive(): boolean {
    const child = this.#running?.process;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async #start(): Promise<void> {
    this.#running = await startDaemon(this.#home);
    const lane = await this.#open('line');
    lane.send(['{"jsonrpc":"2.0","id":1,"method":"daemon/status"}', '{"jsonrpc":"2.0","id":2,"method":"sink/list"}']);
    await lane.answered();
    lane.close(true);
  }

  #open(dialect: 'line' | 'header'): Promise<Lane> {
    return Lane.open(this.#home.paths.socket, dialect, (answer) => this.#learn(answer?.result));
  }

  /** Another connection is answered all the time; a pause in between, as it is to be no flood of its own. */
  async #observe(observer: Lane, over: { isSo: boolean }): Promise<void> {
    for (let at = 0; !over.isSo; at += 1) {
      observer.send([`{"jsonrpc":"2.0","id":${at},"method":"ping"}`]);
      await observer.answered();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #overHttp(texts: string[], faults: string[]): Promise<void> {
    await Promise.all(
      texts.map(async (text) => {
        const query = queryOf(text);
        if (query !== undefined) {
          const { status } = await this.#ask(`/events?${query}`);
          if (!streamStatus.includes(status)) faults.push(`${status} for /events of ${text}`);
          return;
        }
        const { status, body } = await this.#ask('/rpc', text);
        const answers = body === '' ? [] : [JSON.parse(body) as Any].flat();
        const ids = answers.map((answer) => JSON.stringify(answer?.id ?? null));
        const owed = answersTo(text);
        const isRight = status === (owed.length > 0 ? 200 : 204) && `${ids.sort()}` === `${owed.sort()}`;
        const fault = answers.map(faultOf).find((found) => found) ?? (isRight ? undefined : 'another answer');
        if (fault) faults.push(`${fault}: ${status} ${body} to ${text} over HTTP`);
      }),
    );
  }

  #ask(path: string, body?: string): Promise<{ status: number; body: string }> {
    const asking = new Promise<{ status: number; body: string }>((resolve, reject) => {
      const { socket: socketPath } = this.#home.paths;
      const isStream = body === undefined;
      const sent = request({
        socketPath,
        path,
        method: isStream ? 'GET' : 'POST',
        agent: isStream ? false : this.#agent,
      });
      sent.on('error', reject).on('response', (incoming) => {
        const status = incoming.statusCode!;
        let came = '';
        const done = () => {
          resolve({ status, body: came });
          if (isStream) sent.destroy();
        };
        incoming.setEncoding('utf8').on('data', (text: string) => {
          came += text;
          if (isStream) done();
        });
        incoming.on('end', done).on('error', () => {});
      });
      sent.end(body);
    });
    return within(`the answer to ${path}`, asking, () => body);
  }

  /** Of each round its own, since the ids of what is deleted stay taken. */
  #ownIds(text: string): string {
    return text.replace(/"(ses|msg|prt|trn|blk)_([a-d])"/g, `"$1_$2${this.#round}"`);
  }

  /** What there is to be found by the ids of the pools. */
  #records(): string[] {
    const made = ['a', 'b', 'c', 'd'].flatMap((name) => {
      const [sessionId, messageId] = [`ses_${name}`, `msg_${name}`];
      const model = { providerId: 'p', modelId: 'm' };
      const ask = { kind: 'question', request: { questions: [{ question: '?', header: '', options: [] }] } };
      return Object.entries({
        'session/create': { sessionId },
        'message/put': { sessionId, messageId, role: 'assistant' },
        'part/put': { sessionId, messageId, partId: `prt_${name}`, part: { type: 'text', text: 'words' } },
        'turn/start': { sessionId, turnId: `trn_${name}`, agent: 'a', model, parts: [] },
        'blocker/ask': { sessionId, blockerId: `blk_${name}`, ...ask },
      });
    });
    return made.map(([method, params], id) => this.#ownIds(JSON.stringify({ jsonrpc: '2.0', id, method, params })));
  }

  #filled(text: string): string {
    const folder = this.#home.folder;
    return this.#ownIds(text).replace(/"<<([a-zA-Z]+)(?: (\d))?>>"/g, (_, name: string, at = '0') => {
      switch (name) {
        case 'id':
          this.#lastId += 1;
          return String(this.#lastId);
        case 'huge':
          return '1e999';
        case 'deep':
          return '['.repeat(3_000) + ']'.repeat(3_000);
        case 'long':
          return JSON.stringify('x'.repeat(70_000));
        case 'folder':
          return JSON.stringify(join(folder, `watched-${at}`));
        case 'copy':
          return JSON.stringify(join(folder, `copy-${at}.db`));
        case 'file':
          return JSON.stringify(join(folder, `sent-${this.#lastId % 3}.jsonl`));
        case 'host':
          // Nobody listens there: it is refused at once.
          return '"http://127.0.0.1:1/"';
        default:
          return JSON.stringify(this.#seen.get(name) ?? '');
      }
    });
  }

  #learn(result: Any): void {
    if (typeof result !== 'object' || result === null) return;
    this.results += 1;
    for (const name of told) if (typeof result[name] === 'string') this.#seen.set(name, result[name]);
    const { capability, items, text } = result;
    if (capability) this.#seen.set('capabilityId', capability.id);
    if (typeof items?.[0]?.batchId === 'string') this.#seen.set('batchId', items[0].batchId);
    if (typeof text === 'string' && text.startsWith('{"format"') && text.length < 20_000)
      this.#seen.set('export', text);
  }

  /** The unforeseen that it told its log alone: of a notification nobody else hears. */
  #logged(): string[] {
    const path = join(this.#home.paths.log, 'sessiond.log');
    const log = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const lines = log.slice(this.#logRead).split('\n');
    this.#logRead = log.length;
    return lines.filter((line) => line.startsWith('{') && JSON.parse(line).level >= 50);
  }
}

/** What GET /events is asked with, of a subscription; undefined for anything else. */
function queryOf(text: string): string | undefined {
  if (!text.startsWith('{"jsonrpc":"2.0"') || !text.includes('"method":"events/subscribe"')) return undefined;
  const query = new URLSearchParams();
  for (const [, name, value] of text.matchAll(/"(\w+)":("[^"]*"|\w+)/g)) query.set(name!, value!.replaceAll('"', ''));
  return query.toString();
}
