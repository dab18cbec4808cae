// One subscription, from its answer to its end: ordered, complete, nothing twice, every gap told, each place told after the
// one before it.
import type { Event } from '../../../protocol/schema.ts';
import { isKeptFor } from './check-start.ts';
import type { Findings } from './findings.ts';
import type { Entry, History, Read, Stream } from './history.ts';
import type { Match, Truth } from './truth.ts';
import { isSameOp } from './truth.ts';

const batchBytes = 256 * 1024;
const defaultMaxBatch = 200;
/** What a frame holds beside its events. */
const envelopeBytes = 1_024;

/**
 * `snapshot`: state follows. `replay`: what was there at the beginning follows. `live`: it was told that it has caught up.
 * `reset`: it was told that it was passed.
 */
type State = 'snapshot' | 'replay' | 'live' | 'reset' | 'ended';

type Of<K extends Entry['kind']> = Extract<Entry, { kind: K }>;

/** Checks a stream that was started. */
export function checkStream(stream: Stream, history: History, truth: Truth, findings: Findings): void {
  if (stream.answer && 'result' in stream.answer) new StreamCheck(stream, history, truth, findings).run();
}

class StreamCheck {
  readonly #stream: Stream;
  readonly #history: History;
  readonly #truth: Truth;
  readonly #findings: Findings;
  readonly #match: Match;
  #state: State;
  #told: string;
  /** It has caught up no sooner than here. */
  #target: number;
  /** When the last page of a snapshot came. */
  #snapshotAt = 0;
  /** Of an op that comes in pieces: its events so far. */
  #pieces: Event[] = [];
  #pieceBytes = 0;

  constructor(stream: Stream, history: History, truth: Truth, findings: Findings) {
    this.#stream = stream;
    this.#history = history;
    this.#truth = truth;
    this.#findings = findings;
    const { filter, deltas } = stream.params;
    this.#match = { filter, deltas };
    const { result } = stream.answer as { result: { mode: string; cursor: string; head: string } };
    this.#state = result.mode === 'snapshot' ? 'snapshot' : 'replay';
    this.#told = result.cursor;
    this.#target = this.#seq(result.head);
  }

  run(): void {
    for (const entry of this.#stream.entries) {
      // What the reader does itself may fall behind an end that is on its way.
      const isOwn = entry.kind === 'stall' || entry.kind === 'unsubscribe';
      if (this.#state === 'ended' && !isOwn) this.#wrong(`was told ${entry.kind} after its end`);
      else if (this.#pieces.length > 0 && !isOwn && !['batch', 'reset', 'ended', 'sync'].includes(entry.kind)) {
        this.#wrong(`was told ${entry.kind} in the midst of an op`);
      } else this.#take(entry);
    }
  }

  #take(entry: Entry): void {
    switch (entry.kind) {
      case 'batch':
        this.#batch(entry);
        return;
      case 'snapshot':
        this.#snapshot(entry);
        return;
      case 'caughtUp':
        this.#caughtUp(entry);
        return;
      case 'bookmark':
        this.#bookmark(entry);
        return;
      case 'reset':
        this.#reset(entry);
        return;
      case 'ended':
        this.#ended(entry);
        return;
      case 'sync':
        this.#sync(entry);
        return;
      case 'unknown':
        this.#wrong(`was told ${entry.method}`);
        return;
      case 'stall':
      case 'unsubscribe':
        this.#findings.count(entry.kind);
    }
  }

  #batch(entry: Of<'batch'>): void {
    this.#expect('a batch', ['replay', 'live']);
    this.#expectPrev(entry.prev);
    const { events, more, cursor } = entry;
    // Of an op in pieces the rest may be what the filter leaves out; then its last piece tells only the place.
    if (events.length === 0 && this.#pieces.length === 0) this.#wrong('was told a batch of nothing');
    if ((more === true) !== (cursor === undefined))
      this.#wrong(`was told a batch with cursor ${cursor} and more ${more}`);
    const isWithin = entry.bytes <= batchBytes + envelopeBytes + events.length;
    const isOneOp = events.every((event) => isSameOp(event, events[0]!));
    if (more || this.#pieces.length > 0) {
      this.#piece(entry, isWithin);
      return;
    }
    if (!isWithin && (!isOneOp || events.length > 1))
      this.#wrong(`a batch of ${entry.bytes} bytes, ${events.length} events`);
    const { maxBatch = defaultMaxBatch } = this.#stream.params;
    const beforeLastOp = events.findIndex((event) => isSameOp(event, events.at(-1)!));
    if (beforeLastOp >= maxBatch) this.#wrong(`a batch of ${events.length} events, where ${maxBatch} were asked for`);
    if (cursor !== undefined) this.#move(cursor, events);
  }

  /** A piece of an op; behind the end of the op its last piece may go on with whole ops. */
  #piece({ events, more, cursor, bytes }: Of<'batch'>, isWithin: boolean): void {
    if (!isWithin && events.length > 1) this.#wrong(`a piece of ${bytes} bytes with ${events.length} events`);
    const [first = events[0]!] = this.#pieces;
    const ofOp = events.filter((event) => isSameOp(event, first));
    if (more && ofOp.length < events.length) this.#wrong(`a piece of ${first.opId} holds another op`);
    this.#pieces.push(...events);
    this.#pieceBytes += ofOp.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)) + 1, 0);
    if (more) return;
    this.#findings.count('op in pieces');
    if (this.#pieceBytes <= batchBytes * 0.8) this.#wrong(`${first.opId} came in pieces, of ${this.#pieceBytes} bytes`);
    this.#pieceBytes = 0;
    if (cursor !== undefined) this.#move(cursor, this.#pieces.splice(0));
  }

  #snapshot({ n, done, cursor }: Of<'snapshot'>): void {
    const isReset = this.#state === 'reset';
    this.#expect('a snapshot', ['snapshot', 'reset']);
    if (done !== (cursor !== undefined)) this.#wrong(`was told a snapshot with done ${done} and cursor ${cursor}`);
    if (done) this.#snapshotAt = n;
    this.#state = done ? 'replay' : isReset ? 'reset' : 'snapshot';
    if (cursor === undefined) return;
    const seq = this.#seq(cursor);
    // `cursor` of the answer is where it starts. Behind a reset it goes on from a place that it did not reach.
    if (!isReset && cursor !== this.#told) this.#wrong(`the snapshot is at ${cursor}, the answer said ${this.#told}`);
    if (isReset && seq <= this.#seq(this.#told)) this.#wrong(`was reset back from ${this.#told} to ${cursor}`);
    this.#target = Math.max(this.#target, seq);
    this.#told = cursor;
    this.#findings.count(isReset ? 'snapshot after a reset' : 'snapshot');
    if (isReset) this.#findings.count(`snapshot after a reset over ${this.#stream.dialect}`);
  }

  #caughtUp({ prev, cursor }: Of<'caughtUp'>): void {
    this.#expect('caughtUp', ['replay']);
    this.#expectPrev(prev);
    this.#move(cursor, []);
    if (this.#seq(cursor) < this.#target)
      this.#wrong(`was told at ${cursor} that it has caught up with ${this.#target}`);
    this.#state = 'live';
    this.#findings.count('caughtUp');
  }

  #bookmark({ prev, cursor, head }: Of<'bookmark'>): void {
    this.#expect('a bookmark', ['replay', 'live']);
    this.#expectPrev(prev);
    this.#move(cursor, []);
    if (this.#seq(head) < this.#seq(cursor)) this.#wrong(`the bookmark ${cursor} is ahead of its head ${head}`);
    if (this.#stream.params.bookmarkMs === undefined) this.#findings.count('bookmark by default');
    this.#findings.count('bookmark');
  }

  #reset({ reason, earliest, head }: Of<'reset'>): void {
    this.#expect('a reset', ['replay', 'live', 'snapshot', 'reset']);
    if (reason !== 'CursorExpired') this.#wrong(`was reset because of ${reason}`);
    const seq = this.#seq(earliest);
    if (seq <= this.#seq(this.#told)) this.#wrong(`was reset at ${this.#told}, which is not before ${earliest}`);
    if (this.#seq(head) < seq) this.#wrong(`was told an earliest ${earliest} ahead of head ${head}`);
    const { retention } = this.#history.plan;
    if (retention === 'keepAll') this.#wrong('was reset although all is kept');
    if (isKeptFor(this.#stream, this.#history)) this.#wrong('was reset although what it has not acknowledged is kept');
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#state = 'reset';
    this.#findings.count('reset');
    if (this.#stream.entries.some(({ kind }) => kind === 'stall'))
      this.#findings.count('reset of a reader that stalled');
  }

  #ended({ reason, n }: Of<'ended'>): void {
    const { params, entries, life } = this.#stream;
    const isDue: Record<string, () => boolean> = {
      unsubscribed: () => entries.some((entry) => entry.kind === 'unsubscribe' && entry.n < n),
      takenOver: () =>
        params.name !== undefined &&
        this.#history.streams.some(
          (other) =>
            other !== this.#stream && other.params.name === params.name && other.n > this.#stream.n && other.n < n,
        ),
      shuttingDown: () => ['SIGTERM', 'io'].includes(this.#history.lives[life]?.end ?? ''),
      expired: () => this.#state === 'reset' && params.snapshot === 'never',
    };
    if (!isDue[reason]?.()) this.#wrong(`was ended as ${reason}, in state ${this.#state}`);
    if (this.#state === 'reset' && params.snapshot === 'never' && reason !== 'expired' && reason !== 'shuttingDown') {
      this.#wrong(`was reset under never and ended as ${reason}`);
    }
    this.#state = 'ended';
    this.#findings.count(`ended ${reason}`);
  }

  #sync({ asked, cursor, atLeast }: Of<'sync'>): void {
    const seq = this.#seq(cursor);
    if (seq < atLeast) this.#wrong(`a fence at ${cursor}, asked for when ${atLeast} was there`);
    // One that was set before the end of a snapshot may be passed before the reader has caught up with what was there then.
    const isOfBefore = this.#state === 'replay' && asked < this.#snapshotAt;
    if (this.#state !== 'live' && !isOfBefore) this.#wrong(`passed a fence in state ${this.#state}`);
    if (this.#state === 'live' || isOfBefore) this.#expectNone(this.#seq(this.#told), seq, 'passed a fence');
    this.#findings.count('sync');
  }

  /** It was handed `events`, and told that this is all up to `cursor`. */
  #move(cursor: string, events: Event[]): void {
    const [from, to] = [this.#seq(this.#told), this.#seq(cursor)];
    if (to < from || (events.length > 0 && to === from)) this.#wrong(`went back from ${this.#told} to ${cursor}`);
    checkStep({ from, to, events }, this.#match, this.#truth, (what) => this.#wrong(what));
    if (this.#truth.isInsideOp(to)) this.#wrong(`was told ${cursor}, in the midst of ${this.#truth.at(to)!.opId}`);
    this.#told = cursor;
  }

  #expectNone(from: number, to: number, what: string): void {
    const missed = this.#truth.between(from, to).filter((event) => this.#truth.matches(event, this.#match));
    if (missed.length > 0) this.#wrong(`${what} at ${to} without ${list(missed)}`);
  }

  #expect(what: string, states: State[]): void {
    if (!states.includes(this.#state)) this.#wrong(`was told ${what} in state ${this.#state}`);
  }

  #expectPrev(prev: string): void {
    if (prev !== this.#told) this.#wrong(`prev is ${prev}, and it was told ${this.#told} before`);
  }

  #seq(cursor: string): number {
    return this.#truth.cursor(cursor, this.#name);
  }

  #wrong(what: string): void {
    this.#findings.wrong(`${this.#name}: ${what}`);
  }

  get #name(): string {
    const { who, life, n } = this.#stream;
    return `${who} (life ${life}, #${n})`;
  }
}

type Step = { from: number; to: number; events: Event[] };

/** The events of a step from one place to the next must be all that match and lie between them, in order. */
function checkStep({ from, to, events }: Step, match: Match, truth: Truth, wrong: (what: string) => void): void {
  let last = from;
  for (const { seq } of events) {
    if (seq <= last) wrong(`was told seq ${seq} behind ${last}`);
    last = Math.max(last, seq);
  }
  if (last > to) wrong(`was told seq ${last}, which is ahead of the cursor ${to}`);
  const strange = events.filter((event) => !truth.matches(event, match));
  if (strange.length > 0) wrong(`was told ${list(strange)}, which its filter does not match`);
  const seqs = new Set(events.map(({ seq }) => seq));
  const missed = truth.between(from, to).filter((event) => !seqs.has(event.seq) && truth.matches(event, match));
  if (missed.length > 0) wrong(`came from ${from} to ${to} without ${list(missed)}`);
  const isUnfiltered = match.deltas !== false && Object.keys(match.filter ?? {}).length === 0;
  if (isUnfiltered && seqs.size !== to - from) wrong(`came from ${from} to ${to} with ${seqs.size} events`);
}

/** Checks one events/read. */
export function checkRead(read: Read, history: History, truth: Truth, findings: Findings): void {
  const { who, life, params, before, answer, error } = read;
  const name = `${who} (life ${life}, after ${params.after})`;
  const wrong = (what: string) => findings.wrong(`${name}: ${what}`);
  const from = truth.cursor(params.after, name);
  if (error) {
    const { kind, earliest } = error.data ?? {};
    if (kind === 'ShuttingDown') return;
    findings.count(`read ${kind}`);
    if (kind !== 'CursorExpired' || history.plan.retention === 'keepAll')
      wrong(`was refused with ${JSON.stringify(error)}`);
    else if (truth.cursor(String(earliest), name) <= from) wrong(`expired, and earliest is ${earliest}`);
    return;
  }
  if (!answer) return;
  findings.count('read');
  const to = truth.cursor(answer.cursor, name);
  if (from < truth.cursor(before.earliest, name)) wrong(`was answered although earliest was ${before.earliest}`);
  if (to < from) wrong(`went back to ${answer.cursor}`);
  checkStep({ from, to, events: answer.events }, { filter: params.filter }, truth, wrong);
  const { events, more } = answer;
  if (!more && to < truth.cursor(before.head, name))
    wrong(`was told that ${answer.cursor} is all, and head was ${before.head}`);
  // A page may end inside an op, where a notification never tells a place.
  if (events.length > (params.limit ?? 100))
    wrong(`was given ${events.length} events, where ${params.limit} were asked for`);
}

const list = (events: Event[]) =>
  `${events.length} events: ${events.slice(0, 5).map(({ seq, type, sessionId }) => `${seq} ${type} ${sessionId}`)}`;
