// Masks what goes out (ReplicaItem in protocol/outbox.ts): every text in the records of its events, and the names of members
// where agents chose them. What the records need to hold together is left as it is, so that they are the same records.
import type { MaskFinding, ReplicaItem } from '../../../protocol/outbox.ts';
import type { Event, Json } from '../../../protocol/schema.ts';
import { placeholdersOf } from './masking.ts';

/** Members of records that tie them together, or of which the schema says what they may be. */
const ties: ReadonlySet<string> = new Set([
  ...[
    'id',
    'sessionId',
    'parentId',
    'turnId',
    'messageId',
    'userMessageId',
    'assistantMessageId',
    'partId',
    'blockerId',
  ],
  ...['callId', 'externalId', 'source', 'actorId', 'resolvedBy', 'type', 'state', 'status', 'role', 'kind', 'key'],
  ...['phase', 'field', 'decision', 'mime'],
]);
/** Members of records that hold whatever an agent put there. */
const free: ReadonlySet<string> = new Set(['metadata', 'input', 'output', 'error', 'value', 'data', 'files']);

/** What masks a text. `name`: what it is called where it stands. */
export type TextMask = { mask(text: string, name?: string): string };

type Report = (finding: MaskFinding) => void;

/**
 * The JSON text of a ReplicaItem with its secrets masked; itself where there are none. Throws for what is no such text, and
 * for a part/delta: a secret may be in several of them, and in none whole.
 */
export function maskItem(text: string, masking: TextMask, report: Report = () => {}): string {
  const item = JSON.parse(text) as ReplicaItem;
  let isChanged = false;
  const events = item.events.map((event): Event => {
    if (event.type === 'part/delta') throw new Error('a part/delta cannot be masked');
    const walk = new Walk(masking, event, report);
    const data = walk.record(event.data);
    isChanged ||= walk.isChanged;
    return { ...event, data } as Event;
  });
  return isChanged ? JSON.stringify({ ...item, events }) : text;
}

/** Through one record. */
class Walk {
  readonly #masking: TextMask;
  readonly #event: Event;
  readonly #report: Report;
  readonly #path: (string | number)[] = [];
  isChanged = false;

  constructor(masking: TextMask, event: Event, report: Report) {
    this.#masking = masking;
    this.#event = event;
    this.#report = report;
  }

  record(value: unknown): unknown {
    return this.#value(value, undefined, true);
  }

  /** `name`: what the value is called where it stands. */
  #value(value: unknown, name: string | undefined, isRecord: boolean): unknown {
    if (typeof value === 'string') return this.#text(value, name);
    if (Array.isArray(value)) return this.#list(value, name, isRecord);
    return typeof value === 'object' && value !== null ? this.#object(value as Record<string, Json>, isRecord) : value;
  }

  #list(values: unknown[], name: string | undefined, isRecord: boolean): unknown[] {
    return values.map((value, index) => {
      const before = values[index - 1];
      // The one before may be the option that it is given for.
      const called = typeof before === 'string' && /^--?[A-Za-z]/.test(before) ? before : name;
      return this.#at(index, () => this.#value(value, called, isRecord));
    });
  }

  #object(values: Record<string, Json>, isRecord: boolean): unknown {
    const names = new Names(Object.keys(values));
    // { "name": "A_TOKEN", "value": "…" }
    const called = values.name ?? values.key;
    const members = Object.entries(values).map(([name, value]) => {
      if (isRecord && ties.has(name)) return [name, value];
      const masked = names.take(
        name,
        this.#at('(name)', () => this.#text(name, undefined)),
      );
      const given = name === 'value' && typeof called === 'string' ? called : name;
      return [masked, this.#at(masked, () => this.#value(value, given, isRecord && !free.has(name)))];
    });
    // Unlike an assignment it makes a member of any name.
    return Object.fromEntries(members);
  }

  #text(text: string, name: string | undefined): string {
    const masked = this.#masking.mask(text, name);
    if (masked === text) return text;
    this.isChanged = true;
    for (const { start, end, rule } of placeholdersOf(masked)) {
      const excerpt = masked
        .slice(Math.max(0, start - 30), end + 30)
        .replace(/\s+/g, ' ')
        .toWellFormed();
      this.#report({ rule, ...this.#ids(), where: this.#where(), excerpt });
    }
    return masked;
  }

  #at<T>(step: string | number, work: () => T): T {
    this.#path.push(step);
    const done = work();
    this.#path.pop();
    return done;
  }

  #ids(): Pick<MaskFinding, 'messageId' | 'partId' | 'blockerId'> {
    const { type, data } = this.#event;
    if (type === 'message/updated') return { messageId: data.id };
    if (type === 'part/updated') return { messageId: data.messageId, partId: data.id };
    return type === 'blocker/updated' ? { blockerId: data.id } : {};
  }

  /** `part input.env[2]`. */
  #where(): string {
    const { type, data } = this.#event;
    const [kind] = type.split('/');
    const path = this.#path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
    const which =
      type === 'turn/updated'
        ? ` ${data.id}`
        : type === 'artifact/updated'
          ? ` ${this.#masking.mask(`${data.kind}/${data.key}`)}`
          : '';
    return `${kind}${which} ${path.slice(1)}`;
  }
}

/** The names of one object's members: two that are the same when they are masked are told apart by a number. */
class Names {
  readonly #taken: Set<string>;
  readonly #last = new Map<string, number>();

  constructor(names: string[]) {
    this.#taken = new Set(names);
  }

  take(name: string, masked: string): string {
    if (name === masked) return name;
    let free = masked;
    for (let number = this.#last.get(masked) ?? 1; this.#taken.has(free); ) {
      number += 1;
      this.#last.set(masked, number);
      free = `${masked} ${number}`;
    }
    this.#taken.add(free);
    return free;
  }
}
