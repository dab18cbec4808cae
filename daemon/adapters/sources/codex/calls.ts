// The latest calls of a rollout, so that each gets the output and the end that are its own. An id is not unique: models
// behind some providers begin their ids anew with each response. An output is that of the last call before it with its id.
import { rememberIn, shortId } from '../../kit/remember.ts';
import type { End } from './items.ts';

/** How an event told its end; the names of its item and its output; how many calls had its id by then. */
type Call = End & { n: number; item?: string; output?: string };
export type CallMemory = [id: string, call: Call][];

const maxCalls = 64;

export class Calls {
  readonly #calls: Map<string, Call>;

  constructor(memory: CallMemory) {
    this.#calls = new Map(memory);
  }

  get memory(): CallMemory {
    return [...this.#calls];
  }

  /** A call, by its id and the name of its item: the id that it has in this session. */
  begin(id: string, item: string): string {
    const known = this.#calls.get(shortId(id));
    const name = shortId(item);
    if (known?.item === name) return uniqueOf(id, known);
    const call = known?.item === undefined ? { n: 1, ...known, item: name } : { n: known.n + 1, item: name };
    rememberIn(this.#calls, shortId(id), call, maxCalls);
    return uniqueOf(id, call);
  }

  /** An event tells how the call ends whose output is to come. */
  tell(id: string, end: End): void {
    const known = this.#calls.get(shortId(id));
    if (known?.output === undefined) rememberIn(this.#calls, shortId(id), { n: 1, ...known, ...end }, maxCalls);
  }

  /** The call that an output is of: the id that it has in this session, and its end as far as it was told. */
  find(id: string, output: string): { callId: string; end: End } | undefined {
    const known = this.#calls.get(shortId(id)) ?? { n: 1 };
    // A call ends once.
    if (known.output !== undefined && known.output !== shortId(output)) return undefined;
    return { callId: uniqueOf(id, known), end: known };
  }

  /** The output was taken for its call. */
  settle(id: string, output: string): void {
    const known = this.#calls.get(shortId(id));
    rememberIn(this.#calls, shortId(id), { n: 1, ...known, output: shortId(output) }, maxCalls);
  }
}

const uniqueOf = (id: string, { n }: Call) => (n === 1 ? id : `${id}#${n}`);
