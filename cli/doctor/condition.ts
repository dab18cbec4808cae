// What all checks go by: whether a daemon runs, and if not, who has the store and how that is. Asked once; starts no daemon.
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import type { Result } from '../../protocol/methods.ts';
import type { StoreReport } from '../../protocol/node/store-words.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes, failureOf } from '../exit.ts';
import { StoreProgram } from '../store-program.ts';

export type Condition =
  /** `problems`: those of the store; undefined: the daemon is too old to tell. */
  | { daemon: 'runs'; status: Result<'daemon/status'>; problems: string[] | undefined }
  /** Something answers on the socket, and it is no daemon that can be asked; or nobody does, and the store is held. */
  | { daemon: 'silent'; why: string }
  /** `store`: null where there is none yet; undefined: it could not be looked at, because of `why`. */
  | { daemon: 'absent'; store: StoreReport | null | undefined; why?: string };

export async function conditionOf(context: Context): Promise<Condition> {
  let running: Awaited<ReturnType<typeof connectIfRunning>>;
  try {
    running = await connectIfRunning(context);
  } catch (error) {
    return { daemon: 'silent', why: failureOf(error, context.commandLine, false).message };
  }
  if (running) {
    const { client } = running;
    try {
      const status = await client.call('daemon/status', {});
      return { daemon: 'runs', status, problems: await problemsOf(() => client.call('store/check', {})) };
    } finally {
      client.close();
    }
  }
  const program = new StoreProgram(context, ['--check']);
  try {
    return { daemon: 'absent', store: await program.word('checked') };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    if (error.exitCode === exitCodes.busy) return { daemon: 'silent', why: 'nobody listens on the socket' };
    return { daemon: 'absent', store: undefined, why: error.message };
  } finally {
    program.end();
  }
}

async function problemsOf(check: () => Promise<Result<'store/check'>>): Promise<string[] | undefined> {
  try {
    return (await check()).problems;
  } catch (error) {
    if (error instanceof RpcError) return error.code === jsonRpcCodes.methodNotFound ? undefined : [error.message];
    throw error;
  }
}
