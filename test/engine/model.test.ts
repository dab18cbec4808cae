// Random ops of several actors, in batches, sent twice, out of order and over restarts, against the model (PROTOCOL.md 3).
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AppendResult, Applied } from '../../daemon/engine/writer.ts';
import { RefusedError } from '../../protocol/errors.ts';
import type { Event } from '../../protocol/schema.ts';
import { opTypes } from '../../protocol/schema.ts';
import { makeHome } from '../support/home.ts';
import { Model } from '../support/model.ts';
import type { Kind, Outcome } from '../support/model-draft.ts';
import type { Delivery, Step } from '../support/model-walk.ts';
import { Deck, walk } from '../support/model-walk.ts';
import { allEvents, foldJournal, HandRuntime, openRecords, readTables, viewTables } from '../support/records.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 100);
/** A failure prints its seed and its last ops. Given as FUZZ_SEED, the failure is shrunk too, which takes minutes. */
const seed = process.env.FUZZ_SEED ? { seed: Number(process.env.FUZZ_SEED) } : { endOnFailure: true };

/** What the walks reached: a generator that goes stale would make the test pass for nothing. */
const reached = new Set<string>();
const reach = (what: string) => reached.add(what);
const refusals: Kind[] = [
  ...(['AlreadyExists', 'AlreadyResolved', 'BatchAborted', 'DeltaGap', 'DependencyMissing', 'InvalidParams'] as const),
  ...(['InvalidTransition', 'NotFound', 'OpIdReused', 'VersionConflict'] as const),
];

/** A store and the model, given the same. */
class Pair {
  readonly #home = makeHome();
  readonly #folder = this.#home.paths.data;
  readonly #runtime = new HandRuntime();
  readonly #model = new Model();
  readonly #deck = new Deck();
  /** principal and opId -> the answer it got first. */
  readonly #answered = new Map<string, Applied>();
  readonly #trail: string[] = [];
  #records = openRecords(this.#folder, this.#runtime);
  #seq = 0;
  #latest = this.#runtime.time;

  async walk(steps: Step[]): Promise<void> {
    try {
      for (const step of steps) await this.#step(step);
      this.#end();
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.message : String(error)}\n${this.#trail.slice(-60).join('\n')}`,
      );
    } finally {
      this.#records.close();
      this.#home.remove();
    }
  }

  async #step(step: Step): Promise<void> {
    const deliveries = this.#deck.deliveries(this.#model, step);
    this.#runtime.time = Math.max(0, this.#runtime.time + step.clock);
    this.#latest = Math.max(this.#latest, this.#runtime.time);
    const answers = await Promise.all(deliveries.map((delivery) => this.#send(delivery)));
    const written = allEvents(this.#records).slice(this.#seq);
    // When the clock was set back, how long the daemon holds to the time before is its own affair.
    const at = written[0]?.at ?? this.#runtime.time;
    expect(at).toBeGreaterThanOrEqual(this.#runtime.time);
    expect(at).toBeLessThanOrEqual(this.#latest);
    for (const [index, delivery] of deliveries.entries()) this.#compare(delivery, answers[index]!, at, written);
    same('events of no op', written, []);
    if (!step.restart) return;
    this.#trail.push('restart');
    this.#records.close();
    this.#records = openRecords(this.#folder, this.#runtime);
  }

  async #send({ author, ops, atomic, batchId }: Delivery): Promise<AppendResult | string> {
    try {
      return await this.#records.writer.append(author, ops, { atomic, batchId });
    } catch (error) {
      if (error instanceof RefusedError) return error.refusal.refused;
      throw error;
    }
  }

  /** Takes what belongs to the delivery from `written`. */
  #compare(delivery: Delivery, answer: AppendResult | string, at: number, written: Event[]): void {
    const { author, ops, ...options } = delivery;
    const outcomes = this.#model.append(ops, options, { ...author, at, written });
    this.#trail.push(`${author.principal} ${author.actorId} at ${at} ${JSON.stringify(options)}`);
    const lines = ops.map((op, index) => `  ${JSON.stringify(op)} -> ${inShort(outcomes[index]!)}`);
    this.#trail.push(...(typeof outcomes === 'string' ? [`  ${JSON.stringify(ops)} -> ${outcomes}`] : lines));
    const rejected = typeof answer === 'string' ? answer : answer.rejected.map(({ opId, kind }) => ({ opId, kind }));
    this.#trail.push(`  the daemon refused ${JSON.stringify(rejected)}`);
    if (typeof outcomes === 'string' || typeof answer === 'string') {
      reach(`all ${String(outcomes)}`);
      same('the answer', answer, outcomes);
      return;
    }
    const foreseen: Record<'applied' | 'duplicates' | 'rejected', object[]> = {
      applied: [],
      duplicates: [],
      rejected: [],
    };
    for (const [index, { opId, type, occurredAt }] of ops.entries()) {
      const outcome = outcomes[index]!;
      reach(outcome.outcome === 'refused' ? `${type} ${outcome.kind}` : `${type} ${outcome.outcome}`);
      if (outcome.outcome === 'refused') {
        foreseen.rejected.push({ opId, kind: outcome.kind });
        continue;
      }
      const key = `${author.principal} ${opId}`;
      if (outcome.outcome === 'duplicate' && outcome.first) {
        foreseen.duplicates.push(this.#answered.get(key)!);
        continue;
      }
      let seq: number | null = null;
      if (outcome.outcome === 'applied') {
        for (const told of outcome.events) {
          seq = ++this.#seq;
          const happened = occurredAt === undefined ? {} : { occurredAt };
          same(`event ${seq}`, written.shift(), { seq, at, ...happened, actorId: author.actorId, opId, ...told });
        }
      }
      const told = [...answer.applied, ...answer.duplicates].find((each) => each.opId === opId);
      const entry = { opId, seq, version: outcome.version, ids: told?.ids ?? {} };
      foreseen[outcome.outcome === 'applied' ? 'applied' : 'duplicates'].push(entry);
      this.#answered.set(key, entry);
    }
    same('the answer', { applied: answer.applied, duplicates: answer.duplicates, rejected }, foreseen);
  }

  #end(): void {
    const tables = readTables(this.#records);
    expect(tables, 'the tables are the model').toEqual(viewTables(this.#model.state.sessions));
    expect(viewTables(foldJournal(this.#records)), 'the fold of the journal is the tables').toEqual(tables);
    checkJournal(allEvents(this.#records));
    expect(this.#runtime.errors).toEqual([]);
  }
}

function inShort(outcome: Outcome | string): string {
  if (typeof outcome === 'string') return outcome;
  if (outcome.outcome === 'refused') return outcome.kind;
  return outcome.outcome === 'applied' ? outcome.events.map(({ type }) => type).join(' ') : 'duplicate';
}

function same(what: string, actual: unknown, foreseen: unknown): void {
  if (isDeepStrictEqual(actual, foreseen)) return;
  throw new Error(`${what} is\n  ${JSON.stringify(actual)}\nand by the model\n  ${JSON.stringify(foreseen)}`);
}

/** What PROTOCOL.md 3 says of the journal as a whole, without the model. */
function checkJournal(events: Event[]): void {
  const versions = new Map<string, number>();
  const ends = new Map<string, string>();
  const ops = new Set<string>();
  for (const [index, event] of events.entries()) {
    const { type, data, sessionId } = event;
    const before = events[index - 1];
    expect(event.seq).toBe(index + 1);
    expect(event.at).toBeGreaterThanOrEqual(before?.at ?? 0);
    expect(event.version, 'versions have no gaps').toBe((versions.get(sessionId) ?? 0) + 1);
    versions.set(sessionId, event.version);
    const op = `${event.actorId} ${event.opId}`;
    if (before && `${before.actorId} ${before.opId}` !== op)
      expect(ops, 'all events of one op are adjacent').not.toContain(op);
    ops.add(op);
    if (type !== 'turn/updated' && type !== 'blocker/updated') continue;
    if (ends.has(data.id)) expect(data.state, 'an end is final').toBe(ends.get(data.id));
    if (!['created', 'streaming', 'pending'].includes(data.state)) ends.set(data.id, data.state);
  }
}

test('whatever is sent, in whatever order and however often, comes out as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(walk, (steps) => new Pair().walk(steps)),
    { numRuns, ...seed },
  );
  if (numRuns < 100) return;
  expect(opTypes.filter((type) => !reached.has(`${type} applied`))).toEqual([]);
  expect(refusals.filter((kind) => ![...reached].some((what) => what.endsWith(` ${kind}`)))).toEqual([]);
}, 3_600_000);
