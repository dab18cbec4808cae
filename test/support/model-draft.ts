// What the rules of the model work on: the records, and one op on its way to change them. What follows from the records
// (counts, sums, the status) is computed anew from all of them, never kept up to date.
import { isDeepStrictEqual } from 'node:util';
import type { ErrorKind } from '../../protocol/errors.ts';
import type { Event, EventData, EventType, Message, Op, Part, Turn, Usage } from '../../protocol/schema.ts';
import type { SessionView } from '../../protocol/view.ts';

export type Kind = ErrorKind | 'InvalidParams';
/** What an event must be; `seq` and `at` are counted by the driver. */
export type Told = { sessionId: string; version: number; type: EventType; data: object };
/** What comes of an op. A duplicate with `first` was answered before, and is answered the same. */
export type Outcome =
  | { outcome: 'applied'; events: Told[]; version: number }
  | { outcome: 'duplicate'; first: true }
  | { outcome: 'duplicate'; first: false; version: number }
  | { outcome: 'refused'; kind: Kind };
/** Who sends, when it is applied, and what the daemon wrote from there on. */
export type Around = { principal: string; actorId: string; at: number; written: Event[] };

export type Held = Omit<SessionView, 'openTurns' | 'hasMessages'> & {
  /** Parts that had deltas since they were last put whole. */
  streamed: Set<string>;
  /** Whether a cost was ever told in it. */
  hasCost: boolean;
};

export class Refused {
  readonly kind: Kind;
  constructor(kind: Kind) {
    this.kind = kind;
  }
}
export function refuse(kind: Kind): never {
  throw new Refused(kind);
}

/** The records, and every id that was ever given, which stays taken. */
export class State {
  readonly sessions: Map<string, Held>;
  readonly taken: Set<string>;
  constructor(from?: State) {
    this.taken = new Set(from?.taken);
    this.sessions = new Map([...(from?.sessions ?? [])].map(([id, held]) => [id, copyOf(held)]));
  }
}

export function copyOf(held: Held): Held {
  const { turns, messages, blockers, artifacts, streamed } = held;
  const copied = [...messages].map(([id, { message, parts }]) => [id, { message, parts: new Map(parts) }] as const);
  return {
    ...held,
    turns: new Map(turns),
    messages: new Map(copied),
    blockers: new Map(blockers),
    artifacts: new Map(artifacts),
    streamed: new Set(streamed),
  };
}

/** One op on its way: a copy of the state, which is dropped when the op is refused. */
export class Draft {
  readonly state: State;
  readonly events: Told[] = [];
  readonly actorId: string;
  /** When it happened. */
  readonly when: number;
  readonly now: number;
  version = 0;
  readonly #op: Op;
  readonly #written: Event[];

  constructor(state: State, op: Op, around: Around) {
    this.state = new State(state);
    this.actorId = around.actorId;
    this.when = op.occurredAt ?? around.at;
    this.now = around.at;
    this.#op = op;
    this.#written = around.written;
  }

  versionBefore(): number {
    const { params } = this.#op;
    const turnId = 'turnId' in params ? params.turnId : undefined;
    const sessions = [...this.state.sessions.values()];
    const named = 'sessionId' in params && params.sessionId;
    const isMeant = (held: Held) => (named ? held.session.id === named : turnId && held.turns.has(turnId));
    return sessions.find(isMeant)?.session.version ?? 0;
  }

  session(id: string): Held {
    const held = this.state.sessions.get(id) ?? refuse('NotFound');
    this.version = held.session.version;
    return held;
  }

  turn(id: string): { held: Held; turn: Turn } {
    for (const held of this.state.sessions.values()) {
      const turn = held.turns.get(id);
      if (turn) return { held: this.session(held.session.id), turn };
    }
    return refuse('NotFound');
  }

  /** Takes the id for a new record; without one, the id that the daemon made. */
  claim(prefix: string, given: string | undefined): string {
    const found = this.written((event) => idOf(event).startsWith(prefix) && !this.state.taken.has(idOf(event)));
    const id = given ?? (found ? idOf(found) : `${prefix}not_made_${this.state.taken.size}`);
    if (this.state.taken.has(id)) refuse('AlreadyExists');
    this.state.taken.add(id);
    return id;
  }

  /** The first such event that the daemon wrote for this op. None: the op was refused, or the comparison will tell. */
  written(which: (event: Event) => boolean): Event | undefined {
    return this.#written.find((event) => event.opId === this.#op.opId && which(event));
  }

  /** Emits unless nothing changes. */
  put<T extends EventType>(held: Held, type: T, before: EventData[T] | undefined, after: EventData[T]): void {
    if (!isDeepStrictEqual(before, after)) this.emit(held, type, after);
  }

  /** A record carries who changed it last. */
  emit<T extends EventType>(held: Held, type: T, record: EventData[T]): void {
    const data = 'actorId' in record ? { ...record, actorId: this.actorId } : record;
    change(held, { type, data } as Event);
    const { session } = held;
    const blockers = [...held.blockers.values()].filter(({ state }) => state === 'pending').length;
    const isBusy = [...held.turns.values()].some((turn) => !hasEnded(turn));
    const messages = [...held.messages.values()].map(({ message }) => message);
    held.hasCost ||= messages.some(({ usage }) => usage?.costUsd !== undefined);
    held.session = {
      ...session,
      version: session.version + 1,
      updatedAt: Math.max(session.updatedAt, this.when),
      status: blockers > 0 ? 'waiting' : isBusy ? 'busy' : 'idle',
      pendingBlockers: blockers,
      messageCount: messages.length,
      usage: sumOf(messages, held.hasCost),
    };
    this.version = held.session.version;
    const isSession = type === 'session/created' || type === 'session/updated';
    this.events.push({ sessionId: session.id, version: this.version, type, data: isSession ? held.session : data });
  }
}

export function change(held: Held, event: Event): void {
  const { type, data } = event;
  if (type === 'session/created' || type === 'session/updated') held.session = data;
  if (type === 'turn/updated') held.turns.set(data.id, data);
  if (type === 'turn/updated' && data.state === 'created') {
    held.session = { ...held.session, agent: data.agent, model: data.model };
  }
  if (type === 'blocker/updated') held.blockers.set(data.id, data);
  if (type === 'artifact/updated') held.artifacts.set(`${data.kind} ${data.key}`, data);
  if (type === 'artifact/removed') held.artifacts.delete(`${data.kind} ${data.key}`);
  if (type === 'message/updated') {
    held.messages.set(data.id, { message: data, parts: held.messages.get(data.id)?.parts ?? new Map() });
  }
  if (type === 'message/removed') held.messages.delete(data.messageId);
  if (type === 'part/updated') {
    held.messages.get(data.messageId)!.parts.set(data.id, data);
    held.streamed.delete(data.id);
  }
  if (type === 'part/removed') held.messages.get(data.messageId)!.parts.delete(data.partId);
  if (type === 'part/delta') {
    const { parts } = held.messages.get(data.messageId)!;
    const part = parts.get(data.partId)!;
    parts.set(part.id, { ...part, [data.field]: (textOf(part, data.field) ?? '') + data.text } as Part);
    held.streamed.add(part.id);
  }
}

export function hasEnded({ state }: Turn): boolean {
  return state !== 'created' && state !== 'streaming';
}

export function isAtWork(part: object): boolean {
  return 'state' in part && (part.state === 'pending' || part.state === 'running');
}

/** The text that a delta of that field appends to; undefined where the part has no such text. */
export function textOf(part: Part, field: 'text' | 'output'): string | undefined {
  if (field === 'text') return 'text' in part ? part.text : undefined;
  const output = part.type === 'tool' ? (part.output ?? '') : undefined;
  return typeof output === 'string' ? output : undefined;
}

export function sumOf(messages: Message[], hasCost: boolean): Usage {
  const sum = (name: keyof Usage) => messages.reduce((total, { usage }) => total + (usage?.[name] ?? 0), 0);
  const [input, output, reasoning] = [sum('input'), sum('output'), sum('reasoning')];
  const tokens = { input, output, reasoning, cacheRead: sum('cacheRead'), cacheWrite: sum('cacheWrite') };
  return hasCost ? { ...tokens, costUsd: sum('costUsd') } : tokens;
}

export function idOf({ type, data, sessionId }: Event): string {
  if (type === 'session/created') return sessionId;
  return 'id' in data ? data.id : '';
}
