// Long output on a terminal goes through the user's pager: $PAGER, else less. Quitting it early is no failure, and its exit
// code is not ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Context } from './context.ts';
import { findProgram } from './find-program.ts';
import { Output, OutputClosedError } from './output.ts';

/** What a shell exits with when the command cannot be run or is not there. */
const notRun = new Set([126, 127]);

/** Runs `print` on a pager where there is a person to turn the pages, else on stdout. */
export async function paged(context: Context, print: (out: Output) => Promise<void>): Promise<void> {
  const command = pagerCommand(context);
  if (command === undefined) return print(context.out);
  // Ctrl-C is for the pager: were this process gone, both the shell and the pager would read the keys.
  const stay = () => {};
  process.on('SIGINT', stay);
  const child = spawn('/bin/sh', ['-c', command], {
    stdio: ['pipe', 'inherit', 'inherit'],
    // As git does: quit when all fits on one screen, let colours through, leave the text on the screen.
    env: { ...context.env, LESS: context.env.LESS ?? 'FRX', LV: context.env.LV ?? '-c' },
  });
  try {
    const terminal = Object.assign(child.stdin!, { isTTY: true, columns: context.out.width });
    const printed = print(new Output(terminal, context.env)).finally(() => child.stdin!.end());
    // Also when printing fails: the terminal is the pager's until it ends.
    const [[result], [code]] = await Promise.all([Promise.allSettled([printed]), once(child, 'close')]);
    if (notRun.has(code)) return await print(context.out);
    if (result.status === 'rejected' && !(result.reason instanceof OutputClosedError)) throw result.reason;
  } finally {
    process.off('SIGINT', stay);
  }
}

function pagerCommand({ env, out, input, json }: Context): string | undefined {
  const isWatched = out.isTerminal && (input as { isTTY?: boolean }).isTTY === true;
  if (!isWatched || json || env.TERM === 'dumb') return undefined;
  if (env.PAGER !== undefined) return ['', 'cat'].includes(env.PAGER.trim()) ? undefined : env.PAGER;
  return findProgram('less', env) && 'less -FRX';
}
