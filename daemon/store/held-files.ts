// Files that this process holds open. Their paths may come to lead elsewhere: what is written then is on no disk that a next start
// would find.
import { statSync } from 'node:fs';

type Held = { path: string; dev: number; ino: number };

export class HeldFiles {
  readonly #held: Held[];

  /** `paths`: of files that are there. Throws Node's error for one that is not. */
  constructor(paths: string[]) {
    this.#held = paths.map((path) => {
      const { dev, ino } = statSync(path);
      return { path, dev, ino };
    });
  }

  /** The first whose path leads to it no more: it was removed, moved away or replaced. A system call for each. */
  lost(): string | undefined {
    return this.#held.find(({ path, dev, ino }) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.ino !== ino || found.dev !== dev;
    })?.path;
  }
}
