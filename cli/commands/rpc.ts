// rpc: one call of any method, JSON in and JSON out.
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<method>', 'the method, for example session/list')
    .argument('[params]', 'its params as JSON, or - to read them from stdin')
    .addHelpText(
      'after',
      `\nExamples:\n  ${program} rpc session/list '{"limit":1}'\n  echo '{}' | ${program} rpc daemon/status -`,
    )
    .action(async (method: string, given: string | undefined) => {
      const params = parse(given === '-' ? await text(context.input) : (given ?? '{}'));
      const result = await withDaemon(context, ({ client }) => client.callRaw(method, params).catch(asUsage(context)));
      await context.out.json(result, { pretty: context.out.isTerminal && !context.json });
    });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new CliError(exitCodes.usage, `the params are not JSON: ${(error as Error).message}`);
  }
}

/** What the caller typed does not fit the method table: wrong usage, not a failure of the daemon. */
function asUsage(context: Context): (error: unknown) => never {
  return (error) => {
    if (error instanceof RpcError) {
      if (error.code === jsonRpcCodes.methodNotFound || error.code === jsonRpcCodes.invalidParams) {
        throw new CliError(
          exitCodes.usage,
          error.message,
          `the methods and their params: ${context.program} rpc rpc.discover`,
        );
      }
    }
    throw error;
  };
}
