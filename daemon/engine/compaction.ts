// store/compact: the space of what was deleted or pruned goes back to the disk, in bites between which others write.
import type { FreeSpace } from '../store/free-space.ts';
import type { Retention } from './retention.ts';
import type { Writer } from './writer.ts';

export type CompactionDeps = {
  space: FreeSpace;
  retention: Pick<Retention, 'cut'>;
  writer: Pick<Writer, 'write'>;
};

/** Pages moved in one transaction, so that the event loop is never held long. */
const bitePages = 128;

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
    const { space, retention, writer } = this.#deps;
    await retention.cut();
    let freed = 0;
    for (let before = space.bytes; before > 0; before = space.bytes) {
      await writer.write(() => space.release(bitePages));
      const left = space.bytes;
      // What others free meanwhile would keep this going for ever.
      if (left >= before) break;
      freed += before - left;
    }
    space.shorten();
    return freed;
  }
}
