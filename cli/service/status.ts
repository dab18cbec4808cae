// service status: whether the service is installed, whether the daemon that runs is its, and what is wrong with it.
import { existsSync } from 'node:fs';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { cleanLine } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { managerFor } from './manager.ts';
import type { Found } from './service-file.ts';
import { look } from './service-file.ts';

export async function status(context: Context): Promise<void> {
  const { out, json, home, program } = context;
  const manager = await managerFor(context);
  const files = manager.files.map((file) => ({ path: file.path, found: look(file) }));
  const state = await manager.state();
  const { isOn, pid, facts, unreachable } =
    'unreachable' in state ? { isOn: null, pid: null, facts: [], ...state } : { ...state, unreachable: null };
  // The last file is the one that names what runs.
  const mark = files.flatMap(({ found }) => ('mark' in found ? [found.mark] : [])).at(-1);
  const isInstalled = files.every(({ found }) => found.is !== 'absent');
  const isAbsent = files.every(({ found }) => found.is === 'absent') && !isOn;
  const daemon = await runningDaemon(context);
  const daemonIsService = daemon === null || unreachable !== null ? null : daemon.pid === pid;
  const problems = isAbsent
    ? []
    : [
        ...files.flatMap(({ path, found }) => fileProblem(context, shownPath(path, home), found)),
        ...[mark?.node, mark?.bundle].flatMap((path) => (path === undefined ? [] : goneProblem(context, path))),
        ...(isOn === false ? [`it is not switched on: ${again(context)}`] : []),
        ...(daemon === null && pid !== null ? [`what it runs (pid ${pid}) does not answer: ${manager.restart}`] : []),
        ...(daemonIsService === false ? [`the daemon that runs is not the service's: ${again(context)}`] : []),
      ];
  if (json) {
    await out.json({
      ...{ manager: manager.name, installed: isInstalled, version: mark?.version ?? null },
      runs: mark ? { node: mark.node, bundle: mark.bundle } : null,
      files: files.map(({ path, found }) => ({ path, is: found.is })),
      ...{ on: isOn, pid, unreachable, daemon, daemonIsService, problems },
    });
    return;
  }
  if (isAbsent) {
    await out.lines(['the service is not installed', `to install it: ${program} service install`]);
    return;
  }
  const told: [label: string, value: string | undefined][] = [
    ['service', `${manager.name}${isInstalled ? ', installed' : ', not whole'}`],
    ['version', mark && cleanLine(mark.version)],
    ['runs', mark && [mark.node, mark.bundle].map((path) => shownPath(path, home)).join(' ')],
    ...files.map(({ path }): [string, string] => ['file', shownPath(path, home)]),
    ...facts,
    ['state', unreachable === null ? undefined : `not known: ${manager.program} cannot be asked: ${unreachable}`],
    ['daemon', daemonText(daemon, daemonIsService)],
    ['log', `${program} logs`],
  ];
  const width = Math.max(...told.map(([label]) => label.length));
  const lines = told.flatMap(([label, value]) =>
    value === undefined ? [] : [`${out.style.dim(label.padEnd(width))} ${value}`],
  );
  await out.lines([...lines, ...problems.map(out.style.yellow)]);
}

type Running = { pid: number; version: string };

/** Starts none. Null also where what listens does not answer, or is not for us: `status` tells more of that. */
async function runningDaemon(context: Context): Promise<Running | null> {
  pathsFrom(context.env); // throws what is wrong with them
  const connected = await connectIfRunning({ ...context, token: undefined }).catch(() => undefined);
  if (!connected) return null;
  connected.client.close();
  const { pid, version } = connected.server.server;
  return { pid, version };
}

function daemonText(daemon: Running | null, isServices: boolean | null): string {
  if (!daemon) return 'none runs';
  const whose = isServices === null ? '' : isServices ? ", the service's" : ", not the service's";
  return `pid ${daemon.pid}, version ${cleanLine(daemon.version)}${whose}`;
}

function fileProblem(context: Context, path: string, found: Found): string[] {
  switch (found.is) {
    case 'same':
      return [];
    case 'absent':
      return [`${path} is not there: ${again(context)}`];
    case 'ours':
      return found.mark.version === context.version
        ? [`${path} was written with other settings than those of here and now: ${again(context)}`]
        : [`${path} is of version ${cleanLine(found.mark.version)}, this is ${context.version}: ${again(context)}`];
    case 'changed':
      return [`${path} was changed by hand; with --force install writes it anew`];
    case 'foreign':
      return [`${path} was not written by sessiond`];
  }
}

function goneProblem(context: Context, path: string): string[] {
  return existsSync(path) ? [] : [`it runs ${shownPath(path, context.home)}, which is gone: ${again(context)}`];
}

function again({ program }: Context): string {
  return `${program} service install --yes`;
}
