// Files of the user's own are left alone unless that is asked for.
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { shownPath } from '../render/path.ts';
import type { Found, ServiceFile } from './service-file.ts';

/** Throws CliError where one was changed, or was never written by install. */
export function refuseNotOurs(
  { home, program }: Context,
  files: (ServiceFile & { found: Found })[],
  verb: 'install' | 'uninstall',
): void {
  const kept = files.find(({ found }) => found.is === 'changed' || found.is === 'foreign');
  if (!kept) return;
  const why = kept.found.is === 'changed' ? 'was changed since sessiond wrote it' : 'was not written by sessiond';
  const [done, what] = verb === 'install' ? ['replaced', 'write over it'] : ['removed', 'remove it'];
  throw new CliError(
    exitCodes.failure,
    `${shownPath(kept.path, home)} ${why}, and is not ${done}`,
    `move it away, or to ${what}: ${program} service ${verb} --force`,
  );
}
