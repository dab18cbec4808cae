// One series of ops under way, and what it keeps in the ledger: what was done, and that it is the end. That is no client's to
// write: it lies under a principal that none has.
import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { AddedRecord } from '../core/ops/record.ts';
import { addRecord } from '../core/ops/record.ts';
import type { Records } from '../core/records.ts';
import type { Journal } from '../store/journal.ts';
import type { Ledger, LedgerEntry } from '../store/ledger.ts';
import type { Author } from './op-applier.ts';
import type { AppendedOne, SeriesName, Step, Writer } from './writer.ts';

export type SeriesRunDeps = {
  writer: Writer;
  records: Records;
  ledger: Pick<Ledger, 'find'>;
  journal: Pick<Journal, 'cursorAt'>;
};

/** Records in one transaction, and the text of a transaction: whichever is reached first ends it. */
const stepRecords = 100;
const stepUnits = 256 * 1024;

/** The ops of one series behind its first: gathered to transactions, and the next turn of the loop between two of them. */
export class SeriesRun {
  readonly #deps: SeriesRunDeps;
  readonly #marks: Marks;
  readonly #author: Author;
  readonly #name: SeriesName;
  /** Of the ops behind the first. */
  readonly #opIds: string;
  readonly #target: string;
  readonly #occurredAt: number | undefined;
  #steps: Step[] = [];
  #units = 0;
  #made = 0;
  #result: AppendedOne;

  constructor(
    deps: SeriesRunDeps,
    marks: Marks,
    author: Author,
    name: SeriesName,
    target: string,
    first: AppendedOne,
    occurredAt?: number,
  ) {
    this.#deps = deps;
    this.#marks = marks;
    this.#author = author;
    this.#name = { ...name, sessionId: target };
    this.#opIds = `series_${hash('sha256', name.opId, 'base64url').slice(0, 22)}`;
    this.#target = target;
    this.#result = first;
    this.#occurredAt = occurredAt;
  }

  /** Adds one record; resolves when there is room for the next. `units`: of text, about. */
  async add(added: AddedRecord, units: number): Promise<void> {
    const { records } = this.#deps;
    const sessionId = this.#target;
    const key = added.kind === 'artifact' ? `${added.record.kind}\n${added.record.key}` : added.record.id;
    const opId = `${this.#opIds}/${hash('sha256', `${added.kind}\n${key}`, 'base64url').slice(0, 22)}`;
    this.#steps.push({
      opId,
      digest: undefined,
      occurredAt: this.#occurredAt,
      decide: (context) => {
        if (this.#marks.findEarlier(this.#author, opId)) return { events: [], ids: { sessionId }, silent: true };
        return addRecord(records, sessionId, added, context);
      },
    });
    this.#units += units;
    if (this.#steps.length >= stepRecords || this.#units >= stepUnits) await this.#write();
  }

  /** The result of the whole where it was done before: then what it was made of is not looked at again. */
  ended(): AppendedOne | undefined {
    const { journal } = this.#deps;
    const held = this.#marks.find(this.#author, this.#endId);
    if (!held) return undefined;
    const seq = Number(held.ids.seq);
    const cursor = formatCursor(journal.cursorAt(seq));
    return { ...this.#result, cursor, seq, version: Number(held.ids.version), duplicate: true };
  }

  /** Writes the rest, and that it is the end. The result is that of the last op. */
  async end(): Promise<AppendedOne> {
    await this.#write();
    const { seq, version } = this.#result;
    const ids = { sessionId: this.#target, seq: String(seq), version: String(version) };
    const decide = () => ({ events: [], ids, silent: true as const });
    const last = { opId: this.#endId, digest: undefined, decide };
    await this.#deps.writer.appendSeries(marker(this.#author), this.#name, [last]);
    return this.#result;
  }

  /** What was found outside of the writer, refused by it: so it is told of as what the writer finds. Always rejects. */
  async cutOff(refusal: Refusal): Promise<never> {
    const step = { opId: this.#endId, digest: undefined, decide: () => refusal };
    await this.#deps.writer.appendSeries(marker(this.#author), this.#name, [step]);
    throw new RefusedError(refusal);
  }

  get #endId(): string {
    return `${this.#opIds}/end`;
  }

  async #write(): Promise<void> {
    if (this.#steps.length === 0) return;
    const steps = this.#steps;
    this.#steps = [];
    this.#units = 0;
    this.#made += 1;
    if (this.#made > 1) await nextTurn();
    const { ids, duplicate } = this.#result;
    const last = await this.#deps.writer.appendSeries(marker(this.#author), this.#name, steps);
    this.#result = { ...last, ids, duplicate: duplicate && last.duplicate };
  }
}

/** What the series of an author keep in the ledger. */
export class Marks {
  readonly #ledger: Pick<Ledger, 'find'>;

  constructor(ledger: Pick<Ledger, 'find'>) {
    this.#ledger = ledger;
  }

  find(author: Author, opId: string): LedgerEntry | undefined {
    return this.#ledger.find(marker(author).principal, opId) ?? this.findEarlier(author, opId);
  }

  /**
   * What a sessiond of before schema 6 kept, under the principal itself. Only ops of clients have a digest: theirs is no mark,
   * whatever they call it.
   */
  findEarlier({ principal }: Author, opId: string): LedgerEntry | undefined {
    const held = this.#ledger.find(principal, opId);
    return held?.digest.length === 0 ? held : undefined;
  }
}

/** The author as who marks are kept under: no principal of a client has a colon. */
export function marker(author: Author): Author {
  return { ...author, principal: `series:${author.principal}` };
}

/** The op id that stands for this: the session was made by an import of the same principal. */
export function importedInto(sessionId: string): string {
  return `series_import/${sessionId}`;
}
