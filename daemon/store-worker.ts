// The process that backs the store up or checks it: one task, then it ends (engine/store-tasks.ts).
import { once } from 'node:events';
import { RefusedError } from '../protocol/errors.ts';
import type { StoreAnswer, StoreTask, StoreWorkerData } from './engine/store-tasks.ts';
import { backUp } from './store/backup.ts';
import { checkFile } from './store/check.ts';

process.umask(0o077);
const [{ store, task }] = (await once(process, 'message')) as [StoreWorkerData];
// What a Ctrl-C in the daemon's terminal means is for the daemon to say.
process.on('SIGINT', () => {});
process.send!(answer(task), () => process.disconnect());

function answer(task: StoreTask): StoreAnswer {
  if (task.kind === 'check') return { done: checkFile(store) };
  try {
    return { done: backUp(store, task.path) };
  } catch (error) {
    if (error instanceof RefusedError) return { refusal: error.refusal };
    throw error;
  }
}
