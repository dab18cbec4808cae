// What every source that reads lines makes of them: one session, made with its first message; messages in file order; parts;
// and everything else as `data` parts, kept whole, on the latest message before it (or on the first one, for what stands
// before it). The same ops come out however a file is split into reads: what is remembered is a function of the lines.
import { hash } from 'node:crypto';
import type { OpParams, PartContent } from '../../../protocol/schema.ts';
import type { Held, ReadResult, SourceOp, Transcript } from '../adapter.ts';
import { derivedSessionId } from '../ids.ts';
import { boundedFacts, boundedModel, type Facts, type Model } from './facts.ts';
import type { Json } from './json.ts';
import { Puts, type Time } from './puts.ts';
import { rememberIn, shortId } from './remember.ts';
import { splitKey } from './session-key.ts';
import { believable, writtenAt } from './time.ts';
import { bestTitle, foldTitle, type TitleRank, type Titles } from './title.ts';
import { Tools } from './tools.ts';

export type MessagePut = OpParams['message/put'];
/** A message as an adapter gives it: ids and time are the conversation's to fill in. */
export type MessageContent = Omit<MessagePut, 'sessionId' | 'messageId'>;

type MessageOptions = { key?: string; aside?: boolean; unless?: string };

/** What is remembered between two reads, as plain JSON; bounded. `own` is the adapter's. */
type Memory = {
  /** The message that what has none of its own is attached to: the latest. Null before the first. */
  latest: string | null;
  /** The last time seen. */
  at: number | null;
  facts: Facts;
  titles: Titles;
  /** What the session was last told, and how often. */
  title: string | null;
  retitled: number;
  model: Model | null;
  /**
   * How often a record without an id was seen, by its hash, the most recently seen last. A hash that fell out counts from
   * 1 again and so meets the key it had: a record may be folded into an equal, older one, but never is one there twice.
   */
  counts: [hash: string, seen: number][];
  /** The records that were put in several versions: how many, and a hash of the last. */
  versions: [key: string, version: [count: number, hash: string]][];
  own: unknown;
};

const maxCounts = 128;
const maxVersions = 512;

export class Conversation<Own = null> {
  readonly agent: string;
  readonly transcript: Transcript;
  readonly puts: Puts;
  readonly tools: Tools;
  /** What the adapter remembers for itself: plain JSON, a function of the lines so far, bounded. */
  own: Own;
  readonly #memory: Memory;
  readonly #counts: Map<string, number>;
  readonly #versions: Map<string, [number, string]>;
  readonly #given: unknown;
  readonly #early: { key: string; part: PartContent; at: Time }[] = [];
  #created: Extract<SourceOp, { type: 'session/create' }> | undefined;
  #firstAt: number | undefined;
  #badRecords = 0;

  /** `state`: what the last read of this transcript returned; anything else begins anew, with `own`. */
  constructor(agent: string, transcript: Transcript, state: unknown, held: Held, own: Own) {
    this.agent = agent;
    this.transcript = transcript;
    this.#given = state;
    // A copy: the engine may hand the same state again, should its transaction fail.
    this.#memory = isMemory(state) ? structuredClone(state) : newMemory(own);
    this.puts = new Puts(agent, this.#memory.facts.sessionKey ?? transcript.sessionKey, held);
    this.tools = new Tools(this.puts);
    this.own = this.#memory.own as Own;
    this.#counts = new Map(this.#memory.counts);
    this.#versions = new Map(this.#memory.versions);
  }

  /** Whether there is a message yet, and with it a session. */
  get hasMessage(): boolean {
    return this.#memory.latest !== null;
  }

  /** The id of the latest message. */
  get latest(): string | null {
    return this.#memory.latest;
  }

  /** When the current record happened, as far as it or one before it tells. */
  get at(): Time {
    const known = this.#memory.at ?? undefined;
    return { known, occurred: known ?? writtenAt(this.transcript) };
  }

  /** To be called with each record's own time, before anything is made of it. One that cannot be true is passed over. */
  noteTime(told: number | undefined): void {
    const at = believable(told, this.transcript);
    if (at === undefined) return;
    this.#memory.at = at;
    if (!this.hasMessage) this.#firstAt ??= at;
  }

  /**
   * The first that tells a fact wins; what is too long for one is passed over. After the first message only the directory
   * is taken, and of the same read.
   */
  note(told: Facts): void {
    const facts = boundedFacts(told);
    const known = this.#memory.facts;
    // The directory cannot be told later; should the first message not have it, a record of the same read may.
    if (this.#created && facts.directory !== undefined) this.#created.params.directory ??= facts.directory;
    if (this.hasMessage) return;
    for (const [name, value] of Object.entries(facts)) {
      if (value !== undefined && known[name as keyof Facts] === undefined) Object.assign(known, { [name]: value });
    }
    if (known.sessionKey !== undefined && !this.puts.moveTo(known.sessionKey)) delete known.sessionKey;
  }

  /** A title of this rank. The first prompt or command stays; of the other ranks the last one wins. */
  noteTitle(rank: TitleRank, text: string): void {
    const { titles } = this.#memory;
    const title = foldTitle(text);
    if ((rank === 'prompt' || rank === 'command') && titles[rank] !== undefined) return;
    if (title === '' && rank !== 'custom') return;
    titles[rank] = title;
    if (this.hasMessage) this.#retitle();
  }

  get titles(): Readonly<Titles> {
    return this.#memory.titles;
  }

  /** A record that could not be understood: counts it. */
  bad(): void {
    this.#badRecords += 1;
  }

  /** A name for a record that has no id: its hash, and how often it was seen in the file so far. */
  nameByText(text: string): string {
    const digest = hashOf(text);
    const seen = (this.#counts.get(digest) ?? 0) + 1;
    rememberIn(this.#counts, digest, seen, maxCounts);
    return `${digest}#${seen}`;
  }

  /**
   * Puts a message and makes it the latest; the session's model follows. `id`: its own, unique in the session. `key`: of
   * the op, for a message that is put in several versions (see versionKey). `aside`: the session's model does not follow,
   * since a helper speaks. `unless`: the key of a later version; is that one here or held, this one is not put. Returns
   * the message's id in the store.
   */
  message(id: string, content: MessageContent, options: MessageOptions = {}): string {
    const { key = `msg:${id}`, aside = false, unless } = options;
    const messageId = this.puts.messageId(id);
    const isFirst = !this.hasMessage;
    const model = boundedModel(content.model ?? undefined);
    if (isFirst) this.#create(model);
    else if (content.role === 'assistant' && model && !aside) this.#remodel(model, id);
    if (unless === undefined || !this.puts.has(unless)) this.putMessage(id, content, key);
    this.#memory.latest = messageId;
    if (isFirst) this.#attachEarly();
    return messageId;
  }

  /**
   * Puts a message and leaves the latest what it is. `createdAt: undefined` leaves that as it was, for a later version.
   * `instead`: the key of an earlier version, left out if of this read.
   */
  putMessage(id: string, content: MessageContent, key: string, instead?: string): void {
    const { at, puts } = this;
    const { createdAt, ...rest } = 'createdAt' in content ? content : { ...content, createdAt: at.known };
    const created = createdAt === undefined ? {} : { createdAt };
    const params = { sessionId: puts.sessionId, messageId: puts.messageId(id), ...created, ...rest };
    puts.put({ key, type: 'message/put', params, occurredAt: at.occurred }, instead);
  }

  /** Makes a message that was put before the latest again; its id in the store. */
  goTo(id: string): string {
    this.#memory.latest = this.puts.messageId(id);
    return this.#memory.latest;
  }

  /** A part of the latest message, or of the one given; before the first it waits for that. */
  part(key: string, part: PartContent, messageId = this.#memory.latest): void {
    if (messageId === null) this.#early.push({ key, part, at: this.at });
    else this.puts.putPart(key, messageId, part, this.at);
  }

  /** Anything else, kept whole. `kind` without the agent's name. */
  data(key: string, kind: string, value: Json, messageId = this.#memory.latest): void {
    this.part(key, { type: 'data', kind: `${this.agent}/${kind}`, value }, messageId);
  }

  /**
   * For records that an agent writes again under the same id: the key of this version, or undefined when it is as it
   * last was. Each version has a key of its own, so that reading the file again changes nothing.
   */
  versionKey(key: string, content: unknown): string | undefined {
    const digest = hashOf(JSON.stringify(content));
    const [count, last] = this.#versions.get(shortId(key)) ?? [0, ''];
    if (count > 0 && last === digest) return undefined;
    rememberIn(this.#versions, shortId(key), [count + 1, digest], maxVersions);
    return count === 0 ? key : `version:${count}:${key}`;
  }

  /** Closes the read. Waits with lines that hold no message, unless they must be taken: then one of our own holds them. */
  end(mustTake: boolean): ReadResult {
    if (!this.hasMessage) {
      if (!mustTake) return { ops: [], state: this.#given, badRecords: 0, wait: true };
      if (this.#early.length > 0) this.message('carrier', { role: 'system', agent: null });
    }
    const counts = [...this.#counts];
    const state: Memory = { ...this.#memory, own: this.own, counts, versions: [...this.#versions] };
    return { ops: this.puts.ops, sessionKey: this.puts.sessionKey, state, badRecords: this.#badRecords };
  }

  #create(model: Model | undefined): void {
    const memory = this.#memory;
    const { facts } = memory;
    const known = model ?? facts.model ?? null;
    memory.title = bestTitle(memory.titles);
    memory.model = known;
    const { agent, transcript } = this;
    this.#created = {
      key: 'session',
      type: 'session/create',
      params: {
        sessionId: this.puts.sessionId,
        title: memory.title,
        directory: facts.directory ?? null,
        agent,
        model: known,
        parentId: facts.parentKey === undefined ? null : derivedSessionId(agent, facts.parentKey),
        origin: {
          source: agent,
          externalId: facts.externalId ?? splitKey(transcript.sessionKey)[0],
          path: transcript.path,
        },
        ...(facts.metadata === undefined ? {} : { metadata: facts.metadata }),
      },
      occurredAt: this.#firstAt ?? this.at.occurred,
    };
    this.puts.put(this.#created);
    // Told apart too: a file that was rewritten may hold another title here than the session was once made with.
    const { custom, ai, summary } = memory.titles;
    if (custom ?? ai ?? summary) this.#putTitle();
  }

  #attachEarly(): void {
    const { at } = this;
    const latest = this.#memory.latest as string;
    for (const { key, part, at: own } of this.#early) {
      this.puts.putPart(key, latest, part, own.known === undefined ? at : own);
    }
    this.#early.length = 0;
  }

  #retitle(): void {
    const title = bestTitle(this.#memory.titles);
    if (title === this.#memory.title) return;
    this.#memory.title = title;
    this.#putTitle();
  }

  /** Keyed by how many titles came before: a title that comes back is a change like any other. */
  #putTitle(): void {
    const { title, retitled } = this.#memory;
    this.#memory.retitled = retitled + 1;
    this.#update(`session:title:${retitled}`, { title });
  }

  /** An answer of another model than the session was last told. */
  #remodel(model: Model, key: string): void {
    const held = this.#memory.model;
    if (held?.modelId === model.modelId && held.providerId === model.providerId && held.variant === model.variant)
      return;
    this.#memory.model = model;
    this.#update(`session:model:${key}`, { model });
  }

  #update(key: string, change: Omit<OpParams['session/update'], 'sessionId'>): void {
    const params = { sessionId: this.puts.sessionId, ...change };
    this.puts.put({ key, type: 'session/update', params, occurredAt: this.at.occurred });
  }
}

const hashOf = (text: string) => hash('sha256', text, 'base64url').slice(0, 22);

function isMemory(state: unknown): state is Memory {
  return typeof state === 'object' && state !== null && 'latest' in state;
}

function newMemory(own: unknown): Memory {
  return {
    latest: null,
    at: null,
    facts: {},
    titles: {},
    title: null,
    retitled: 0,
    model: null,
    counts: [],
    versions: [],
    own,
  };
}
