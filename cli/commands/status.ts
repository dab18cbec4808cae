// status: how the daemon that runs is doing. Never starts one: exit code 3 says that none runs.
import type { Command } from 'commander';
import type { Result, SourceStatus } from '../../protocol/methods.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { bytes, countOf, grouped } from '../render/quantity.ts';
import { isInTrouble } from '../render/sink.ts';
import { badHint, byPresence, namesOf, sourceFacts } from '../render/sources.ts';
import { duration } from '../render/time.ts';
import { displayWidth, wrap } from '../render/width.ts';

const labelWidth = 12;

type Status = Result<'daemon/status'>;

export function configure(command: Command, context: Context): void {
  command
    .addHelpText('after', `\nExamples:\n  ${context.program} status\n  ${context.program} status --json | jq .sources`)
    .action(async () => {
      const status = await withDaemon({ ...context, spawn: false }, ({ client }) => client.call('daemon/status', {}));
      if (context.json) await context.out.json(status);
      else await context.out.lines(statusLines(context, status));
    });
}

function statusLines(context: Context, status: Status): string[] {
  const { style, width } = context.out;
  const name = `sessiond ${cleanLine(status.version)}`;
  const up = duration(context.now() - status.startedAt);
  const [first = '', ...others] = wrap(`${name} is running, pid ${status.pid}, up ${up}`, width);
  // No store is empty. Who sees only some of the sessions is told neither its size nor who else is connected.
  const isPartial = status.storeBytes === 0;
  const facts: [string, string | undefined][] = [
    ['socket', shownPath(pathsFrom(context.env).socket, context.home)],
    // Not told by an older daemon.
    ['http', status.http ? cleanLine(status.http) : undefined],
    ['sessions', grouped(status.sessions)],
    ['events', grouped(status.events)],
    ['head', cleanLine(status.head)],
    ['store', isPartial ? undefined : bytes(status.storeBytes)],
    ['memory', bytes(status.memoryBytes)],
    ['sinks', sinksText(context, status.sinks)],
    ['connections', isPartial ? undefined : connectionsText(status.connections)],
  ];
  const { present, absent } = byPresence(status.sources);
  return [
    first.replace(name, () => style.bold(name)),
    ...others,
    ...facts.flatMap(([label, value]) =>
      value === undefined ? [] : labelled(context, label, valueLines(context, value)),
    ),
    ...labelled(
      context,
      'sources',
      present.flatMap((source) => sourceLines(context, source)),
    ),
    ...(absent.length > 0 ? labelled(context, 'not found', valueLines(context, namesOf(absent))).map(style.dim) : []),
    ...badHint(present, context.program).flatMap((line) => wrap(line, width)),
  ];
}

/** The label stands before the first line; what does not fit beside it goes on below. */
function labelled({ out }: Context, label: string, lines: string[]): string[] {
  return lines.map((line, at) => `${out.style.dim((at === 0 ? label : '').padEnd(labelWidth))} ${line}`);
}

function valueLines({ out }: Context, value: string): string[] {
  return wrap(value, out.width - labelWidth - 1);
}

/** `3: work failing, mirror paused (sessiond sink ls)`. An older daemon tells none. */
function sinksText({ commandLine }: Context, sinks: Status['sinks'] = []): string | undefined {
  if (sinks.length === 0) return undefined;
  const inTrouble = sinks.filter(isInTrouble).map(({ name, state }) => `${cleanLine(name)} ${cleanLine(state)}`);
  const count = grouped(sinks.length);
  return inTrouble.length === 0 ? count : `${count}: ${inTrouble.join(', ')} (${commandLine('sink ls')})`;
}

function connectionsText(connections: Status['connections']): string {
  const names = connections.map(({ client, subscriptions }) => {
    const name = cleanStart(client ?? 'unnamed', 60);
    return subscriptions > 0 ? `${name} (${countOf(subscriptions, 'subscription')})` : name;
  });
  return `${grouped(connections.length)}: ${names.join(', ')}`;
}

function sourceLines(context: Context, source: SourceStatus): string[] {
  const { red, yellow } = context.out.style;
  const paint = source.state === 'failing' ? red : source.state === 'reading' ? yellow : (text: string) => text;
  const name = cleanLine(source.name);
  const path = shownPath(source.path, context.home);
  const fits = displayWidth(`${name} ${source.state}  ${path}`) < context.out.width - labelWidth;
  const head = `${name} ${paint(source.state)}`;
  return [
    ...(fits ? [`${head}  ${path}`] : [head, ...valueLines(context, path)]),
    ...valueLines(context, sourceFacts(source)),
    ...(source.lastError === null ? [] : valueLines(context, cleanStart(source.lastError, 300)).map(red)),
  ];
}
