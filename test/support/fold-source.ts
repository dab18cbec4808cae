// Folds the ops of a source in memory, by the rules of PROTOCOL.md 3 and of Source (daemon/adapters/adapter.ts): what the
// engine and the store do with them, small enough to read. An op that the store would refuse throws here.
import type { Held, ReadResult, Source, SourceLine, SourceOp, Transcript } from '../../daemon/adapters/adapter.ts';
import { type OpParams, opParams, type Part } from '../../protocol/schema.ts';

type Record = { [name: string]: unknown };

export class SourceFold implements Held {
  session: Record | undefined;
  readonly messages = new Map<string, Record>();
  readonly parts = new Map<string, Part>();
  /** What each key last put. */
  readonly keys = new Map<string, string>();
  /** Ops that changed a record. */
  changes = 0;
  lastChange: SourceOp | undefined;
  readonly #partCounts = new Map<string, number>();

  findPart(partId: string): Part | undefined {
    return this.parts.get(partId);
  }

  hasKey(key: string): boolean {
    return this.keys.has(key);
  }

  apply(op: SourceOp): void {
    const digest = JSON.stringify([op.type, op.params]);
    if (this.keys.get(op.key) === digest) return;
    this.keys.set(op.key, digest);
    opParams[op.type].parse(op.params);
    if (!Number.isSafeInteger(op.occurredAt) || op.occurredAt < 0) throw new Error(`occurredAt ${op.occurredAt}`);
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(digest))
      throw new Error(`half a surrogate pair in ${op.key}`);
    const before = this.#recordOf(op);
    this.#put(op);
    if (this.#recordOf(op) !== before) {
      this.changes += 1;
      this.lastChange = op;
    }
  }

  #recordOf({ params }: SourceOp): string | undefined {
    if ('partId' in params) return JSON.stringify(this.parts.get(params.partId!));
    if ('messageId' in params) return JSON.stringify(this.messages.get(params.messageId!));
    return JSON.stringify(this.session);
  }

  #put(op: SourceOp): void {
    if (op.type === 'session/create') {
      this.session ??= { ...op.params };
      return;
    }
    if (this.session?.sessionId !== op.params.sessionId) throw new Error(`no session for ${op.key}`);
    if (op.type === 'session/update') Object.assign(this.session, op.params);
    else if (op.type === 'message/put') this.#putMessage(op.params);
    else this.#putPart(op.params);
  }

  #putMessage(params: OpParams['message/put']): void {
    const id = params.messageId!;
    const held = this.messages.get(id);
    if (held && held.role !== params.role) throw new Error(`role of ${id}: ${held.role}, then ${params.role}`);
    this.messages.set(id, { ...held, ...params });
  }

  #putPart(params: OpParams['part/put']): void {
    const { sessionId, messageId, part } = params;
    const id = params.partId!;
    if (!this.messages.has(messageId)) throw new Error(`no message ${messageId} for ${id}`);
    const held = this.parts.get(id);
    if (held && held.messageId !== messageId) throw new Error(`${id} is in ${held.messageId}, not ${messageId}`);
    const count = this.#partCounts.get(messageId) ?? 0;
    if (!held) this.#partCounts.set(messageId, count + 1);
    const index = held?.index ?? count;
    this.parts.set(id, { ...part, id, messageId, sessionId, index, actorId: 'source', schemaVersion: 1 } as Part);
  }

  /** Everything held, in order. */
  list() {
    const listed = new Map([...this.messages].map(([id, message]) => [id, { message, parts: [] as Part[] }]));
    for (const part of this.parts.values()) listed.get(part.messageId)!.parts.push(part);
    return { session: this.session, messages: [...listed.values()] };
  }
}

/** When tests read: after all that their records tell, but not by far. */
export const readAtMs = Date.parse('2027-01-01T00:00:00Z');

/** The transcript at this path, as the source identifies it. Throws for what is none. */
export function transcriptOf(source: Source, path: string, mtimeMs = 5000.7): Transcript {
  const place = source.identify(path);
  if (!place) throw new Error(`${path} is no transcript of ${source.kind}`);
  return { path, sessionKey: 'sessionKey' in place ? place.sessionKey : '', mtimeMs, readAtMs };
}

export function linesOf(text: string): SourceLine[] {
  const lines: SourceLine[] = [];
  let offset = 0;
  for (const line of text.split('\n').slice(0, -1)) {
    lines.push({ text: line, offset });
    offset += Buffer.byteLength(line) + 1;
  }
  return lines;
}

/** Reads the file in bites that end before the given line numbers, as the engine does, into `fold`. */
export function readInto(
  fold: SourceFold,
  source: Source,
  transcript: Transcript,
  lines: SourceLine[],
  cuts: number[] = [],
): ReadResult[] {
  const results: ReadResult[] = [];
  let state: unknown;
  let from = 0;
  let named = transcript;
  for (const to of [...new Set(cuts)].filter((cut) => cut > 0 && cut < lines.length).sort((a, b) => a - b)) {
    const result = source.read(named, lines.slice(from, to), state, fold, false);
    if (result.wait) {
      if (result.ops.length > 0) throw new Error('ops beside wait');
      continue;
    }
    take(result);
    from = to;
  }
  take(source.read(named, lines.slice(from), state, fold, true));
  return results;

  function take(result: ReadResult) {
    for (const op of result.ops) fold.apply(op);
    // A state is stored as JSON.
    state = JSON.parse(JSON.stringify(result.state));
    named = { ...named, sessionKey: result.sessionKey ?? named.sessionKey };
    results.push(result);
  }
}
