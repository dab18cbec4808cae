// A bound in time for what others do.
import type { Runtime } from './runtime.ts';

/** What `ask` gives; its signal fires after `ms`, or with `signal`. Nothing of the bound is left when it has ended. */
export async function within<T>(
  runtime: Pick<Runtime, 'sleep'>,
  ms: number,
  signal: AbortSignal,
  ask: (either: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  runtime.sleep(ms, over.signal).then(
    () => over.abort(new Error(`no answer in ${ms / 1000} s`)),
    () => {},
  );
  try {
    return await ask(AbortSignal.any([signal, over.signal]));
  } finally {
    over.abort();
  }
}
