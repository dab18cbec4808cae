// Runs systemctl or launchctl.
import { execFile } from 'node:child_process';
import type { Context } from '../context.ts';
import { cleanText } from '../render/clean.ts';

/** `code`: undefined when it could not be run, or did not end. What it said is safe to print. */
export type Ran = { code: number | undefined; stdout: string; stderr: string };

/** Stopping a unit takes as long as its daemon. */
const patienceMs = 60_000;

/** Never rejects. */
export function runManager({ env }: Pick<Context, 'env'>, program: string, args: string[]): Promise<Ran> {
  const options = { env: { ...env, SYSTEMD_COLORS: '0', LC_ALL: 'C.UTF-8' }, timeout: patienceMs, cwd: '/' };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
      const why = error?.killed ? `${program} did not end` : `${program} cannot be run: ${error?.code}`;
      const said = cleanText(stderr).trim();
      resolve({ code, stdout: cleanText(stdout), stderr: code === undefined && said === '' ? why : said });
    });
  });
}
