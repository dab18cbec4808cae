// The worker that copies pages of the write-ahead log back into the store: a copy for each message, which it answers.
import { parentPort, workerData } from 'node:worker_threads';
import { Checkpointer } from './store/checkpointer.ts';

const checkpointer = new Checkpointer((workerData as { store: string }).store);

parentPort!.on('message', () => {
  parentPort!.postMessage(checkpointer.run());
});
