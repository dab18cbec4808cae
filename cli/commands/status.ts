// status: how the daemon that runs is doing. Never starts one: exit code 3 says that none runs.
import type { Command } from 'commander';
import type { Result, SourceStatus } from '../../protocol/methods.ts';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { cleanLine, cleanStart } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { bytes, countOf, grouped } from '../render/quantity.ts';
import { byPresence, namesOf, progressOf, progressText } from '../render/sources.ts';
import { duration } from '../render/time.ts';

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
  const { bold, dim } = context.out.style;
  const up = duration(context.now() - status.startedAt);
  const facts: [string, string][] = [
    ['socket', shownPath(pathsFrom(context.env).socket, context.home)],
    ['sessions', grouped(status.sessions)],
    ['events', grouped(status.events)],
    ['head', cleanLine(status.head)],
    ['store', bytes(status.storeBytes)],
    ['memory', bytes(status.memoryBytes)],
    ['connections', connectionsText(status.connections)],
  ];
  const { present, absent } = byPresence(status.sources);
  return [
    `${bold(`sessiond ${cleanLine(status.version)}`)} is running, pid ${status.pid}, up ${up}`,
    ...facts.map(([name, value]) => `${dim(name.padEnd(12))} ${value}`),
    ...present.flatMap((source, index) => sourceLines(context, source, index === 0 ? 'sources' : '')),
    ...(absent.length > 0 ? [dim(`${'not found'.padEnd(12)} ${namesOf(absent)}`)] : []),
  ];
}

function connectionsText(connections: Status['connections']): string {
  const names = connections.map(({ client, subscriptions }) => {
    const name = cleanStart(client ?? 'unnamed', 60);
    return subscriptions > 0 ? `${name} (${countOf(subscriptions, 'subscription')})` : name;
  });
  return `${grouped(connections.length)}: ${names.join(', ')}`;
}

function sourceLines(context: Context, source: SourceStatus, label: string): string[] {
  const { dim, red, yellow } = context.out.style;
  const paint = source.state === 'failing' ? red : source.state === 'reading' ? yellow : (text: string) => text;
  const read = progressText(progressOf([source]));
  const bad = source.badRecords > 0 ? `, ${countOf(source.badRecords, 'record')} not understood` : '';
  const lines = [
    `${dim(label.padEnd(12))} ${cleanLine(source.name)} ${paint(source.state)}  ${shownPath(source.path, context.home)}`,
    `${' '.repeat(13)}${read}, ${countOf(source.sessions, 'session')}${bad}`,
  ];
  if (source.lastError !== null) lines.push(`${' '.repeat(13)}${red(cleanStart(source.lastError, 300))}`);
  return lines;
}
