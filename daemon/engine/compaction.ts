// store/compact: the space of what was deleted or pruned goes back to the disk, in bites between which others write.
import type { FreeSpace } from '../store/free-space.ts';
import { inBites } from './bites.ts';
import type { Retention } from './retention.ts';
import type { Runtime } from './runtime.ts';
import type { Writer } from './writer.ts';

export type CompactionDeps = {
  space: FreeSpace;
  retention: Pick<Retention, 'cut'>;
  writer: Pick<Writer, 'write'>;
  runtime: Pick<Runtime, 'monotonic' | 'sleep'>;
};

/** Pages moved in one transaction: few, so that an op that comes meanwhile waits for little. */
const bitePages = 32;

export class Compaction {
  readonly #deps: CompactionDeps;
  /** One at a time: a second caller gets what the first began. */
  #running: Promise<number> | undefined;

  constructor(deps: CompactionDeps) {
    this.#deps = deps;
  }

  /** Resolves with the bytes that were freed. Rejects with RefusedError when the store cannot be written. */
  run(): Promise<number> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<number> {
    const { space, retention, writer, runtime } = this.#deps;
    await retention.cut();
    let freed = 0;
    await inBites(async () => {
      const before = space.bytes;
      if (before === 0) return true;
      await writer.write(() => space.release(bitePages));
      const left = space.bytes;
      // What others free meanwhile would keep this going for ever.
      if (left >= before) return true;
      freed += before - left;
      return false;
    }, runtime);
    space.shorten();
    return freed;
  }
}
