// The only reader loop: a subscription is a cursor and a bell. Replay and live are the same lines (P6), a stalled reader
// holds one batch and never a queue (P7), and markers go through the same `send` as the events (P5).

import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import type { EventFilter, Journal } from '../store/journal.ts';
import type { Bell } from './bell.ts';

/**
 * Where a feed goes to. `send` waits until the reader has room, then calls `params` and sends what it gives, JSON text
 * without its braces, or nothing; it resolves when the reader can take more. So a stalled reader's feeds hold no text.
 */
export type FeedSink = { send(method: string, params: () => string | undefined): Promise<void> };

export type FeedOptions = { from: Cursor; filter: EventFilter; maxBatch: number; maxBatchBytes: number };

export type EndReason = 'unsubscribed' | 'takenOver' | 'revoked' | 'expired' | 'shuttingDown';

export class Feed {
  readonly #journal: Journal;
  readonly #bell: Bell;
  readonly #sink: FeedSink;
  readonly #options: FeedOptions;
  #cursor: Cursor;
  #told: string;
  #ended: EndReason | undefined;
  /** Ends the wait for the bell under way. */
  #wake: () => void = () => {};
  #idle = false;
  #fences: { seq: number; resolve: (cursor: Cursor) => void }[] = [];

  constructor(journal: Journal, bell: Bell, sink: FeedSink, options: FeedOptions) {
    this.#journal = journal;
    this.#bell = bell;
    this.#sink = sink;
    this.#options = options;
    this.#cursor = options.from;
    this.#told = formatCursor(options.from);
  }

  /** Events of the journal that this feed has not looked at yet. */
  get lag(): number {
    return this.#journal.head.seq - this.#cursor.seq;
  }

  /** Ends the loop after the batch under way; the reader is told why. */
  end(reason: EndReason): void {
    this.#ended ??= reason;
    this.#wake();
  }

  /**
   * Resolves after everything up to the head of this moment was handed to the reader, in order with it: whoever answers
   * then answers behind those events.
   */
  sync(): Promise<Cursor> {
    const { seq } = this.#journal.head;
    if (this.#cursor.seq >= seq && this.#idle) return Promise.resolve(this.#cursor);
    return new Promise((resolve) => this.#fences.push({ seq, resolve }));
  }

  /** Runs until `end` was called or the reader is gone; rejects only for bugs and for a reader that is gone. */
  async run(): Promise<void> {
    const target = this.#journal.head.seq;
    let caughtUp = false;
    while (!this.#ended) {
      if (this.#isPassed) {
        await this.#sink.send('events/reset', () => this.#reset());
        this.end('expired');
        break;
      }
      let moved = false;
      await this.#sink.send('events/batch', () => {
        const batch = this.#ended || this.#isPassed ? undefined : this.#read();
        moved = batch !== undefined;
        return batch;
      });
      if (this.#isPassed) continue;
      if (!caughtUp && this.#cursor.seq >= target) {
        caughtUp = true;
        await this.#sink.send('events/caughtUp', () => this.#advance(this.#cursor));
      }
      this.#passFences();
      if (this.#cursor.seq < this.#journal.head.seq) {
        // A filter that matches nothing sends nothing, so nothing else would let other work in between two reads.
        if (!moved) await nextTurn();
        continue;
      }
      // No await between the comparison above and this line: a ring in between would be missed.
      await this.#nextRing();
    }
    await this.#sink.send('events/ended', () => `"reason":"${this.#ended}"`);
    for (const fence of this.#fences) fence.resolve(this.#cursor);
  }

  /** Whether retention has passed the place where this reader stalled: what it missed is gone, and is never skipped. */
  get #isPassed(): boolean {
    return this.#cursor.seq < this.#journal.floorSeq;
  }

  #reset(): string {
    const { earliest, head } = this.#journal;
    return `"reason":"CursorExpired","earliest":"${formatCursor(earliest)}","head":"${formatCursor(head)}"`;
  }

  /** The next batch, from the cursor, which moves; undefined when nothing there matched. */
  #read(): string | undefined {
    const { filter, maxBatch, maxBatchBytes } = this.#options;
    const { events, through } = this.#journal.readAfter(this.#cursor, filter, maxBatch, maxBatchBytes);
    if (events.length === 0) {
      this.#cursor = through;
      return undefined;
    }
    const texts = events.map((event) => event.text);
    return `${this.#advance(through)},"events":[${texts.join(',')}]`;
  }

  #nextRing(): Promise<void> {
    this.#idle = true;
    return new Promise((resolve) => {
      const cancel = this.#bell.onRing(() => this.#wake());
      this.#wake = () => {
        cancel();
        this.#idle = false;
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
