// service install: shows what it would write, asks, writes it, and has the manager take it up. A daemon that runs is ended
// first: the manager and it cannot both have the socket.
import { dirname } from 'node:path';
import { PathError } from '../../protocol/node/paths.ts';
import type { Connected } from '../connect.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { fileError } from '../file-error.ts';
import { readLine } from '../read-line.ts';
import { cleanText } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { stopDaemon } from '../stop-daemon.ts';
import { underWay } from '../under-way.ts';
import type { ServiceManager } from './manager.ts';
import { managerFor } from './manager.ts';
import type { Found, ServiceFile } from './service-file.ts';
import { look, write } from './service-file.ts';
import { refuseNotOurs } from './untouched.ts';

export type InstallOptions = { yes?: boolean; force?: boolean };

type Lying = ServiceFile & { found: Found };

export async function install(context: Context, options: InstallOptions): Promise<void> {
  const { out, json, home } = context;
  const manager = await managerFor(context);
  const files = manager.files.map((file) => ({ ...file, found: look(file) }));
  if (!options.force) refuseNotOurs(context, files, 'install');
  const state = await manager.state();
  const isReachable = !('unreachable' in state);
  const paths = files.map(({ path }) => path);
  const running = isReachable ? await connectIfRunning({ ...context, token: undefined }) : undefined;
  try {
    // What the manager runs it ends itself.
    const byHand = running && isReachable && running.server.server.pid !== state.pid ? running : undefined;
    if (files.every(({ found }) => found.is === 'same') && isReachable && state.isOn && !byHand) {
      await (json
        ? out.json({ changed: false, files: paths, stopped: null })
        : out.lines(['nothing to change: the service is installed', manager.promise]));
      return;
    }
    // By `--yes` it is shown when it is done: a reader that has gone must not keep it from being done.
    if (!options.yes) {
      await show(context, files);
      await confirm(context, manager, running);
    }
    const written = files.filter(({ found }) => found.is !== 'same');
    for (const file of written) put(context, file);
    const stopped = byHand ? await stopDaemon(context, byHand) : null;
    if (!isReachable) throw unreachable(context, manager, state.unreachable);
    await enable(context, manager);
    if (json) return await out.json({ changed: true, files: paths, stopped });
    if (options.yes) await show(context, files);
    await out.lines([
      ...written.map(({ path }) => `wrote ${shownPath(path, home)}`),
      ...(stopped === null ? [] : [`stopped the daemon that ran (pid ${stopped})`]),
      manager.promise,
      `how it is: ${context.program} service status`,
      `to undo it: ${context.program} service uninstall`,
    ]);
  } finally {
    running?.client.close();
  }
}

const howItLies: Record<Found['is'], string> = {
  absent: 'new',
  same: 'is there as it should be',
  ours: 'instead of the one from before',
  changed: 'instead of the one with changes by hand',
  foreign: 'instead of what is there, which is not from sessiond',
};

/** Each file's path and its whole text. */
async function show({ out, json, home }: Context, files: Lying[]): Promise<void> {
  if (json) return out.json({ wouldWrite: files.map(({ path, text }) => ({ path, text })) });
  for (const { path, text, found } of files) {
    const lines = cleanText(text).trimEnd().split('\n');
    await out.lines([`${out.style.bold(shownPath(path, home))} (${howItLies[found.is]})`, ...lines.map(indented), '']);
  }
}

function indented(line: string): string {
  return line === '' ? '' : `  ${line}`;
}

/** Throws CliError where a daemon is at work, which nobody has said to end. */
async function refuseBusy({ program }: Context, running: Connected | undefined): Promise<void> {
  const reasons = running ? await underWay(running) : [];
  if (reasons.length === 0) return;
  throw new CliError(
    exitCodes.busy,
    `a daemon runs (pid ${running!.server.server.pid}) and is not idle: ${reasons.join(', ')}`,
    `to end it for the service: ${program} stop, or ${program} service install --yes`,
  );
}

/** Returns on a yes. */
async function confirm(context: Context, { name }: ServiceManager, running: Connected | undefined): Promise<void> {
  const { err, input, json, program } = context;
  if (json || !err.isTerminal || !(input as { isTTY?: boolean }).isTTY) {
    const message = 'nothing was written: there is no terminal to ask on';
    throw new CliError(exitCodes.usage, message, `${program} service install --yes`);
  }
  await refuseBusy(context, running);
  const stops = running ? `, end the daemon that runs (pid ${running.server.server.pid})` : '';
  await err.write(`Write this${stops} and have ${name} take it up? [y/N] `);
  if (!/^y(es)?$/i.test((await readLine(input)).trim())) throw new CliError(exitCodes.failure, 'nothing was written');
}

function put({ home }: Context, file: ServiceFile): void {
  try {
    write(file);
  } catch (error) {
    if (error instanceof PathError)
      throw new CliError(exitCodes.failure, `the folder ${shownPath(dirname(file.path), home)} cannot be made`);
    throw fileError('write', file.path, home, error as NodeJS.ErrnoException);
  }
}

async function enable({ program }: Context, manager: ServiceManager): Promise<void> {
  try {
    await manager.enable();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const hint = `the files are written and stay; put that right, then: ${program} service install --yes`;
    throw new CliError(error.exitCode, error.message, hint);
  }
}

function unreachable({ program }: Context, { program: asked }: ServiceManager, why: string): CliError {
  return new CliError(
    exitCodes.failure,
    `${asked} is not reachable: ${why}`,
    'the files are written and stay. It is there in a login of your own, not through su or in most containers; there: ' +
      `${program} service install --yes`,
  );
}
