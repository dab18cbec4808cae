// sink: the places that the record is sent to: how far each has come, one more, one less, rest and go on.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import type { SinkFilter, SinkKind, SinkStatus } from '../../protocol/outbox.ts';
import type { Connected } from '../connect.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import type { HostTokenOption } from '../host-token.ts';
import { addHostTokenOption, hostTokenHelp, placeOf, takesHostToken } from '../host-token.ts';
import { oneOf, wordList } from '../option-values.ts';
import { cleanLine } from '../render/clean.ts';
import { filterText, sinkPlace, sinkTable, troubleLines } from '../render/sink.ts';
import { wrap } from '../render/width.ts';
import { resolveTargets } from '../resolve.ts';
import { readToken } from '../token.ts';

const kinds = ['http', 'capnweb', 'file'] as const satisfies SinkKind[];

type AddOptions = HostTokenOption & {
  kind?: SinkKind;
  session?: string[];
  dir?: string;
  agent?: string[];
  mask?: boolean;
};

export const takesInput = takesHostToken;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .usage('COMMAND [options]')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nWhat waits for a sink outlives a restart, and is sent until it arrives: ${program} outbox\n\n` +
        `Examples:\n  ${program} sink ls\n  ${program} sink add mirror https://box.example:7433 --host-token-file box.token\n` +
        `  ${program} sink pause mirror`,
    );
  verb('ls', 'list the sinks, how far each is behind, and what is wrong with it').action(() => listSinks(context));
  addHostTokenOption(verb('add', 'send the record, or a part of it, to one more place'))
    .argument('<name>', 'what it is called here: letters, digits, dots, dashes')
    .argument('<url>', 'the url of another sessiond, or the path of a file')
    .option('--kind <KIND>', `${kinds.join(', ')}; see below`, oneOf('--kind', kinds))
    .option('--session <ID>', 'only this session; as often as there are some', wordList('--session'))
    .option('--dir <PATH>', 'only sessions in this folder and below')
    .option('--agent <NAME>', 'only sessions of this agent; as often as there are some', wordList('--agent'))
    .option('--mask', 'mask secrets in what is sent; so it is but for a file')
    .option('--no-mask', 'send secrets too')
    .addHelpText(
      'after',
      `\nAll that is kept is sent, from the beginning on, then what comes. http and capnweb send to another sessiond, where\n` +
        `the sessions are read-only copies; they are two ways to ask it. A file gets one JSON object a line, and secrets as\n` +
        `they are. Without --kind a url is http, and a path a file.\n\n${hostTokenHelp}\n\n` +
        `Examples:\n  ${program} sink add mirror https://box.example:7433 --host-token-file box.token\n` +
        `  ${program} sink add shop https://box.example:7433 --dir ~/src/shop --host-token-file -\n` +
        `  ${program} sink add archive ~/archive/sessions.jsonl --agent codex`,
    )
    .action((name: string, url: string, options: AddOptions) => addSink(context, name, url, options));
  verb('pause', 'send nothing more to a sink, until it is resumed')
    .argument('<sink>', 'its name, as sink ls shows it')
    .addHelpText('after', `\nWhat it lacks then is kept for it.\n\nExample:\n  ${program} sink pause mirror`)
    .action((name: string) => change(context, name, 'sink/pause'));
  addHostTokenOption(verb('resume', 'go on with a sink at once, also with what was set aside'))
    .argument('<sink>', 'its name, as sink ls shows it')
    .addHelpText(
      'after',
      `\nWith a token it shows that one from now on.\n\n` +
        `Examples:\n  ${program} sink resume mirror\n  ${program} sink resume mirror --host-token-file new.token`,
    )
    .action((name: string, options: HostTokenOption) => change(context, name, 'sink/resume', options));
  verb('rm', 'remove a sink; what arrived there stays there')
    .argument('<sink>', 'its name, as sink ls shows it')
    .addHelpText(
      'after',
      `\nWhat waits for it is never sent. A sink that sends a share is not removed: that is what unshare is for.\n\n` +
        `Example:\n  ${program} sink rm mirror`,
    )
    .action((name: string) => removeSink(context, name));

  function verb(name: string, summary: string): Command {
    return command
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  }
}

async function listSinks(context: Context): Promise<void> {
  const { out, home, commandLine } = context;
  const { items } = await withDaemon(context, ({ client }) => client.call('sink/list', {}));
  if (context.json) return out.json(items);
  if (items.length === 0)
    return out.lines(['Nothing is sent anywhere.', `To add a place: ${commandLine('sink add NAME URL')}`]);
  await out.lines(await sinkTable(items, { width: out.width, style: out.style, home, commandLine }));
}

async function addSink(context: Context, name: string, given: string, options: AddOptions): Promise<void> {
  const { url: typed, token } = await placeOf(context, given, options);
  const kind = options.kind ?? kindOf(typed);
  const url =
    kind === 'file' && !/^file:/i.test(typed) ? resolve(typed.replace(/^~(?=\/|$)/, () => context.home)) : typed;
  const { sink } = await withDaemon(context, async (connected) => {
    const filter = await filterOf(context, connected, options);
    return connected.client
      .call('sink/add', {
        ...{ name, kind, url },
        ...(token !== undefined && { token }),
        ...(filter && { filter }),
        ...(options.mask !== undefined && { mask: options.mask }),
      })
      .catch(asUsage(context, 'add'));
  });
  if (context.json) return context.out.json(sink);
  const { out, home, commandLine } = context;
  const which = sink.filter ? `sessions ${filterText(sink, home)}` : 'all sessions';
  const lines = [
    `${cleanLine(sink.name)} is sent ${which}, ${sink.mask ? 'with secrets masked' : 'secrets too'}: ${sinkPlace(sink, home)}`,
    `how it goes: ${commandLine('sink ls')}`,
  ];
  await out.lines(lines.flatMap((line) => wrap(line, out.width)));
}

/** What the beginning of a url says. */
function kindOf(url: string): SinkKind {
  if (/^https?:\/\//i.test(url)) return 'http';
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url) || /^file:/i.test(url)) return 'file';
  const message = `nothing can be sent to "${cleanLine(url).slice(0, 100)}"`;
  throw new CliError(exitCodes.usage, message, 'give a url that begins with https://, or the path of a file');
}

async function filterOf(
  context: Context,
  connected: Connected,
  { session, dir, agent }: AddOptions,
): Promise<SinkFilter | undefined> {
  if (!session && dir === undefined && !agent) return undefined;
  const sessions = session && (await resolveTargets(context, connected, session)).map(({ id }) => id);
  return {
    ...(sessions && { sessions }),
    ...(dir !== undefined && { directory: resolve(dir) }),
    ...(agent && { agents: agent }),
  };
}

async function change(
  context: Context,
  name: string,
  method: 'sink/pause' | 'sink/resume',
  { hostTokenFile }: HostTokenOption = {},
): Promise<void> {
  const { out, commandLine } = context;
  const token = hostTokenFile === undefined ? undefined : await readToken(context, hostTokenFile);
  const params = { name, ...(token !== undefined && { token }) };
  const { sink } = await withDaemon(context, ({ client }) => client.call(method, params));
  if (context.json) return out.json(sink);
  await out.lines(changedLines(sink, context));
  if (sink.state === 'active') await out.line(`how it goes: ${commandLine('sink ls')}`);
}

function changedLines(sink: SinkStatus, { out, commandLine }: Context): string[] {
  const name = cleanLine(sink.name);
  if (sink.state !== 'paused') return [`${name} goes on`];
  const { width, style } = out;
  return [`${name} is paused`, ...troubleLines({ ...sink, lastError: null }, { width, style, commandLine })];
}

async function removeSink(context: Context, name: string): Promise<void> {
  await withDaemon(context, ({ client }) => client.call('sink/remove', { name }));
  if (context.json) return context.out.json({ removed: name });
  await context.out.line(`nothing is sent to ${cleanLine(name)} any more; what arrived there stays there`);
}

/** A name or a url that does not fit is what was typed: wrong usage. */
function asUsage({ program }: Context, verb: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RpcError)) throw error;
    if (error.code === jsonRpcCodes.invalidParams)
      throw new CliError(exitCodes.usage, error.message, `${program} sink ${verb} --help`);
    throw error;
  };
}
