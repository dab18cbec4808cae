// The worker that backs the store up or checks it: one task, then it ends (engine/store-tasks.ts).
import { parentPort, workerData } from 'node:worker_threads';
import { RefusedError } from '../protocol/errors.ts';
import type { StoreAnswer, StoreWorkerData } from './engine/store-tasks.ts';
import { backUp } from './store/backup.ts';
import { checkFile } from './store/check.ts';

const { store, task } = workerData as StoreWorkerData;

function answer(): StoreAnswer {
  if (task.kind === 'check') return { done: checkFile(store) };
  try {
    return { done: backUp(store, task.path) };
  } catch (error) {
    if (error instanceof RefusedError) return { refusal: error.refusal };
    throw error;
  }
}

parentPort!.postMessage(answer());
