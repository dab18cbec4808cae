// rpc: one call of any method, JSON in and JSON out.
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { cleanStart } from '../render/clean.ts';
import { shellCommand } from '../shell-quote.ts';

/** With `-` for its params. */
export function takesInput({ args }: Command): boolean {
  return args[1] === '-';
}

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<method>', 'the method, for example session/list')
    .argument('[params]', 'its params as JSON, or - to read them from stdin')
    .addHelpText(
      'after',
      `\nExamples:\n  ${program} rpc session/list '{"limit":1}'\n  echo '{}' | ${program} rpc daemon/status -\n` +
        `  ${program} rpc rpc.discover`,
    )
    .action(async (method: string, given: string | undefined) => {
      const params = parse(given === '-' ? await text(context.input) : (given ?? '{}'), context);
      const result = await withDaemon(context, ({ client }) =>
        client.callRaw(method, params).catch(asUsage(context, method)),
      );
      await context.out.json(result, { pretty: context.out.isTerminal && !context.json });
      if (method === 'events/subscribe') await tellEnded(context, params);
    });
}

/** A subscription lives as long as its connection, and that is over. */
async function tellEnded({ err, json, commandLine }: Context, params: object): Promise<void> {
  const name = 'name' in params ? ['--name', String(params.name)] : [];
  const hint = commandLine(shellCommand(['tail', ...name]));
  if (json) await err.json({ ended: { hint } });
  else await err.line(`the subscription ended with this call; to follow events: ${hint}`);
}

/** JSON-RPC itself knows only objects and arrays as params, and answers others before it looks at the method. */
function parse(json: string, context: Context): object {
  let params: unknown;
  try {
    params = JSON.parse(json);
  } catch (error) {
    throw wrongUsage(context, `the params are not JSON: ${(error as Error).message}`);
  }
  if (typeof params === 'object' && params !== null) return params;
  throw wrongUsage(context, 'params are given by name, in an object');
}

/** What the caller typed does not fit the method table: wrong usage, not a failure of the daemon. */
function asUsage(context: Context, method: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof RpcError) {
      const { code, message } = error;
      if (code === jsonRpcCodes.methodNotFound) {
        throw wrongUsage(context, `the daemon knows no method ${cleanStart(method, 100)}`);
      }
      if (code === jsonRpcCodes.invalidParams) throw wrongUsage(context, message);
    }
    throw error;
  };
}

function wrongUsage({ commandLine }: Context, message: string): CliError {
  return new CliError(exitCodes.usage, message, `the methods and their params: ${commandLine('rpc rpc.discover')}`);
}
