// Reads of the journal that several feeds make at the same cursor: live subscribers all wake behind the same commit, and
// each event is read and put together once for all of them.
import type { Cursor } from '../../protocol/cursor.ts';
import type { EventFilter, Journal } from '../store/journal.ts';

/** What a feed sends on: the events as the text of a JSON list, without its brackets. */
export type SharedPage = { count: number; text: string; through: Cursor; whole: boolean };

export type SharedQuery = { filter: EventFilter; maxBatch: number; maxBatchBytes: number; key: string };

/** So many pages are held: feeds that are at one cursor make their reads one after another. */
const maxPages = 8;

export class SharedReads {
  readonly #journal: Journal;
  readonly #pages = new Map<string, SharedPage>();
  #head = 0;
  #floor = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** `query.key` stands for all of the query. */
  read(after: Cursor, { filter, maxBatch, maxBatchBytes, key }: SharedQuery): SharedPage {
    const { head, floorSeq } = this.#journal;
    if (head.seq !== this.#head || floorSeq !== this.#floor) this.#pages.clear();
    this.#head = head.seq;
    this.#floor = floorSeq;
    const place = `${after.seq} ${key}`;
    const held = this.#pages.get(place);
    if (held) return held;
    const { events, through, whole } = this.#journal.readAfter(after, filter, {
      events: maxBatch,
      bytes: maxBatchBytes,
    });
    const text = events.map((event) => event.text).join(',');
    const page = { count: events.length, text, through, whole };
    if (this.#pages.size >= maxPages) this.#pages.delete(this.#pages.keys().next().value!);
    this.#pages.set(place, page);
    return page;
  }
}
