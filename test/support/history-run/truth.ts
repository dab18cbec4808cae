// What the journal held, out of all that anybody was told: the same event at a seq for everybody, one tag for each cursor,
// versions without a gap, ops in one piece.
import { parseCursor } from '../../../protocol/cursor.ts';
import type { Event } from '../../../protocol/schema.ts';
import { canonical } from '../history.ts';
import type { Findings } from './findings.ts';
import type { Filter, History } from './history.ts';

export type Match = { filter?: Filter | undefined; deltas?: boolean | undefined };

export class Truth {
  readonly #findings: Findings;
  readonly #created: History['created'];
  readonly #events = new Map<number, { event: Event; text: string; who: string }>();
  readonly #tags = new Map<number, string>();
  #storeId: string | undefined;
  #seqs: number[] | undefined;
  readonly #bySession = new Map<string, Event[]>();

  constructor(findings: Findings, created: History['created']) {
    this.#findings = findings;
    this.#created = created;
  }

  /** Somebody was told this event. */
  add(event: Event, who: string): void {
    const text = JSON.stringify(event);
    const known = this.#events.get(event.seq);
    if (!known) {
      this.#events.set(event.seq, { event, text, who });
      this.#seqs = undefined;
    } else if (known.text !== text && canonical(known.event) !== canonical(event)) {
      this.#findings.wrong(`seq ${event.seq} is ${short(event)} for ${who} and ${short(known.event)} for ${known.who}`);
    }
  }

  /** Somebody was told this cursor. Returns its seq. */
  cursor(text: string, who: string): number {
    const cursor = parseCursor(text);
    if (!cursor) {
      this.#findings.wrong(`${who} was told ${text}, which is no cursor`);
      return -1;
    }
    this.#storeId ??= cursor.storeId;
    if (cursor.storeId !== this.#storeId) this.#findings.wrong(`${who} was told a cursor of another store: ${text}`);
    const tag = this.#tags.get(cursor.seq) ?? cursor.tag;
    this.#tags.set(cursor.seq, tag);
    if (tag !== cursor.tag)
      this.#findings.wrong(`the cursor at ${cursor.seq} has two tags: ${tag}, for ${who} ${cursor.tag}`);
    return cursor.seq;
  }

  get storeId(): string | undefined {
    return this.#storeId;
  }

  /** Undefined where nobody was told a cursor at `seq`. */
  tagAt(seq: number): string | undefined {
    return this.#tags.get(seq);
  }

  at(seq: number): Event | undefined {
    return this.#events.get(seq)?.event;
  }

  /** The events that are known from behind `after` up to and with `through`. */
  between(after: number, through: number): Event[] {
    const seqs = this.#sorted();
    const found: Event[] = [];
    for (let at = firstAbove(seqs, after); at < seqs.length && seqs[at]! <= through; at += 1) {
      found.push(this.#events.get(seqs[at]!)!.event);
    }
    return found;
  }

  /** How many seqs in there nobody was told. */
  unknown(after: number, through: number): number {
    const seqs = this.#sorted();
    return Math.max(0, through - after) - (firstAbove(seqs, through) - firstAbove(seqs, after));
  }

  /** Whether an op goes on behind `seq`. */
  isInsideOp(seq: number): boolean {
    const [here, next] = [this.at(seq), this.at(seq + 1)];
    return here !== undefined && next !== undefined && isSameOp(here, next);
  }

  matches({ sessionId, type }: { sessionId: string; type?: string }, { filter = {}, deltas }: Match): boolean {
    const created = this.#created[sessionId];
    if (filter.sessions && !filter.sessions.includes(sessionId)) return false;
    if (filter.directory !== undefined && created?.directory !== filter.directory) return false;
    if (filter.agents && !(created?.agent && filter.agents.includes(created.agent))) return false;
    if (type === undefined) return true;
    if (deltas === false && type === 'part/delta') return false;
    return filter.types?.some((each) => isOfType(type, each)) ?? true;
  }

  /** The known events of a session, in their order. */
  ofSession(sessionId: string): Event[] {
    if (this.#bySession.size === 0) {
      for (const seq of this.#sorted()) {
        const event = this.at(seq)!;
        const events = this.#bySession.get(event.sessionId);
        if (events) events.push(event);
        else this.#bySession.set(event.sessionId, [event]);
      }
    }
    return this.#bySession.get(sessionId) ?? [];
  }

  /** What must hold between the events, whoever was told them. */
  check(): void {
    let before: Event | undefined;
    const lastOf = new Map<string, Event>();
    const opsDone = new Set<string>();
    for (const seq of this.#sorted()) {
      const event = this.at(seq)!;
      if (before && event.at < before.at) this.#findings.wrong(`time goes back at seq ${seq}`);
      const last = lastOf.get(event.sessionId);
      // As many may be missing as nobody was told of.
      const missing = event.version - (last?.version ?? 0) - 1;
      if (missing < 0 || missing > this.unknown(last?.seq ?? 0, seq)) {
        const from = `version ${last?.version ?? 0} at seq ${last?.seq ?? 0}`;
        this.#findings.wrong(`${event.sessionId} goes from ${from} to ${event.version} at seq ${seq}`);
      }
      lastOf.set(event.sessionId, event);
      if (before && !isSameOp(before, event)) opsDone.add(opOf(before));
      if (opsDone.has(opOf(event))) this.#findings.wrong(`the op ${event.opId} is in two pieces, again at seq ${seq}`);
      before = event;
    }
  }

  /** The ids of all ops that have events. */
  get opIds(): Set<string> {
    return new Set(this.#sorted().map((seq) => this.at(seq)!.opId));
  }

  #sorted(): number[] {
    this.#seqs ??= [...this.#events.keys()].sort((a, b) => a - b);
    return this.#seqs;
  }
}

export function isSameOp(a: Event, b: Event): boolean {
  return opOf(a) === opOf(b);
}

/** Op ids are unique for their principal; all writers of a run are the owner. */
function opOf({ opId, actorId }: Event): string {
  return actorId === 'system' ? `system ${opId}` : opId;
}

function isOfType(type: string, pattern: string): boolean {
  return pattern === '*' || pattern === type || (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)));
}

function firstAbove(seqs: number[], value: number): number {
  let [low, high] = [0, seqs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seqs[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

const short = ({ type, opId, version, data }: Event) =>
  `${type} of ${opId}, version ${version}, ${canonical(data).slice(0, 200)}`;
