// One writer of a run: keeps a few calls in flight, each with op ids of its own, and sends again, unchanged and in order,
// what was not answered when the connection ended.
import type { Op } from '../../../protocol/schema.ts';
import { Dice } from './dice.ts';
import type { Line, Reply } from './line.ts';
import { OpMaker } from './ops.ts';
import type { Stage } from './stage.ts';
import { resultOf, seqOf } from './stage.ts';

/** `ops`: how many it sends; `fat`: how many of them are over 256 KiB. */
export type WriterPlan = { ops: number; fat: number; inFlight: number; dialect: 'line' | 'header' };

/** One call: a direct one, or ops/append. */
type Call = { ops: Op[]; atomic: boolean; batchId: string | undefined; direct: boolean };

type Applied = { opId: string; seq: number | null; version: number };

export class RunWriter {
  readonly #stage: Stage;
  readonly #plan: WriterPlan;
  readonly #dice: Dice;
  readonly #maker: OpMaker;
  readonly #onAnswered: (ops: number) => void;
  /** Calls that are not answered yet, in the order in which they were first sent. */
  readonly #open = new Set<Call>();
  /** What was acknowledged with events of its own. */
  readonly #applied: { op: Op; seq: number; version: number }[] = [];
  #made = 0;
  readonly #index: number;
  /** Where something was not written for now: what was refused behind it may depend on it. */
  readonly #spoilt = new WeakSet<Line>();
  #isEnding = false;

  constructor(stage: Stage, index: number, plan: WriterPlan, onAnswered: (ops: number) => void) {
    this.#stage = stage;
    this.#plan = plan;
    this.#index = index;
    this.#dice = new Dice(stage.history.seed, `calls ${index}`);
    this.#maker = new OpMaker(stage.history.seed, index);
    this.#onAnswered = onAnswered;
  }

  /** Resolves when all is answered. */
  async run(): Promise<void> {
    while (!this.#isDone) {
      const line = await this.#stage.connect(this.#plan.dialect, () => {});
      const { life } = this.#stage;
      for (const call of this.#open) this.#send(line, call, life);
      while (!line.isClosed && !this.#isDone) {
        while (this.#open.size < this.#plan.inFlight && !line.isClosed) {
          const call = this.#make();
          if (!call) break;
          this.#open.add(call);
          this.#send(line, call, life);
        }
        await this.#stage.until('a reply', () => line.isClosed || this.#isDone || this.#hasRoom);
      }
      line.close();
    }
  }

  /** Sends all that was applied once more: each must be known, at its place. */
  async again(): Promise<void> {
    const line = await this.#stage.connect(this.#plan.dialect, () => {});
    const small = this.#applied.filter(({ op }) => JSON.stringify(op).length < 10_000);
    for (let from = 0; from < small.length; from += 500) {
      const slice = small.slice(from, from + 500);
      const result = resultOf(await line.call('ops/append', { ops: slice.map(({ op }) => op) }));
      for (const [how, entries] of Object.entries({
        applied: result.applied,
        duplicate: result.duplicates,
        rejected: result.rejected,
      } as Record<'applied', Applied[]>)) {
        for (const { opId, seq = null, version = 0 } of entries) {
          this.#stage.history.again.push({ opId, seq, version, how: how as 'applied' });
        }
      }
    }
    line.close();
  }

  get #isDone(): boolean {
    return this.#isEnding && this.#open.size === 0;
  }

  get #hasRoom(): boolean {
    return !this.#isEnding && this.#open.size < this.#plan.inFlight;
  }

  #make(): Call | undefined {
    if (this.#isEnding) return undefined;
    const { ops, fat } = this.#plan;
    if (this.#made >= ops) {
      this.#isEnding = true;
      const ends = this.#maker.ends();
      return ends.length === 0 ? undefined : { ops: ends, atomic: false, batchId: undefined, direct: false };
    }
    // The fat ones lie evenly, the first not at the beginning.
    const isFat = fat > 0 && this.#made % Math.ceil(ops / fat) === Math.ceil(ops / fat) - 1;
    const direct = isFat || this.#dice.chance(0.7);
    const count = direct ? 1 : Math.min(this.#dice.int(1, 6), ops - this.#made);
    const list = Array.from({ length: count }, () => this.#maker.next(isFat));
    this.#made += count;
    for (const { type, params } of list) {
      if (type !== 'session/create') continue;
      const { sessionId, directory, agent } = params as { sessionId: string; directory: string; agent: string };
      this.#stage.history.created[sessionId] = { directory, agent };
    }
    const batchId = !direct && this.#dice.chance(0.3) ? `batch-w${this.#index}-${this.#made}` : undefined;
    return { ops: list, atomic: !direct && this.#dice.chance(0.3), batchId, direct };
  }

  #send(line: Line, call: Call, life: number): void {
    const { ops, atomic, batchId, direct } = call;
    const [first] = ops as [Op];
    const { opId, type, params, occurredAt } = first;
    const at = occurredAt === undefined ? {} : { occurredAt };
    const reply = direct
      ? line.call(type, { opId, ...params, ...at })
      : line.call('ops/append', { ops, ...(atomic ? { atomic } : {}), ...(batchId ? { batchId } : {}) });
    reply.then((answer) => this.#take(call, life, answer, line)).catch((error: unknown) => this.#stage.fail(error));
  }

  #take(call: Call, life: number, reply: Reply | undefined, line: Line): void {
    const kind = reply?.error?.data?.kind;
    // What a daemon that is ending did not take is sent again to its successor; what did not fit on the disk, on another connection,
    // with all behind it.
    if (kind === 'StoreUnavailable') {
      this.#spoilt.add(line);
      line.close();
    }
    if (!reply || kind === 'ShuttingDown' || kind === 'StoreUnavailable') return;
    if (reply.error && this.#spoilt.has(line)) return;
    if (call.direct) this.#takeDirect(call.ops[0]!, life, reply);
    else this.#takeBatch(call.ops, life, reply);
    this.#open.delete(call);
    this.#onAnswered(call.ops.length);
  }

  #takeDirect(op: Op, life: number, { result, error }: Reply): void {
    if (error) this.#reject(op.opId, String(error.data?.kind ?? error.code), error);
    else this.#accept(op, life, result, result.duplicate ? undefined : result.cursor);
  }

  #takeBatch(ops: Op[], life: number, { result, error }: Reply): void {
    if (error) {
      for (const { opId } of ops) this.#reject(opId, String(error.data?.kind ?? error.code), error);
      return;
    }
    const byId = new Map(ops.map((op) => [op.opId, op]));
    const last = Math.max(0, ...result.applied.map(({ seq }: Applied) => seq ?? 0));
    for (const entry of result.applied)
      this.#accept(byId.get(entry.opId)!, life, entry, entry.seq === last ? result.cursor : undefined);
    for (const entry of result.duplicates) this.#accept(byId.get(entry.opId)!, life, entry, undefined);
    for (const { opId, kind, code } of result.rejected) this.#reject(opId, kind ?? String(code), { opId, code });
  }

  #accept(op: Op, life: number, { seq, version }: Applied, cursor: string | undefined): void {
    const { opId, type } = op;
    const isOwn = cursor !== undefined && seq !== null && seqOf(cursor) === seq;
    this.#stage.history.outcomes.push({
      ...{ n: this.#stage.next(), opId, type, life, seq, version },
      ...(isOwn ? { cursor } : {}),
      ...(op.type === 'session/create' ? { sessionId: op.params.sessionId! } : {}),
    });
    if (seq === null) return;
    this.#stage.told(seq);
    this.#applied.push({ op, seq, version });
  }

  #reject(opId: string, kind: string, error: unknown): void {
    if (kind === '-32603') throw new Error(`the daemon failed: ${JSON.stringify(error)}`);
    this.#stage.history.rejected.push({ opId, kind });
  }
}
