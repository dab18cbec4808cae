// The sources of this store: those that are there by default, less those that a person removed, and those added.
import { statSync } from 'node:fs';
import { isAbsolute, normalize, sep } from 'node:path';
import { RefusedError, refuse, refuseParams } from '../../protocol/errors.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import type { Source } from '../adapters/adapter.ts';
import type { SourceRow, SourceRows } from '../store/source-rows.ts';
import { Budget } from './budget.ts';
import type { IngestDeps } from './ingest.ts';
import { Ingest } from './ingest.ts';
import { budgetBytes } from './intake.ts';

/** Makes a source of a kind that reads this folder. */
export type SourceKinds = { [kind: string]: (path: string) => Source };

export type SourcesOptions = {
  /** Those that are there unless they were removed. */
  defaults: Source[];
  kinds: SourceKinds;
  rows: SourceRows;
  ingest: IngestDeps;
  /** Ends them all. */
  signal: AbortSignal;
  /** Told of each loop when it starts: whoever started it owns it. */
  onLoop(loop: Promise<void>): void;
};

type Running = { ingest: Ingest; abort: AbortController };

export class Sources {
  readonly #options: SourcesOptions;
  readonly #running = new Map<string, Running>();
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: SourcesOptions) {
    // All of them share one.
    const budget = new Budget(budgetBytes, options.ingest.runtime.releaseMemory);
    this.#options = { ...options, ingest: { budget, ...options.ingest } };
  }

  start(): void {
    const { defaults, kinds, rows } = this.#options;
    const held = new Map(rows.all().map((row) => [row.name, row]));
    for (const source of defaults) if (!held.has(source.kind)) this.#run(source.kind, source);
    for (const { name, kind, path, removed } of held.values()) {
      const make = kinds[kind];
      if (!removed && make) this.#run(name, make(path));
    }
  }

  list(): SourceStatus[] {
    return [...this.#running.values()].map(({ ingest }) => ingest.status);
  }

  /** Looks at everything now, or at one source; resolves with the number of files. Rejects with NotFound. */
  async rescan(name: string | undefined): Promise<number> {
    const chosen = name === undefined ? [...this.#running.values()] : [this.#find(name)];
    const files = await Promise.all(chosen.map(({ ingest }) => ingest.rescan()));
    return files.reduce((sum, count) => sum + count, 0);
  }

  /** Reads one more folder, also after a restart. The same again changes nothing. Rejects with InvalidParams. */
  add(kind: string, given: string): Promise<SourceStatus> {
    return this.#inTurn(() => this.#add(kind, given));
  }

  /** Stops reading it, for good; what was taken in stays. Rejects with NotFound. */
  remove(name: string): Promise<void> {
    return this.#inTurn(() => this.#remove(name));
  }

  /** One change at a time: the next one sees what the one before it made. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => {});
    return done;
  }

  async #add(kind: string, given: string): Promise<SourceStatus> {
    const { kinds, rows, ingest } = this.#options;
    const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (!make) throw invalid('kind', `there is no kind ${kind}: it is one of ${Object.keys(kinds).join(', ')}`);
    if (!isAbsolute(given)) throw invalid('path', 'it must be an absolute path');
    const path = normalize(given).replace(/(?<=.)\/+$/, '');
    if (path === sep || path.includes('\0')) throw invalid('path', 'it must be a folder of transcripts');
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
      throw invalid('path', `${path} is no folder`);
    const same = [...this.#running.values()].find((each) => each.ingest.source.kind === kind && overlaps(each, path));
    if (same?.ingest.source.path === path) return same.ingest.status;
    if (same) throw invalid('path', `the source ${same.ingest.name} reads ${same.ingest.source.path} already`);
    const name = this.#nameFor(kind, path, rows.all());
    await ingest.writer.write(() => rows.put({ name, kind, path, removed: false }));
    return this.#run(name, make(path)).status;
  }

  async #remove(name: string): Promise<void> {
    const { ingest, abort } = this.#find(name);
    const { kind, path } = ingest.source;
    await this.#options.ingest.writer.write(() => this.#options.rows.put({ name, kind, path, removed: true }));
    this.#running.delete(name);
    abort.abort();
  }

  /** That of the same folder if it was there before, else the first that is free: `codex`, `codex-2`, … */
  #nameFor(kind: string, path: string, rows: SourceRow[]): string {
    const before = rows.find((row) => row.kind === kind && row.path === path);
    if (before) return before.name;
    const taken = new Set([...rows.map((row) => row.name), ...this.#running.keys()]);
    let name = kind;
    for (let number = 2; taken.has(name); number += 1) name = `${kind}-${number}`;
    return name;
  }

  #find(name: string): Running {
    const running = this.#running.get(name);
    if (running) return running;
    throw new RefusedError(refuse('NotFound', `there is no source ${name}`, { what: 'source', id: name }));
  }

  #run(name: string, source: Source): Ingest {
    const ingest = new Ingest(source, this.#options.ingest, name);
    const abort = new AbortController();
    this.#running.set(name, { ingest, abort });
    this.#options.onLoop(ingest.run(AbortSignal.any([this.#options.signal, abort.signal])));
    return ingest;
  }
}

function overlaps({ ingest }: Running, path: string): boolean {
  const { path: held } = ingest.source;
  return path === held || path.startsWith(`${held}${sep}`) || held.startsWith(`${path}${sep}`);
}

function invalid(member: string, message: string): RefusedError {
  return new RefusedError(refuseParams(`${member}: ${message}`, { member }));
}
