// service uninstall: ends what the manager runs, and removes the files that install wrote. The store is left alone.
import { rmSync } from 'node:fs';
import { pathsFrom } from '../../protocol/node/paths.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { shownPath } from '../render/path.ts';
import { managerFor } from './manager.ts';
import { look } from './service-file.ts';
import { refuseNotOurs } from './untouched.ts';

export async function uninstall(context: Context, { force }: { force?: boolean }): Promise<void> {
  const { out, err, json, home, program } = context;
  const manager = await managerFor(context);
  const files = manager.files
    .map((file) => ({ ...file, found: look(file) }))
    .filter(({ found }) => found.is !== 'absent');
  if (!force) refuseNotOurs(context, files, 'uninstall');
  const state = await manager.state();
  const isReachable = !('unreachable' in state);
  if (files.length === 0 && !(isReachable && state.isOn)) {
    await (json ? out.json({ removed: [] }) : out.line('the service is not installed'));
    return;
  }
  try {
    if (isReachable) await manager.disable();
    for (const { path } of files) remove(context, path);
    if (isReachable) await manager.forget();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(error.exitCode, error.message, `put that right, then: ${program} service uninstall`);
  }
  const removed = files.map(({ path }) => path);
  if (json) await out.json({ removed });
  else {
    await out.lines([
      ...removed.map((path) => `removed ${shownPath(path, home)}`),
      `the record stays: ${shownPath(pathsFrom(context.env).data, home)}`,
    ]);
  }
  if (isReachable) return;
  const text = `${manager.program} is not reachable, and was told nothing: ${state.unreachable}`;
  await (json ? err.json({ unreachable: state.unreachable }) : err.line(err.style.yellow(text)));
}

function remove({ home }: Context, path: string): void {
  try {
    rmSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code === undefined) throw error;
    throw new CliError(exitCodes.failure, `cannot remove ${shownPath(path, home)}: ${code}`);
  }
}
