// The sinks (PROTOCOL.md 7): each has a loop of its own (outlet.ts), so that the trouble of one touches no other. What is changed
// from outside goes through here.
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError, refuse, refuseParams } from '../../protocol/errors.ts';
import type { Batch, SinkFilter, SinkKind, SinkStatus } from '../../protocol/outbox.ts';
import type { Sink } from '../adapters/adapter.ts';
import { batchTransitions } from '../core/outbox.ts';
import type { BatchEntry, BatchRow, SinkRow } from '../store/outbox-rows.ts';
import type { OutletDeps } from './outlet.ts';
import { Outlet } from './outlet.ts';
import { within } from './within.ts';
import type { OnRollback } from './writer.ts';

/** Makes what speaks to a place. Throws Error, with what to do, for a url that is none. */
export type MakeSink = (kind: SinkKind, url: string, token: string | undefined) => Sink;

export type DispatchDeps = OutletDeps & {
  makeSink: MakeSink;
  /** Fires when the daemon ends. */
  signal: AbortSignal;
  /** Told of each loop that begins: the store stays open until it has ended. */
  onLoop(loop: Promise<void>): void;
};

export type NewSink = {
  name: string;
  kind: SinkKind;
  url: string;
  token?: string | undefined;
  filter?: SinkFilter | undefined;
  mask?: boolean | undefined;
};

type Running = { outlet: Outlet; stop: AbortController; ended: Promise<void> };

const maxSinks = 1_000;
/** How long the other side may take to say that it refuses, ms. */
const doorMs = 5_000;

export class Dispatch {
  readonly #deps: DispatchDeps;
  readonly #running = new Map<string, Running>();
  #isStarted = false;
  /** What is changed from outside, one after another: two at a time would leave two loops of one sink, or one that was removed. */
  #changing: Promise<unknown> = Promise.resolve();
  /** Rows that are not started yet. */
  #rows: SinkRow[];

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
    this.#rows = deps.rows.sinks();
  }

  /** Starts the loops of all that are there. */
  start(): void {
    this.#isStarted = true;
    for (const row of this.#rows.splice(0)) this.#run(row);
  }

  /** How far each has come (seq), for retention. */
  acknowledged(floor: number): number[] {
    const rows = this.#isStarted ? this.#outlets().map(({ row }) => row) : this.#rows;
    // One that lags behind the floor is sent whole sessions: nothing is kept for it.
    return rows.filter(({ seq, resync }) => seq >= floor && !resync).map(({ seq }) => seq);
  }

  list(): SinkStatus[] {
    return this.#outlets().map((outlet) => this.#status(outlet));
  }

  find(name: string): Outlet | undefined {
    return this.#running.get(name)?.outlet;
  }

  /** A sink, not one of `except`, by which the session is sent there already. */
  sending(sessionId: string, url: string, except: readonly string[]): string | undefined {
    return this.#outlets().find(
      ({ row, host }) =>
        host !== undefined &&
        row.url.replace(/\/+$/, '') === url &&
        !except.includes(row.name) &&
        this.#deps.rows.markOf(row.name, sessionId) !== undefined,
    )?.row.name;
  }

  /** A session that was left to another sink is this one's now: it is sent whole by all that are for it and go there. */
  async sendWhole(sessionId: string, url: string): Promise<void> {
    const { rows, writer, walk } = this.#deps;
    const outlets = this.#outlets().filter(({ row, host, filter }) => {
      if (host === undefined || row.url !== url || (filter.sessions && !filter.sessions.includes(sessionId)))
        return false;
      return walk.step({ ...filter, sessions: [sessionId] }, 0, walk.lastKey).ids.length > 0;
    });
    if (outlets.length === 0) return;
    await writer.write(() => {
      for (const { row } of outlets) rows.setMark(row.name, sessionId, { version: 0, seen: 0, state: 'stale' });
    });
    for (const outlet of outlets) outlet.wake();
  }

  /** What is shown at a url by a sink that is there; not by one of `except`, whose tokens are for one session. */
  tokenFor(url: string, except: readonly string[]): string | undefined {
    const rows = this.#outlets().map(({ row }) => row);
    return rows.find((row) => row.url.replace(/\/+$/, '') === url && !except.includes(row.name))?.token ?? undefined;
  }

  /** Throws AlreadyExists, LimitExceeded, or InvalidParams for a url that is none. */
  async add(asked: NewSink): Promise<SinkStatus> {
    const row = this.newRow(asked);
    // Not among the changes: one that is slow to answer must not hold them up.
    await this.#checkDoor(row);
    return this.#change(async () => {
      await this.#deps.writer.write((onRollback) => this.addRow(row, onRollback));
      return this.#status(this.find(row.name)!);
    });
  }

  /** What the other side refuses already is told at once. One that is away may come. */
  async #checkDoor({ kind, url, token }: SinkRow): Promise<void> {
    const { journal, runtime, signal } = this.#deps;
    const sink = this.#make(kind as SinkKind, url, token ?? undefined);
    if (!sink.host) return sink.close();
    const asked = {
      origin: journal.storeId,
      batchId: runtime.newId('chk'),
      through: formatCursor(journal.head),
      items: '[]',
    };
    try {
      const told = await within(runtime, doorMs, signal, (either) => sink.deliver(asked, either));
      if (told.kind === 'refused') throw new RefusedError(refuseParams(told.reason, { member: 'token' }));
    } catch (error) {
      if (error instanceof RefusedError) throw error;
    } finally {
      await sink.close();
    }
  }

  /** What a new sink begins as. Throws as `add` does. */
  newRow({ name, kind, url: asked, token, filter, mask = kind !== 'file' }: NewSink): SinkRow {
    const { journal, runtime } = this.#deps;
    // One place is named in one way.
    const url = kind === 'file' || !URL.canParse(asked) ? asked : new URL(asked).href.replace(/\/+$/, '');
    const begin = journal.floorSeq === 0 ? journal.beginning : journal.earliest;
    void this.#make(kind, url, token).close();
    return {
      ...{ name, kind, url, token: token ?? null, filter: filter ? JSON.stringify(filter) : null, mask },
      ...{ state: 'active', cursor: formatCursor(begin), seq: begin.seq, held: null, resync: begin.seq > 0 },
      ...{ lastError: null, createdAt: runtime.now() },
    };
  }

  /** Inside a transaction: writes it down, and starts it when that is on disk. */
  addRow(row: SinkRow, onRollback: OnRollback): void {
    const taken = this.#running.has(row.name);
    const twin = this.#outlets().find((other) => other.row.url === row.url && other.row.token === row.token);
    if (taken || twin) {
      const id = taken ? row.name : twin!.row.name;
      const sent = row.kind === 'file' ? 'is written into that file' : 'sends there with the same token';
      const message = taken
        ? `there is a sink ${id}: remove it first, or take another name`
        : `the sink ${id} ${sent}: give each ${row.kind === 'file' ? 'a file' : 'a token'} of its own`;
      throw new RefusedError(refuse('AlreadyExists', message, { what: 'sink', id }));
    }
    if (this.#running.size >= maxSinks) {
      const data = { limit: maxSinks, what: 'sinks' };
      throw new RefusedError(refuse('LimitExceeded', 'too many sinks: remove one', data));
    }
    this.#deps.rows.addSink(row);
    this.#run(row);
    onRollback(() => void this.#stop(row.name));
  }

  /** Throws NotFound. */
  remove(name: string): Promise<void> {
    return this.#change(async () => {
      this.#held(name);
      await this.#deps.writer.write(() => this.#deps.rows.dropSink(name));
      await this.#stop(name);
    });
  }

  /** Ends its loop; what is written down of it stays. */
  halt(name: string): Promise<void> {
    return this.#change(() => this.#stop(name));
  }

  pause(name: string): Promise<SinkStatus> {
    return this.#change(() => this.#pause(name));
  }

  async #pause(name: string): Promise<SinkStatus> {
    const { outlet } = this.#held(name);
    // What went wrong before is not why it is paused.
    const { state, lastError } = outlet.row;
    await outlet.change({ state: 'paused', lastError: state === 'paused' ? lastError : null }, false);
    return this.#status(outlet);
  }

  /** Goes on at once, also with what was set aside. */
  resume(name: string, token?: string): Promise<SinkStatus> {
    return this.#change(() => this.#resume(name, token));
  }

  async #resume(name: string, token: string | undefined): Promise<SinkStatus> {
    const { outlet } = this.#held(name);
    await outlet.change({ state: 'active', lastError: null, ...(token !== undefined && { token, held: null }) }, true);
    if (token !== undefined) {
      // It speaks with the old one.
      await this.#stop(name);
      this.#run(outlet.row);
    }
    return this.#status(this.find(name) ?? outlet);
  }

  batches(sink: string | undefined, state: Batch['state'] | undefined, limit: number, after: number) {
    if (sink !== undefined) this.#held(sink);
    const inFlight = this.#outlets().flatMap((outlet) => outlet.inFlight ?? []);
    const entries = this.#deps.rows.page(sink, state, limit, after, inFlight);
    return entries.map((entry) => ({ key: entry.key, batch: this.#batchOf(entry) }));
  }

  /** Throws NotFound, or InvalidTransition for one that is acknowledged or on its way now. */
  retry(batchId: string): Promise<Batch> {
    return this.#change(async () => {
      const { outlet, row } = this.#changeable(batchId, 'pending');
      await outlet.change({ state: 'active', lastError: null }, true);
      return this.#batchOf(this.#deps.rows.find(batchId) ?? row);
    });
  }

  /** Throws as `retry` does. */
  discard(batchId: string): Promise<void> {
    return this.#change(async () => {
      const { outlet, row } = this.#changeable(batchId, 'discarded');
      await outlet.discard(row);
    });
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(work);
    this.#changing = changed.catch(() => {});
    return changed;
  }

  /** Throws NotFound. */
  #held(name: string): Running {
    const held = this.#running.get(name);
    if (held) return held;
    throw new RefusedError(refuse('NotFound', `there is no sink ${name}`, { what: 'sink', id: name }));
  }

  #changeable(batchId: string, to: string): { outlet: Outlet; row: BatchRow } {
    const row = this.#deps.rows.find(batchId);
    const outlet = row && this.find(row.sink);
    if (!row || !outlet) {
      throw new RefusedError(refuse('NotFound', `there is no batch ${batchId}`, { what: 'batch', id: batchId }));
    }
    const from = this.#batchOf(row).state;
    if (from === 'inFlight' || batchTransitions[from].length === 0) {
      const message = from === 'inFlight' ? 'it is on its way now: pause the sink first' : 'it has arrived';
      throw new RefusedError(refuse('InvalidTransition', message, { from, to }));
    }
    return { outlet, row };
  }

  #outlets(): Outlet[] {
    return [...this.#running.values()].map(({ outlet }) => outlet);
  }

  #make(kind: SinkKind, url: string, token: string | undefined): Sink {
    try {
      return this.#deps.makeSink(kind, url, token);
    } catch (error) {
      throw new RefusedError(refuseParams(`url: ${(error as Error).message}`, { member: 'url' }));
    }
  }

  /** One that was good when it was added, and is not any more, must not keep the daemon from starting. */
  #makeOrRefuse({ kind, url, token }: SinkRow): Sink {
    try {
      return this.#make(kind as SinkKind, url, token ?? undefined);
    } catch (error) {
      const reason = (error as Error).message;
      return { deliver: async () => ({ kind: 'refused', reason }), close: async () => {} };
    }
  }

  #run(row: SinkRow): void {
    const sink = this.#makeOrRefuse(row);
    const outlet = new Outlet(this.#deps, row, sink);
    const stop = new AbortController();
    // Behind the transaction under way, in which it may be added.
    const ended = new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
      outlet.run(AbortSignal.any([this.#deps.signal, stop.signal])),
    );
    this.#running.set(row.name, { outlet, stop, ended });
    this.#deps.onLoop(ended);
  }

  async #stop(name: string): Promise<void> {
    const held = this.#running.get(name);
    if (!held) return;
    this.#running.delete(name);
    held.stop.abort();
    await held.ended.catch(() => {});
  }

  #status({ row, lag }: Outlet): SinkStatus {
    const { name, kind, url, filter, mask, state, cursor, lastError } = row;
    return {
      ...{ name, kind: kind as SinkKind, url, mask, state, cursor, lastError },
      ...(filter !== null && { filter: JSON.parse(filter) as SinkFilter }),
      lag,
    };
  }

  #batchOf({ id, sink, state, count, rejected, ...rest }: BatchEntry | BatchRow): Batch {
    const { fromSeq, toSeq, attempts, nextRetryAt, lastError } = rest;
    const isInFlight = this.find(sink)?.inFlight === id;
    return {
      ...{ batchId: id, sink, fromSeq, toSeq, attempts, nextRetryAt, lastError, items: count },
      state: isInFlight ? 'inFlight' : state,
      rejected: JSON.parse(rejected) as Batch['rejected'],
    };
  }
}
