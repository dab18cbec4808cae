// What works on the store's file and has no daemon, for the CLI, which has no SQL: the daemon's bundle with --check or --restore
// FILE. It holds the store's lock meanwhile, so that no daemon runs beside it (P22). It tells what protocol/node/store-words.ts
// lists.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { StoreWord } from '../protocol/node/store-words.ts';
import { failpoint } from './engine/failpoint.ts';
import { inspectStore } from './store/inspect.ts';
import { StoreError } from './store/open.ts';
import { Restore, RestoreError } from './store/restore.ts';

/** `restore`: the file to restore; without it the store is checked. */
export type StoreProgram = { folder: string; restore: string | undefined; now(): number };

/** Resolves with the exit code: 0; 1 where nothing was done; 7 where another process has the store. */
export async function runStoreProgram({ folder, restore, now }: StoreProgram): Promise<number> {
  process.stdout.on('error', () => {}); // whoever started it has gone: stdin ends too
  try {
    if (restore === undefined) tell({ checked: inspectStore(folder) ?? null });
    else await runRestore(folder, restore, now);
    return 0;
  } catch (error) {
    const foreseen = error instanceof RestoreError || error instanceof StoreError;
    // Of a bug all is told; what has a code is from the disk.
    const isTold = foreseen || (error as { code?: unknown }).code !== undefined;
    const message = error instanceof Error && !isTold ? String(error.stack) : (error as Error).message;
    const exitCode = foreseen ? error.exitCode : 1;
    tell({ failed: { message, exitCode } });
    return exitCode;
  }
}

/** Whoever started it stops the daemon in between: that goes on until it is known that the file is good. */
async function runRestore(folder: string, file: string, now: () => number): Promise<void> {
  const restore = new Restore(folder, file, { onStep: () => failpoint('restoring') });
  tell({ prepared: restore.prepared });
  const lines = createInterface({ input: process.stdin });
  const go = await Promise.race([once(lines, 'line').then(() => true), once(lines, 'close').then(() => false)]);
  lines.close();
  if (go) tell({ restored: restore.commit(now()) });
  else restore.discard();
}

function tell(word: StoreWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}
