// What the source remembers of a transcript between two reads, as plain JSON stored with the file's position. It is a
// function of the lines so far alone (never of how they were split into reads, nor of the record), and it is bounded.
import type { OpParams } from '../../../../protocol/schema.ts';
import type { Titles } from './title.ts';

export type MessagePut = OpParams['message/put'];

/** What a message was last put as, and how many times it had been amended by then. */
export type Answer = { put: MessagePut; version: number };

export type Memory = {
  v: 1;
  /** The message that lines without one of their own are attached to: the latest in the file. Null before the first. */
  messageId: string | null;
  /** The last time seen. */
  at: number | null;
  titles: Titles;
  /** What the session was last told. */
  title: string | null;
  /** How many titles the session was told of. */
  retitled: number;
  modelId: string | null;
  /** Summaries whose leaf was not seen yet, newest last. */
  summaries: [leafUuid: string, title: string][];
  /** The latest lines' uuids: a summary follows soon after its leaf, when it does not come before it. */
  uuids: string[];
  /** The API messages at hand, newest last: several lines make one, the later ones with the final usage. */
  answers: [id: string, answer: Answer][];
  /**
   * How often a line without a uuid was seen, by its hash, the most recently seen last. A hash that fell out counts from
   * 1 again and so meets the key it had: a line may be folded into an equal, older one, but never is one there twice.
   */
  counts: [hash: string, seen: number][];
};

export const maxSummaries = 32;
export const maxUuids = 32;
export const maxAnswers = 8;
export const maxCounts = 128;

export function recall(state: unknown): Memory {
  const known = typeof state === 'object' && state !== null && (state as Memory).v === 1;
  // A copy: the engine may hand the same state again, should its transaction fail.
  if (known) return structuredClone(state as Memory);
  return {
    v: 1,
    messageId: null,
    at: null,
    titles: {},
    title: null,
    retitled: 0,
    modelId: null,
    summaries: [],
    uuids: [],
    answers: [],
    counts: [],
  };
}

/** Sets the entry and makes it the newest; forgets the oldest beyond `max`. */
export function rememberIn<K, V>(entries: Map<K, V>, key: K, value: V, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > max) entries.delete(entries.keys().next().value as K);
}
