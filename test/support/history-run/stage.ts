// Where a run plays: the daemon, which dies and comes back over the same store, and what its actors wait for.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseCursor } from '../../../protocol/cursor.ts';
import type { Event } from '../../../protocol/schema.ts';
import type { DaemonProcessOptions, Running } from '../daemon.ts';
import { startDaemon } from '../daemon.ts';
import { within } from '../deadline.ts';
import type { Disk } from '../disk.ts';
import type { Fault } from '../faults.ts';
import { inject } from '../faults.ts';
import type { Home } from '../home.ts';
import type { Bounds, History, RunPlan } from './history.ts';
import type { OnMessage, Reply } from './line.ts';
import { Line } from './line.ts';
import type { LineDialect } from './line-end.ts';

/** A daemon whose disk loses its power where another would be killed. */
export type Power = { disk: Disk; daemon: DaemonProcessOptions };

export class Stage {
  readonly home: Home;
  readonly history: History;
  /** Ops that were answered for good, of all that will be sent: from 0 to 1. */
  progress = 0;
  /** Every writer is done, and nothing more will be written. */
  isOver = false;
  /** The newest seq that anybody was told. */
  seen = 0;
  #n = 0;
  #running: Running | undefined;
  #isUp = false;
  readonly #waiting = new Set<() => void>();
  #failed: unknown;
  readonly #power: Power | undefined;

  constructor(home: Home, seed: number, plan: RunPlan, power?: Power) {
    this.home = home;
    this.#power = power;
    this.history = {
      seed,
      plan,
      lives: [],
      created: {},
      outcomes: [],
      rejected: [],
      again: [],
      streams: [],
      acks: [],
      reads: [],
    };
    mkdirSync(dirname(home.paths.config), { recursive: true, mode: 0o700 });
    const { maxEvents, maxLagEvents } = plan;
    const lines = Object.entries({ maxEvents, maxLagEvents }).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key} = ${value}`],
    );
    const sources = ['claude-code', 'codex', 'opencode', 'gemini', 'copilot', 'qwen', 'pi'];
    const off = sources.map((kind) => `${kind} = false`);
    writeFileSync(home.paths.config, ['[retention]', ...lines, '[sources]', ...off, ''].join('\n'));
  }

  /** The number of what happens now: all that happens in a run has one order. */
  next(): number {
    this.#n += 1;
    return this.#n;
  }

  get life(): number {
    return this.history.lives.length - 1;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Starts the daemon, and reads its whole journal before anybody else may speak to it. */
  async start(): Promise<void> {
    const running = await startDaemon(this.home, this.#power?.daemon);
    this.#running = running;
    const startedAt = Date.now();
    const line = await this.#look();
    if (!line) throw new Error(`nobody listens: ${running.stderr()}`);
    const bounds = await boundsOf(line);
    if (!bounds) throw new Error(`no status: ${running.stderr()}`);
    const audit = await readJournal(line, bounds.earliest);
    line.close();
    this.history.lives.push({ pid: running.pid, startedAt, bounds, audit });
    this.#isUp = true;
    this.wake();
  }

  /** Ends the daemon. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#isUp = false;
    const power = signal === 'SIGKILL' ? this.#power : undefined;
    power?.disk.losePower();
    const exit = await (power
      ? within('the power to be gone', this.#running!.exit, () => this.stderr)
      : this.#running!.kill(signal));
    const expected = signal === 'SIGTERM' ? 0 : signal;
    if (exit !== expected) throw new Error(`the daemon ended with ${exit} on ${signal}: ${this.#running!.stderr()}`);
    const life = this.history.lives.at(-1)!;
    life.end = signal;
    life.endedAt = Date.now();
  }

  /** Injects a fault. Resolves with whether it ended the daemon, where not when the run has gone on by `lasts`, and without it then. */
  async suffer(fault: Fault, lasts: number): Promise<boolean> {
    const running = this.#running!;
    this.history.lives.at(-1)!.suffered = true;
    const letGo = await inject(running.pid, fault);
    const until = Math.min(1, this.progress + lasts);
    let exit: number | string | undefined;
    void running.exit.then((code) => {
      exit = code;
      this.#isUp = false;
      this.wake();
    });
    await this.whileWritten('a fault', () => exit !== undefined || this.progress >= until);
    await letGo();
    // One that is ending answers no more.
    if (exit === undefined && (await this.bounds())) return false;
    await within('the daemon to end', running.exit, () => this.stderr);
    if (exit !== 1 && exit !== 'SIGKILL') throw new Error(`the daemon ended with ${exit}: ${this.stderr}`);
    const life = this.history.lives.at(-1)!;
    life.end = exit === 1 ? 'io' : exit;
    life.endedAt = Date.now();
    return true;
  }

  get stderr(): string {
    return this.#running?.stderr() ?? '';
  }

  /** A connection to the daemon, of this life or a later one; undefined when the run failed. */
  async connect(dialect: LineDialect, onMessage: OnMessage, pause?: () => Promise<void>): Promise<Line> {
    for (;;) {
      await this.until('the daemon to be up', () => this.#isUp);
      const line = await Line.open(this.home.paths.socket, dialect, onMessage, () => this.wake(), pause);
      if (line) return line;
      // It died a moment ago, and its end is not told yet.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** As boundsOf, over a connection of its own, for readers whose connections take no calls. */
  async bounds(): Promise<Bounds | undefined> {
    const line = await this.#look();
    const bounds = line && (await boundsOf(line));
    line?.close();
    return bounds;
  }

  /** Resolves once `condition` holds. It is looked at whenever something happened in the run. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const wait = async () => {
      while (!condition()) {
        if (this.#failed) throw this.#failed;
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    };
    await within(what, wait(), () => this.describe());
  }

  /** The same, for what comes only when enough is written: the deadline is one for silence, not for slow machines. */
  async whileWritten(what: string, condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { progress } = this;
      await this.until(what, () => condition() || this.progress > progress);
    }
  }

  /** Something happened. */
  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const each of waiting) each();
  }

  /** Ends every wait of the run with `error`. */
  fail(error: unknown): void {
    this.#failed ??= error;
    this.wake();
  }

  /** A cursor or an event was told to somebody. */
  told(seq: number): void {
    if (seq > this.seen) this.seen = seq;
  }

  /** For the message of a wait that took too long. */
  async describe(): Promise<unknown> {
    const line = this.#isUp ? await this.#look() : undefined;
    // A daemon that hangs may be why.
    const asked = line?.call('daemon/status', {}).then((reply) => reply?.result);
    const status = await within('its status', Promise.resolve(asked), () => '', 2_000).catch(String);
    line?.close();
    const last = this.history.streams.slice(-12).map(({ who, life, end, entries, answer }) => ({
      ...{ who, life, end, answer: answer && ('error' in answer ? answer.error : answer.result) },
      last: entries.slice(-2).map((entry) => JSON.stringify(entry).slice(0, 200)),
    }));
    return { seed: this.history.seed, progress: this.progress, isOver: this.isOver, status, last };
  }

  /** A connection that is told nothing; undefined when nobody listens. */
  #look(): Promise<Line | undefined> {
    const nothing = () => {};
    return Line.open(this.home.paths.socket, 'line', nothing, nothing);
  }
}

/** Where the journal begins and ends now; undefined when the connection ended. */
export async function boundsOf(line: Line): Promise<Bounds | undefined> {
  const reply = await line.call('daemon/status', {});
  if (!reply) return undefined;
  const { earliest, head } = resultOf(reply);
  return { earliest, head };
}

/** All events behind `after`. Where retention passes the place meanwhile, from where it begins then. */
export async function readJournal(line: Line, after: string): Promise<Event[]> {
  let events: Event[] = [];
  let from = after;
  for (let more = true; more; ) {
    const reply = await line.call('events/read', { after: from, limit: 1_000 });
    if (reply?.error?.data?.kind === 'CursorExpired') {
      from = reply.error.data.earliest as string;
      events = [];
      continue;
    }
    const page = resultOf(reply);
    events.push(...page.events);
    from = page.cursor;
    more = page.more;
  }
  return events;
}

// biome-ignore lint/suspicious/noExplicitAny: what a stranger sends is looked into without types
export function resultOf(reply: Reply | undefined): any {
  if (!reply || reply.error) throw new Error(`refused: ${JSON.stringify(reply ?? 'the connection ended')}`);
  return reply.result;
}

export function seqOf(cursor: string): number {
  const parsed = parseCursor(cursor);
  if (!parsed) throw new Error(`not a cursor: ${cursor}`);
  return parsed.seq;
}
