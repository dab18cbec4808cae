// How much memory this process holds, which other files' tests have run in before.
import v8 from 'node:v8';
import vm from 'node:vm';

v8.setFlagsFromString('--expose-gc');

/** Collects all that nobody holds. */
export const collectGarbage = vm.runInNewContext('gc') as () => void;

/** Bytes on the heap and in buffers: what is held, and what is not collected yet. */
export function bytesInUse(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}
