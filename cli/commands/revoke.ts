// revoke ID: ends a capability at once, and all that was made out of it.
import type { Command } from 'commander';
import type { Capability } from '../../protocol/capability.ts';
import { allCapabilities, madeOutOf, resolveCapability } from '../capabilities.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { isValid } from '../render/capability.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('<capability>', 'its id as caps shows it, or the start of it')
    .option('--bump-epoch', 'it stays good, and everybody who acts with it must redeem its token again')
    .addHelpText(
      'after',
      `\nWhat was made out of it ends with it. Whoever is connected with it is cut off at once.\n\n` +
        `Examples:\n  ${program} revoke cap_4kZq\n  ${program} revoke cap_4kZq --bump-epoch`,
    )
    .action(async (given: string, { bumpEpoch }: { bumpEpoch?: boolean }) => {
      await withDaemon(context, async ({ client }) => {
        const all = await allCapabilities(client);
        const { id, revokedAt } = resolveCapability(context, all, given);
        const below = madeOutOf(all, id).filter(({ revokedAt }) => revokedAt === null);
        const mode = bumpEpoch ? 'bumpEpoch' : 'revoke';
        const { capability } = await client.call('capability/revoke', { capabilityId: id, mode });
        const name = `${cleanLine(id)}  ${cleanStart(capability.label, 200)}`.trimEnd();
        if (bumpEpoch && !isValid(capability, context.now())) throw isOver(name, capability);
        if (context.json) return out.json(capability);
        await out.line(
          `${bumpEpoch ? 'must be redeemed again:' : revokedAt === null ? 'revoked' : 'was revoked before:'} ${name}`,
        );
        if (below.length > 0) await out.line(`with ${countOf(below.length, 'other')} made out of it`);
      });
    });
}

/** Nobody can redeem it any more. */
function isOver(name: string, { revokedAt }: Capability): CliError {
  const how = revokedAt === null ? 'has expired, and' : 'was revoked already, and';
  return new CliError(exitCodes.failure, `${name} ${how} stays so: nobody can redeem it`);
}
