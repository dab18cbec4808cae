// What the states of a file could have given: every record with each content that it ever had, and the order of records in
// each state. By the pure adapters, folded in memory; a state is read line by line, since a read may end after any of them.
import type { ReadResult, SourceLine, SourceOp } from '../../daemon/adapters/adapter.ts';
import type { ChangingFile } from './changing-file.ts';
import { linesOf, SourceFold, transcriptOf } from './fold-source.ts';
import { sourceOf } from './formats.ts';
import type { Home } from './home.ts';

/** What a record was, over all states. `keys`: of the puts that made it; `values`: what each field was. */
export type Past = { keys: Set<string>; values: Map<string, Set<string>> };

export class History {
  readonly records = new Map<string, Past>();
  /** The ids of the messages and of the parts of each state, in its order. */
  readonly orders: Map<string, number>[] = [];
  /** The keys of each record in the last state. */
  readonly last = new Map<string, Set<string>>();

  constructor(home: Home, file: ChangingFile, states = file.states) {
    for (const [index, state] of states.entries()) {
      const isLast = index === states.length - 1;
      const fold = this.#read(home, file, state, (id, key) => {
        if (isLast) this.last.set(id, (this.last.get(id) ?? new Set()).add(key));
      });
      const ids = fold
        .list()
        .messages.flatMap(({ message, parts }) => [String(message.messageId), ...parts.map(({ id }) => id)]);
      this.orders.push(new Map(ids.map((id, place) => [id, place])));
    }
  }

  /** Whether each state that had the second had the first, before it. */
  alwaysBefore(first: string, second: string): boolean {
    return this.orders.every((order) => {
      const place = order.get(second);
      return place === undefined || (order.get(first) ?? Number.POSITIVE_INFINITY) < place;
    });
  }

  /** The ids of the messages and parts that the last state holds. */
  get lastIds(): string[] {
    return [...(this.orders.at(-1)?.keys() ?? [])];
  }

  #read(home: Home, file: ChangingFile, state: Buffer, onPut: (id: string, key: string) => void): SourceFold {
    const source = sourceOf(home, file.format.kind);
    const transcript = transcriptOf(source, file.path);
    const fold = new SourceFold();
    const apply = ({ ops }: ReadResult) => {
      for (const op of ops) {
        fold.apply(op);
        const id = recordOf(op);
        this.#note(id, op.key, recordAfter(fold, op));
        onPut(id, op.key);
      }
    };
    if (!file.format.grows) {
      const result = source.readDocument!(transcript, state.toString('utf8'), fold);
      if (!result.wait) apply(result);
      return fold;
    }
    let memory: unknown = null;
    let waiting: SourceLine[] = [];
    for (const line of linesOf(state.toString('utf8'))) {
      waiting.push(line);
      const result = source.read(transcript, waiting, memory, fold, false);
      if (result.wait) continue;
      apply(result);
      memory = JSON.parse(JSON.stringify(result.state));
      waiting = [];
    }
    return fold;
  }

  #note(id: string, key: string, value: object): void {
    const past = this.records.get(id) ?? { keys: new Set(), values: new Map() };
    this.records.set(id, past);
    past.keys.add(key);
    for (const [name, field] of Object.entries(value)) {
      const values = past.values.get(name) ?? new Set();
      past.values.set(name, values.add(canonical(field)));
    }
  }
}

/** The record that a put is of. */
export function recordOf({ params }: SourceOp): string {
  if ('partId' in params) return params.partId!;
  return 'messageId' in params ? params.messageId! : params.sessionId!;
}

function recordAfter(fold: SourceFold, { params }: SourceOp): object {
  if ('partId' in params) return fold.parts.get(params.partId!)!;
  return 'messageId' in params ? fold.messages.get(params.messageId!)! : fold.session!;
}

/** As text, whatever the order of its members. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
