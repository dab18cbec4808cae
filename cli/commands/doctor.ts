// doctor: looks at each thing that sessiond stands on, says whether it is fine and what to do, and with --fix does what is safe.
// Never starts a daemon.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { conditionOf } from '../doctor/condition.ts';
import { checkDisk } from '../doctor/disk.ts';
import type { Check, Finding } from '../doctor/finding.ts';
import { checkLock } from '../doctor/lock.ts';
import { checkModes } from '../doctor/modes.ts';
import { checkSocket } from '../doctor/socket.ts';
import { checkSources } from '../doctor/sources.ts';
import { checkStore } from '../doctor/store.ts';
import { checkVersions } from '../doctor/versions.ts';
import { CliError, exitCodes } from '../exit.ts';
import { countOf } from '../render/quantity.ts';
import { wrap } from '../render/width.ts';

export const withoutToken = "it looks at the files of the daemon's owner";

type Options = { fix?: boolean };

/** `fixed`: it was wrong, and what was to do is done. */
type Told = Omit<Finding, 'fix' | 'state'> & { state: Finding['state'] | 'fixed'; canFix: boolean };

const checks: Check[] = [
  ...[checkVersions, checkSocket, checkLock, checkModes],
  ...[checkStore, checkSources, checkDisk],
];
const stateWidth = 6;
const aboutWidth = 9;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('--fix', 'do what it would do: modes of files and folders, a socket that was left behind')
    .addHelpText(
      'after',
      `\nIt reads all of the store, and never starts the daemon. It ends with 0 when all is fine, and with 1 when something is\n` +
        `wrong that was not put right.\n\nExamples:\n  ${program} doctor\n  ${program} doctor --fix`,
    )
    .action((options: Options) => examine(context, options));
}

async function examine(context: Context, options: Options): Promise<void> {
  const { out, json, program } = context;
  const condition = await conditionOf({ ...context, spawn: false });
  const told: Told[] = [];
  for (const check of checks) {
    for (const finding of await check(context, condition)) {
      const one = options.fix ? fixed(finding) : asTold(finding);
      told.push(one);
      if (!json) await out.lines(linesOf(context, one));
    }
  }
  const wrong = told.filter(({ state }) => state === 'wrong');
  if (json) await out.json({ ok: wrong.length === 0, findings: told });
  if (wrong.length === 0) return;
  const canFix = wrong.filter((finding) => finding.canFix).length;
  const hint =
    canFix > 0 && !options.fix
      ? `to put ${canFix === wrong.length ? 'it' : `${canFix} of it`} right: ${program} doctor --fix`
      : undefined;
  throw new CliError(exitCodes.failure, `${countOf(wrong.length, 'thing is', 'things are')} wrong`, hint);
}

function asTold({ fix, ...finding }: Finding): Told {
  return { ...finding, canFix: fix !== undefined };
}

/** Does what is to be done, where that can be. */
function fixed(finding: Finding): Told {
  const told = asTold(finding);
  if (!finding.fix) return told;
  try {
    finding.fix();
    return { ...told, state: 'fixed' };
  } catch (error) {
    return { ...told, text: `${told.text}; that could not be put right (${(error as Error).message})`, canFix: false };
  }
}

function linesOf({ out }: Context, { about, state, text, todo }: Told): string[] {
  const { dim, green, red, yellow } = out.style;
  const paint = { fine: green, fixed: green, note: yellow, wrong: red }[state];
  const indent = ' '.repeat(stateWidth + aboutWidth);
  const width = out.width - indent.length;
  const [first = '', ...others] = wrap(text, width);
  const lines = [`${paint(state.padEnd(stateWidth))}${about.padEnd(aboutWidth)}${first}`];
  lines.push(...others.map((line) => indent + line));
  if (todo !== undefined)
    lines.push(...wrap(`${state === 'fixed' ? 'done' : 'to do'}: ${todo}`, width).map((line) => indent + dim(line)));
  return lines;
}
