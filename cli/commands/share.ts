// share ID --host URL: shares a session through another sessiond; the link is printed this once, to stdout alone.
import type { Command } from 'commander';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import type { Connected } from '../connect.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import type { HostTokenOption } from '../host-token.ts';
import { addHostTokenOption, checkHost, hostTokenHelp, placeOf, takesHostToken } from '../host-token.ts';
import { endTimes, futureTime } from '../option-values.ts';
import { cleanLine } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { sessionName } from '../render/session-name.ts';
import { findingTable, rightsText, shareTable } from '../render/share.ts';
import { localDateTime } from '../render/time.ts';
import { wrap } from '../render/width.ts';
import type { Target } from '../resolve.ts';
import { resolveTarget } from '../resolve.ts';
import { allShares } from '../shares.ts';
import { shellQuote } from '../shell-quote.ts';

type Options = HostTokenOption & {
  host?: string;
  append?: boolean;
  answer?: boolean;
  expires?: string;
  dryRun?: boolean;
  list?: boolean;
};

export const takesInput = takesHostToken;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  addHostTokenOption(
    command
      .argument('[id]', "the session's id or the agent's own, or the start of it")
      .option('--host <URL>', 'the sessiond that the session is sent to, and read at'),
  )
    .option('--append', 'whoever has the link may append to it')
    .option('--answer', 'whoever has the link may answer what waits in it')
    .option('--expires <WHEN>', `when it ends: ${endTimes}`)
    .option('--dry-run', 'share nothing; list the secrets that would be masked')
    .option('--list', 'list what is shared, and how it goes')
    .addHelpText(
      'after',
      `\nThe session is sent to the host from now on, as it is and as it goes on; secrets that are found in it are masked.\n` +
        `The link, which holds a token, goes to stdout, all else to stderr; it is shown this once, and kept nowhere. The\n` +
        `sessions of its subagents are not shared with it.\n\n${hostTokenHelp}\n` +
        `Its rights are those that the link is to give, with append and share: grant --rights read,append,answer,share.\n` +
        `Where none is given, a host that is a sink too is shown the token of that.\n\n` +
        `Examples:\n  ${program} share ses_4kZq --dry-run\n` +
        `  ${program} share ses_4kZq --host https://box.example:7433 --host-token-file box.token --expires 2d\n` +
        `  ${program} share --list\n  ${program} unshare ses_4kZq`,
    )
    .action(async (id: string | undefined, options: Options) => {
      if (options.list) return listShares(context);
      const help = `${program} share --help`;
      if (id === undefined) throw new CliError(exitCodes.usage, 'the session to share is not given', help);
      if (options.dryRun) return preview(context, id, options);
      if (options.host === undefined)
        throw new CliError(exitCodes.usage, 'the host to share it through is not given: --host URL', help);
      await create(context, id, options.host, options);
    });
}

async function create(context: Context, id: string, host: string, options: Options): Promise<void> {
  const { append, answer, expires } = options;
  const expiresAt = expires === undefined ? null : futureTime('--expires', context.now)(expires);
  const place = await placeOf(context, host, options);
  checkHost(place, '--host');
  const rights = ['read' as const, ...(append ? ['append' as const] : []), ...(answer ? ['answer' as const] : [])];
  const { session, made } = await withDaemon(context, async (connected) => {
    const session = await resolveTarget(context, connected, id);
    const params = { sessionId: session.id, host: place.url, rights, expiresAt };
    const made = await connected.client
      .call('share/create', { ...params, ...(place.token !== undefined && { token: place.token }) })
      .catch(asHost(context, session.id, place.url));
    return { session, made };
  });
  const { out, err, json, commandLine } = context;
  if (json) return out.json(made);
  const lines = [
    `Whoever has the link may ${rightsText(rights)}.`,
    expiresAt === null ? 'It is good until it is taken back.' : `It is good until ${localDateTime(expiresAt)}.`,
    'The secrets that are found in the session are masked; to see which:',
    `  ${commandLine(`share ${cleanLine(session.id)} --dry-run`)}`,
    'How it goes:',
    `  ${commandLine('share --list')}`,
    'To take it back:',
    `  ${commandLine(`unshare ${cleanLine(made.shareId)}`)}`,
  ];
  await err.line(err.style.bold(`shared ${sessionName(session)}`));
  // A command stays whole, so that it can be copied.
  await err.lines(lines.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, err.width))));
  await out.line(cleanLine(made.url));
}

/** What the host did not do is no wrong usage; that a token is lacking is, and the hint says how to give it. */
function asHost({ commandLine }: Context, id: string, url: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RpcError) || error.code !== jsonRpcCodes.invalidParams) throw error;
    const again = commandLine(`share ${cleanLine(id)} --host ${shellQuote(url)} --host-token-file PATH`);
    if (error.data.member === 'token') throw new CliError(exitCodes.usage, error.message, again);
    if (error.data.member !== 'host') throw error;
    throw new CliError(exitCodes.failure, error.message, `nothing was shared; to try again: ${again}`);
  };
}

async function preview(context: Context, id: string, { host = 'URL' }: Options): Promise<void> {
  const { out, commandLine } = context;
  const { session, found } = await withDaemon(context, async (connected: Connected) => {
    const session: Target = await resolveTarget(context, connected, id);
    return { session, found: await connected.client.call('share/preview', { sessionId: session.id }) };
  });
  if (context.json) return out.json(found);
  const { items, more } = found;
  const { width, style } = out;
  if (items.length > 0) await out.lines(await findingTable(items, { width, style }));
  const count =
    items.length === 0
      ? 'No secret was found'
      : `${more ? 'More than ' : ''}${countOf(items.length, 'secret')} would be masked`;
  const { url } = await placeOf(context, host, {});
  const lines = [
    `${count} in ${sessionName(session)}.`,
    `${items.length === 0 ? 'All of it' : 'The rest of it'} goes out as it is: ${commandLine(`share ${cleanLine(session.id)} --host ${shellQuote(url)}`)}`,
  ];
  await out.lines(lines.flatMap((line) => wrap(line, width)));
}

async function listShares(context: Context): Promise<void> {
  const { out, commandLine } = context;
  const shares = await withDaemon(context, ({ client }) => allShares(client));
  if (context.json) return out.json(shares);
  const { width, style } = out;
  if (shares.length > 0) return out.lines(await shareTable(shares, { width, style, commandLine }));
  await out.lines(wrap(`Nothing is shared. To do so: ${commandLine('share ID --host URL')}`, width));
}
