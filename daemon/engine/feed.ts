// The only reader loop: a subscription is a cursor and a bell. Replay and live are the same lines (P6), a stalled reader
// holds one batch and never a queue (P7), and markers go through the same `send` as the events (P5).

import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Journal } from '../store/journal.ts';
import type { Bell } from './bell.ts';
import type { Retention } from './retention.ts';
import type { Runtime } from './runtime.ts';
import type { SharedQuery, SharedReads } from './shared-reads.ts';
import type { SnapshotDeps } from './snapshot.ts';
import { Snapshot } from './snapshot.ts';

/**
 * Where a feed goes to. `send` waits until the reader has room, then calls `params` and sends what it gives, JSON text
 * without its braces, or nothing; it resolves when the reader can take more. So a stalled reader's feeds hold no text.
 */
export type FeedSink = { send(method: string, params: () => string | undefined): Promise<void> };

export type FeedOptions = {
  /** Where the events begin: behind it. */
  from: Cursor;
  query: SharedQuery;
  /** The state is sent first, as it is at `from` or later. */
  startsWithSnapshot: boolean;
  /** Whether the state is sent also where retention passes the reader; else the feed ends there. */
  mendsGaps: boolean;
  /** After so long a silence, in ms, the reader is told how far it is. */
  bookmarkMs: number;
  /** Whether its reader may not read any more. */
  isRevoked(): boolean;
};

export type FeedDeps = SnapshotDeps & {
  journal: Journal;
  retention: Pick<Retention, 'floor'>;
  reads: SharedReads;
  bell: Bell;
  runtime: Runtime;
};

export type EndReason = 'unsubscribed' | 'takenOver' | 'revoked' | 'expired' | 'shuttingDown';

export class Feed {
  readonly #deps: FeedDeps;
  readonly #journal: Journal;
  readonly #sink: FeedSink;
  readonly #options: FeedOptions;
  readonly #over = new AbortController();
  #cursor: Cursor;
  #told: string;
  /** The cursor stands at the end of an op: inside one, nothing is told that could be resumed from. */
  #isAtOp = true;
  /** The reader was sent a piece of an op whose rest is to come. */
  #owesRest = false;
  #isStart: boolean;
  /** Up to here it was there when the reader subscribed, or when its snapshot was done; undefined once it was told so. */
  #target: number | undefined;
  #isRunning = false;
  #ended: EndReason | undefined;
  /** Ends the wait for the bell under way. */
  #wake: () => void = () => {};
  #idle = false;
  #sentAt: number;
  #bookmarkDue = false;
  #fences: { seq: number; resolve: (cursor: Cursor | undefined) => void }[] = [];

  constructor(deps: FeedDeps, sink: FeedSink, options: FeedOptions) {
    this.#deps = deps;
    this.#journal = deps.journal;
    this.#sink = sink;
    this.#options = options;
    this.#cursor = options.from;
    this.#isStart = options.startsWithSnapshot;
    this.#told = formatCursor(options.from);
    this.#sentAt = deps.runtime.monotonic();
  }

  /** Length of what it keeps to know its events by. */
  get filterUnits(): number {
    return this.#options.query.key.length;
  }

  /** Events of the journal that this feed has not looked at yet. */
  get lag(): number {
    return this.#journal.head.seq - this.#cursor.seq;
  }

  /** Whether it was begun; before that nobody was told of it. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Ends the loop after the notification under way; the reader is told why. */
  end(reason: EndReason): void {
    this.#ended ??= reason;
    this.#wake();
  }

  /**
   * Resolves after everything up to the head of this moment was handed to the reader, in order with it: whoever answers
   * then answers behind those events. With undefined when the feed ended before.
   */
  sync(): Promise<Cursor | undefined> {
    const { seq } = this.#journal.head;
    if (this.#cursor.seq >= seq && this.#idle) return Promise.resolve(this.#cursor);
    return new Promise((resolve) => this.#fences.push({ seq, resolve }));
  }

  /** Runs until `end` was called or the reader is gone; rejects only for bugs, faults of the disk and a reader that is gone. */
  async run(): Promise<void> {
    this.#isRunning = true;
    void this.#watchSilence();
    try {
      if (this.#options.startsWithSnapshot) await this.#sendSnapshot();
      else this.#target = this.#journal.head.seq;
      while (!this.#isOver) {
        if (this.#isPassed) await this.#passed();
        else await this.#step();
      }
      await this.#sink.send('events/ended', () => `"reason":"${this.#ended}"`);
    } finally {
      for (const fence of this.#fences) fence.resolve(undefined);
      this.#over.abort();
    }
  }

  /** Sends what there is, then sleeps until there is more. */
  async #step(): Promise<void> {
    let sent = false;
    await this.#send('events/batch', () => {
      const batch = this.#isOver || this.#isPassed ? undefined : this.#read();
      sent = batch !== undefined;
      return batch;
    });
    if (this.#isPassed || this.#isOver) return;
    if (this.#isAtOp) {
      if (this.#target !== undefined && this.#cursor.seq >= this.#target) {
        this.#target = undefined;
        await this.#send('events/caughtUp', () => this.#advance(this.#cursor));
      }
      if (this.#bookmarkDue && !sent) await this.#send('events/bookmark', () => this.#bookmark());
      // Behind all that is awaited: a fence set meanwhile would lie until the next ring.
      this.#passFences();
    }
    if (this.#cursor.seq < this.#journal.head.seq) {
      // A filter that matches nothing sends nothing, so nothing else would let other work in between two reads.
      if (!sent) await nextTurn();
      return;
    }
    // No await between the comparison above and this line: a ring in between would be missed.
    if (!this.#isOver) await this.#nextRing();
  }

  /** It was ended, or its reader may not read any more: judged before each thing that is sent. */
  get #isOver(): boolean {
    if (this.#options.isRevoked()) this.#ended ??= 'revoked';
    return this.#ended !== undefined;
  }

  /** Whether retention has passed the place where this reader stalled: what it missed is gone, and is never skipped. */
  get #isPassed(): boolean {
    return this.#cursor.seq < this.#journal.floorSeq;
  }

  async #passed(): Promise<void> {
    await this.#send('events/reset', () => this.#reset());
    if (this.#options.mendsGaps) await this.#sendSnapshot();
    else this.end('expired');
  }

  /** Sends the state, and goes on with what comes behind the head of now; the one that it starts with, behind `from`. */
  async #sendSnapshot(): Promise<void> {
    if (!this.#isStart) this.#cursor = this.#journal.head;
    this.#isStart = false;
    this.#isAtOp = true;
    this.#owesRest = false;
    const { filter, maxBatchBytes } = this.#options.query;
    const snapshot = new Snapshot(this.#deps, filter, maxBatchBytes);
    try {
      for (let done = false; !done; ) {
        await snapshot.prepare();
        let sent = false;
        await this.#send('events/snapshot', () => {
          if (this.#isOver || this.#isPassed) return undefined;
          const items = snapshot.take();
          done = snapshot.isDone;
          sent = done || items.length > 0;
          return sent ? this.#snapshotPage(items, done) : undefined;
        });
        if (this.#isOver || this.#isPassed) return;
        if (!sent) await nextTurn();
      }
    } finally {
      snapshot.close();
    }
    this.#target = this.#journal.head.seq;
  }

  #snapshotPage(items: string[], done: boolean): string {
    if (done) this.#told = formatCursor(this.#cursor);
    const cursor = done ? `,"cursor":"${this.#told}"` : '';
    return `"items":[${items.join(',')}],"done":${done}${cursor}`;
  }

  #reset(): string {
    const earliest = this.#journal.cursorAt(this.#deps.retention.floor);
    const { head } = this.#journal;
    return `"reason":"CursorExpired","earliest":"${formatCursor(earliest)}","head":"${formatCursor(head)}"`;
  }

  #bookmark(): string | undefined {
    if (this.#isOver || this.#isPassed) return undefined;
    return `${this.#advance(this.#cursor)},"head":"${formatCursor(this.#journal.head)}"`;
  }

  /** The next batch, from the cursor, which moves; undefined when nothing there matched. */
  #read(): string | undefined {
    const { count, text, through, whole } = this.#deps.reads.read(this.#cursor, this.#options.query);
    this.#isAtOp = whole;
    if (count === 0 && !(whole && this.#owesRest)) {
      this.#cursor = through;
      return undefined;
    }
    this.#owesRest = !whole;
    if (whole) return `${this.#advance(through)},"events":[${text}]`;
    this.#cursor = through;
    return `"prev":"${this.#told}","events":[${text}],"more":true`;
  }

  #nextRing(): Promise<void> {
    this.#idle = true;
    return new Promise((resolve) => {
      const cancel = this.#deps.bell.onRing(() => this.#wake());
      this.#wake = () => {
        cancel();
        this.#idle = false;
        this.#wake = () => {};
        resolve();
      };
    });
  }

  /** Moves to `cursor` and tells so: `prev` is the cursor that the reader was told last, whatever was passed since. */
  #advance(cursor: Cursor): string {
    const prev = this.#told;
    // Both move before the wait for the reader: what it was handed is not handed to it again, however long it takes.
    this.#cursor = cursor;
    this.#told = formatCursor(cursor);
    return `"prev":"${prev}","cursor":"${this.#told}"`;
  }

  async #send(method: string, params: () => string | undefined): Promise<void> {
    await this.#sink.send(method, () => {
      const text = params();
      if (text !== undefined) {
        this.#sentAt = this.#deps.runtime.monotonic();
        this.#bookmarkDue = false;
      }
      return text;
    });
  }

  /** Finds that nothing was sent for `bookmarkMs`; the loop then sends a bookmark, in order with all else. Never rejects. */
  async #watchSilence(): Promise<void> {
    const { runtime } = this.#deps;
    const { bookmarkMs } = this.#options;
    const { signal } = this.#over;
    while (!signal.aborted) {
      const left = this.#sentAt + bookmarkMs - runtime.monotonic();
      // Once due, it is sent when the reader takes it; then the silence begins anew.
      await runtime.sleep(left > 0 ? left : bookmarkMs, signal).catch(() => {});
      if (runtime.monotonic() - this.#sentAt < bookmarkMs) continue;
      this.#bookmarkDue = true;
      this.#wake();
    }
  }

  #passFences(): void {
    if (this.#fences.length === 0) return;
    const passed = this.#fences.filter((fence) => fence.seq <= this.#cursor.seq);
    this.#fences = this.#fences.filter((fence) => fence.seq > this.#cursor.seq);
    for (const fence of passed) fence.resolve(this.#cursor);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
