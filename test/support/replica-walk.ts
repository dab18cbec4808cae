// A home that sends its history to a host as it likes: in batches of any size, again, late, with holes, and whole sessions in
// between. What it believes of the host it knows from replies alone.
import fc from 'fast-check';
import type { ReplicaItem } from '../../protocol/outbox.ts';
import { Model } from './model.ts';
import type { Step } from './model-walk.ts';
import { Deck } from './model-walk.ts';
import type { Records } from './records.ts';
import { allEvents } from './records.ts';
import { batchOf, itemsOf, send, snapshotOf } from './replica.ts';

/** What a home wrote, and each session as it stood behind each of its ops, to send it whole from there. */
export type History = { home: Records; items: ReplicaItem[]; pieces: Map<string, ReplicaItem[]> };

/** Applies a walk; its ops are drawn with the model, so that most of them find something to do. */
export async function historyOf(home: Records, steps: Step[]): Promise<History> {
  const model = new Model();
  const deck = new Deck();
  const pieces = new Map<string, ReplicaItem[]>();
  let seq = home.journal.head.seq;
  for (const step of steps) {
    const runtime = home.runtime;
    runtime.time = Math.max(0, runtime.time + step.clock);
    for (const { author, ops, batchId, ...options } of deck.deliveries(model, step)) {
      await home.writer.append(author, ops, { ...options, batchId }).catch(() => undefined);
      const written = allEvents(home).slice(seq);
      const at = written[0]?.at ?? runtime.time;
      model.append(ops, { ...options, batchId }, { ...author, at, written: [...written] });
      seq = home.journal.head.seq;
      for (const { sessionId, version } of written) {
        const held = home.tables.findSession(sessionId);
        if (held?.version !== version) continue;
        const key = `${sessionId} ${version}`;
        pieces.set(key, snapshotOf(home, sessionId, key, 1 + (version % 5)));
      }
    }
  }
  return { home, items: itemsOf(home), pieces };
}

/** Of a session, how far its items were acknowledged; or the pieces of a snapshot that are still to be sent. */
type Sending = { next: number; snapshot: ReplicaItem[] };

export const delivery = fc.record({
  /** Which of the sessions go on, by how much. */
  of: fc.array(fc.tuple(fc.nat(5), fc.nat(4)), { minLength: 1, maxLength: 4 }),
  /** The reply is lost: the home sends the same batch again. */
  again: fc.nat(2),
  /** What was sent long ago comes once more. */
  late: fc.option(fc.nat(50), { freq: 4 }),
  /** A session is sent whole from here on. */
  whole: fc.option(fc.nat(5), { freq: 5 }),
  /** Something is left out: the host must say so. */
  hole: fc.nat(5).map((drawn) => drawn === 0),
  restart: fc.nat(5).map((drawn) => drawn === 0),
});
type Delivery = typeof delivery extends fc.Arbitrary<infer T> ? T : never;

/** A home as a sender of its own: what it believes of the host it knows from replies alone. */
export class Sender {
  readonly #history: History;
  readonly #bySession = new Map<string, ReplicaItem[]>();
  readonly #sending = new Map<string, Sending>();
  readonly #sent: ReturnType<typeof batchOf>[] = [];
  /** What it met: a walk that meets nothing would pass for nothing. */
  readonly met: Set<string>;
  #snapshots = 0;

  constructor(history: History, met: Set<string>) {
    this.#history = history;
    this.met = met;
    for (const item of history.items) {
      const items = this.#bySession.get(item.sessionId) ?? [];
      this.#bySession.set(item.sessionId, [...items, item]);
    }
    for (const id of this.#bySession.keys()) this.#sending.set(id, { next: 0, snapshot: [] });
  }

  get isDone(): boolean {
    return [...this.#sending].every(([id, { next, snapshot }]) => {
      return snapshot.length === 0 && next >= this.#bySession.get(id)!.length;
    });
  }

  async deliver(host: Records, { of, again, late, whole, hole }: Delivery): Promise<void> {
    const ids = [...this.#sending.keys()];
    if (whole !== null) this.#beginSnapshot(ids[whole % ids.length]!);
    const items: ReplicaItem[] = [];
    for (const [which, count] of of) {
      const id = ids[which % ids.length]!;
      if (items.some(({ sessionId }) => sessionId === id)) continue;
      const { next, snapshot } = this.#sending.get(id)!;
      const due = snapshot.length > 0 ? snapshot : this.#bySession.get(id)!.slice(next);
      items.push(...due.slice(hole ? 1 : 0, count + 1));
    }
    const batch = batchOf(this.#history.home, items);
    if (items.length > 0) this.#sent.push(batch);
    for (let time = 0; time < again; time += 1) await send(host, batch);
    await this.#send(host, batch);
    const old = late === null ? undefined : this.#sent[late % this.#sent.length];
    // Without a word of what it expects: the oldest of senders.
    if (old?.items.every(({ snapshot }) => !snapshot)) await send(host, old);
  }

  async #send(host: Records, batch: ReturnType<typeof batchOf>): Promise<void> {
    const { applied, duplicates, rejected } = await send(host, batch);
    const took = new Set([...applied, ...duplicates].map(({ opId, ids }) => `${opId} ${ids.sessionId}`));
    for (const { kind, message } of rejected) {
      if (kind !== 'VersionConflict') throw new Error(`an honest home is refused: ${kind} ${message}`);
    }
    if (rejected.length > 0) this.met.add('VersionConflict');
    if (duplicates.length > 0) this.met.add('duplicate');
    for (const item of batch.items) {
      const sending = this.#sending.get(item.sessionId)!;
      if (took.has(`${item.opId} ${item.sessionId}`)) {
        if (item.snapshot) this.#tookPiece(item, sending);
        else sending.next = Math.max(sending.next, this.#placeBehind(item.sessionId, item.version));
      }
    }
    for (const { kind, data } of rejected) {
      if (kind !== 'VersionConflict') continue;
      const sending = this.#sending.get(data.sessionId as string)!;
      // It says from where to go on; what was begun as a whole is begun anew.
      sending.next = this.#placeBehind(data.sessionId as string, data.actual as number);
      if (sending.snapshot.length > 0 || (data.actual === 0 && sending.next === 0)) {
        this.#beginSnapshot(data.sessionId as string);
      }
    }
  }

  #tookPiece(item: ReplicaItem, sending: Sending): void {
    sending.snapshot = sending.snapshot.filter(({ opId }) => opId !== item.opId);
    if (item.snapshot!.done) sending.next = this.#placeBehind(item.sessionId, item.version);
  }

  #placeBehind(id: string, version: number): number {
    return this.#bySession.get(id)!.filter((item) => item.version <= version).length;
  }

  /** As it stood behind one of its ops that are still to come, or was last sent. */
  #beginSnapshot(id: string): void {
    const items = this.#bySession.get(id)!;
    const { next } = this.#sending.get(id)!;
    const from = [...items.slice(Math.max(0, next - 1)), ...items.slice(0, next).reverse()];
    const pieces = from
      .flatMap(({ version }) => [this.#history.pieces.get(`${id} ${version}`) ?? []])
      .find((each) => each.length > 0);
    if (!pieces) return;
    this.#snapshots += 1;
    const name = `snap${this.#snapshots}`;
    this.met.add('snapshot');
    const renamed = pieces.map((piece) => {
      return { ...piece, opId: `${name}/${piece.snapshot!.index}`, snapshot: { ...piece.snapshot!, id: name } };
    });
    this.#sending.set(id, { next, snapshot: renamed });
  }
}
