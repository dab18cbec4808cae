// The records of a Gemini CLI transcript as it stands after each line: which there are, in order, and in what version. The
// same id comes again with other content, a checkpoint replaces all that was, a rewind takes back the last ones; none of
// these removes a record here, they are told apart. Bounded: the oldest are forgotten. One that comes again after that is
// taken for new, so it ends as its last version all the same, but reading the file anew then makes events again.
import { hash } from 'node:crypto';
import { rememberIn } from '../../kit/remember.ts';

/**
 * live -> missing (a checkpoint does not hold it) -> live (the next one does) | gone (something else comes next);
 * live -> gone (a rewind); gone -> live (it comes again). Only what is told of a record is a version of it, so that one
 * that is missing in between is put no more often than one that stays: a resume writes a checkpoint of the context alone,
 * and then one of everything.
 */
const states = ['live', 'missing', 'gone'] as const;
/** `type`: of a message, else ''. */
type Entry = { type: string; version: number; digest: string; state: (typeof states)[number] };
/** An entry as it is remembered; the state by its index. */
export type Kept = [name: string, type: string, version: number, digest: string, state: number];
export type Marked = { name: string; type: string; version: number };

export const maxEntries = 1000;

export class Timeline {
  readonly #entries: Map<string, Entry>;
  /** Whether any can be missing: it is asked for each line. */
  #mayMiss = true;

  constructor(kept: Kept[]) {
    this.#entries = new Map(
      kept.map(([name, type, version, digest, state]) => [
        name,
        { type, version, digest, state: states[state] ?? 'live' },
      ]),
    );
  }

  keep(): Kept[] {
    const entries = [...this.#entries];
    return entries.map(([name, { type, version, digest, state }]) => [
      name,
      type,
      version,
      digest,
      states.indexOf(state),
    ]);
  }

  /**
   * A record with this content: which version of it this is, or undefined when it is as it was told last. `last`: it stands
   * at the end now, as those of a checkpoint do; else one that is there keeps its place.
   */
  note(name: string, type: string, content: string, last: boolean): number | undefined {
    const known = this.#entries.get(name);
    const digest = shortHash(content);
    const same = known !== undefined && known.state !== 'gone' && known.digest === digest && known.type === type;
    const version = known === undefined ? 0 : same ? known.version : known.version + 1;
    const entry: Entry = { type, version, digest, state: 'live' };
    if (known?.state === 'live' && !last) this.#entries.set(name, entry);
    else rememberIn(this.#entries, name, entry, maxEntries);
    return same ? undefined : version;
  }

  /** A checkpoint holds these and no others. */
  replaceBy(names: ReadonlySet<string>): void {
    this.#mayMiss = true;
    for (const [name, entry] of this.#entries)
      if (entry.state === 'live' && !names.has(name)) this.#entries.set(name, { ...entry, state: 'missing' });
  }

  /** No other checkpoint follows: takes back what the last one did not hold. Its messages, with the version that says so. */
  takeMissing(): Marked[] {
    if (!this.#mayMiss) return [];
    this.#mayMiss = false;
    return this.#takeBack([...this.#entries].filter(([, { state }]) => state === 'missing'));
  }

  /**
   * Takes back the record and all behind it; when it is not there, all of them, as Gemini CLI itself does (and one that was
   * forgotten here stood before all that are not). Its messages, with the version that says so.
   */
  rewindTo(name: string): Marked[] {
    const live = [...this.#entries].filter(([, { state }]) => state === 'live');
    const index = live.findIndex(([each]) => each === name);
    return this.#takeBack(live.slice(Math.max(0, index)));
  }

  #takeBack(entries: [string, Entry][]): Marked[] {
    return entries.flatMap(([name, entry]) => {
      const { type } = entry;
      const version = entry.version + 1;
      this.#entries.set(name, { ...entry, version, state: 'gone' });
      return type === '' ? [] : [{ name, type, version }];
    });
  }
}

const shortHash = (text: string) => hash('sha256', text, 'base64url').slice(0, 8);
