// What others do to the daemon's files while it runs: a socket whose file is gone is listened on anew, and a store that was taken away
// ends the daemon, also where nobody writes (the writer takes a shorter look before each commit). Looked for and not watched: it is a few system
// calls a second, and a system may have no watch left to give.
import type { Runtime } from './engine/runtime.ts';
import type { Writer } from './engine/writer.ts';
import type { Listening } from './serve/listen.ts';
import { ListenError } from './serve/listen.ts';

const everyMs = 1_000;

/** Looks every second until the signal fires. */
export async function watchFiles(
  listening: Pick<Listening, 'renew'>,
  writer: Pick<Writer, 'checkStore'>,
  { runtime, signal }: { runtime: Pick<Runtime, 'sleep' | 'log'>; signal: AbortSignal },
): Promise<void> {
  let told = '';
  for (;;) {
    await runtime.sleep(everyMs, signal).catch(() => {});
    if (signal.aborted) return;
    writer.checkStore();
    try {
      if (await listening.renew()) runtime.log.warn({}, 'the socket file was gone: listening on it anew');
      told = '';
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      // Tried again in a second, and told once.
      if (error.message !== told) runtime.log.error({}, `the socket file is gone: ${error.message}`);
      told = error.message;
    }
  }
}
