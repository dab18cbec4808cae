// The program that runs services on this system: what it is asked, whichever it is.
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import type { Ran } from './run-manager.ts';
import type { ServiceFile } from './service-file.ts';

/** `isOn`: it is as install leaves it. `pid`: of the daemon that it runs. `facts`: in its own words, for status. */
export type ServiceState =
  | { unreachable: string }
  | { isOn: boolean; pid: number | null; facts: [label: string, value: string][] };

export type ServiceManager = {
  name: 'systemd' | 'launchd';
  /** As it is asked: `systemctl --user`. */
  program: string;
  files: ServiceFile[];
  /** What it does from then on, in a sentence. */
  promise: string;
  /** The command that starts it anew. */
  restart: string;
  /** Never rejects. */
  state(): Promise<ServiceState>;
  /** Takes up the files as they are now; ends a daemon that it runs. Rejects with CliError. */
  enable(): Promise<void>;
  /** Ends the daemon that it runs, and starts none any more. Rejects with CliError. */
  disable(): Promise<void>;
  /** Has it see that the files are gone. Rejects with CliError. */
  forget(): Promise<void>;
};

/** Throws CliError where no such program is known, PathError and CliError for what it cannot run. */
export async function managerFor(context: Context): Promise<ServiceManager> {
  const { platform = process.platform, program } = context;
  if (platform === 'linux') return (await import('./systemd.ts')).systemd(context);
  if (platform === 'darwin') return (await import('./launchd.ts')).launchd(context);
  const message = `there is no service for ${platform}: sessiond knows systemd (Linux) and launchd (macOS)`;
  throw new CliError(exitCodes.failure, message, `have yours run: ${program} run`);
}

/** Throws CliError unless it went well; `command`: as it was run. */
export function mustSucceed(command: string, { code, stderr }: Ran): void {
  if (code === 0) return;
  throw new CliError(exitCodes.failure, `${command} failed: ${stderr || `it ended with ${code}`}`);
}
