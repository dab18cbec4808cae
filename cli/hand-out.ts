// Handing out a capability, as grant and attenuate do: the options that say how much, and the token, which goes to stdout
// alone or into a file of the user alone. It is shown this once.
import { open, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Capability, Right } from '../protocol/capability.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Result } from '../protocol/methods.ts';
import type { Connected } from './connect.ts';
import { withDaemon } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes, failureOf } from './exit.ts';
import { fileError } from './file-error.ts';
import { needsOneOf, opFamilies, opTypes } from './op-types.ts';
import { endTimes, futureTime, wordList } from './option-values.ts';
import { givenLines } from './render/capability.ts';
import { shownPath } from './render/path.ts';
import { wrap } from './render/width.ts';
import { resolveTargets, wholeSessionId } from './resolve.ts';

const rights = ['read', 'append', 'answer', 'share', 'admin'] as const satisfies Right[];

export type HandOutOptions = {
  rights?: Right[];
  session?: string[];
  replica?: string[];
  allSessions?: boolean;
  ops?: string[];
  expires?: string;
  output?: string;
};

/** What is asked for; sessions as they were typed. */
export type Share = {
  rights: Right[] | undefined;
  sessions: '*' | string[] | undefined;
  /** Whole ids of sessions that are not here yet. */
  replicas: string[];
  ops: string[] | undefined;
  expiresAt: number | undefined;
};
/** The same as the methods take it: what was not asked for is left out. */
export type ShareParams = { rights?: Right[]; sessions?: Capability['sessions']; ops?: string[]; expiresAt?: number };

/** For the help of both. */
export const handOutHelp =
  `RIGHTS are read what is there, append to it, answer what waits, share parts of this with others, admin of the daemon.\n` +
  `Without read the others see nothing: ids are then given whole.\n` +
  `OPS are op types as in the protocol, or families of them, such as part/*. The token goes to stdout, all else to stderr;\n` +
  `it is shown this once, and kept nowhere. A file that takes it must be yours alone, as the one of --output is.`;

/** A completion script gives no families: a shell would look for files that their star stands for. */
const readOps = Object.assign(wordList('--ops', [...opTypes, ...opFamilies]), { words: opTypes });

/** `what` the label says. */
export function addHandOutOptions(command: Command, what: string): Command {
  return command
    .argument('<label>', what, readLabel)
    .option('--rights <RIGHTS>', 'what it allows, with commas between them', wordList('--rights', rights))
    .option('--session <ID>', 'a session it is for; as often as there are some', wordList('--session'))
    .option(
      '--replica <ID>',
      'a session that its home is to send here, by its whole id there; as often as there are some',
      wordList('--replica'),
    )
    .option('--all-sessions', 'for all sessions, those to come too')
    .option('--ops <OPS>', 'of what may be appended, only these op types, with commas between them', readOps)
    .option('--expires <WHEN>', `when it ends: ${endTimes}`)
    .option(
      '--output <PATH>',
      'write the token to this new file, which nobody else may read; without it or with -, to stdout',
    );
}

/** Fails as wrong usage (2). */
export function shareOf({ now }: Context, options: HandOutOptions): Share {
  const { rights, session, replica = [], allSessions, ops, expires } = options;
  if ((session || replica.length > 0) && allSessions)
    throw new CliError(exitCodes.usage, 'it is for --all-sessions or for a --session, not both');
  if (ops && rights && !needsOneOf(ops, rights)) throw opsOfNoUse(rights);
  return {
    rights,
    sessions: allSessions ? '*' : (session ?? (replica.length > 0 ? [] : undefined)),
    replicas: replica.map((id) => wholeSessionId(id)),
    ops,
    expiresAt: expires === undefined ? undefined : futureTime('--expires', now)(expires),
  };
}

/** By it alone caps and audit tell one from another. */
function readLabel(text: string): string {
  if (text.trim() !== '') return text;
  throw new CliError(exitCodes.usage, 'the label is empty: it says whom or what this is for');
}

function opsOfNoUse(rights: Right[]): CliError {
  const message = `--ops narrows append and answer, and --rights ${rights.join(',')} allows none of these ops`;
  return new CliError(exitCodes.usage, message, 'leave --ops out, or give the right that they need');
}

type Made = Result<'capability/grant'>;

/** Has `make` make it and hands the token out. The file is there before: no token is made that nobody gets. */
export async function handOut(
  context: Context,
  share: Share,
  output: string | undefined,
  make: (connected: Connected, params: ShareParams) => Promise<Made>,
): Promise<void> {
  const path = output === '-' ? undefined : output;
  const file = path === undefined ? undefined : await newFile(context, path);
  try {
    const { made, revokes } = await withDaemon(context, async (connected) => ({
      made: await make(connected, await paramsOf(context, connected, share)),
      revokes: mayShare(connected),
    }));
    await file?.write(`${made.token}\n`);
    await file?.close();
    await tell(context, made, path, revokes);
  } catch (error) {
    if (file) {
      await file.close().catch(() => {});
      await rm(path!, { force: true });
    }
    throw error;
  }
}

/** Whether they may hand out and take back. */
export function mayShare({ server: { rights } }: Connected): boolean {
  return rights.includes('share') || rights.includes('admin');
}

/** For who may hand out, and asked for more than they have. */
export function asTooMuch(error: unknown): never {
  if (!(error instanceof RpcError) || (error.kind !== 'Forbidden' && error.kind !== 'NotFound')) throw error;
  const hint = 'a token gives at most what it has itself: rights, sessions, ops, time';
  throw new CliError(failureOf(error, String).code, error.message, hint, error.kind);
}

async function paramsOf(context: Context, connected: Connected, share: Share): Promise<ShareParams> {
  const { sessions: given, replicas, rights, ops, expiresAt } = share;
  const targets = Array.isArray(given) ? await resolveTargets(context, connected, given) : [];
  const sessions = Array.isArray(given) ? [...targets.map(({ id }) => id), ...replicas] : given;
  return {
    ...(rights && { rights }),
    ...(sessions && { sessions }),
    ...(ops && { ops }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** Never one that is there: it may hold another token, or be one that others read. */
async function newFile({ home }: Context, path: string) {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError('write', path, home, error as Error);
    const message = `${shownPath(path, home)} is there already, and is left as it is`;
    throw new CliError(exitCodes.failure, message, 'name another file, or remove that one');
  }
}

/** `revokes`: whether who made it may take it back; else its owner does. */
async function tell(
  context: Context,
  { capability, token }: Made,
  path: string | undefined,
  revokes: boolean,
): Promise<void> {
  const { out, err, json, home, program, commandLine } = context;
  const takeBack = `revoke ${capability.id}`;
  if (json) return out.json(path === undefined ? { capability, token } : { capability, path });
  const place = path === undefined ? 'This is its token, shown this once' : `Its token is in ${shownPath(path, home)}`;
  const lines = [
    ...givenLines(capability),
    `${place}: whoever has it may do so. To take it back:`,
    `  ${revokes ? commandLine(takeBack) : `${program} ${takeBack}`}`,
  ];
  // A command stays whole, so that it can be copied.
  const [name = '', ...rest] = lines.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, err.width)));
  await err.lines([err.style.bold(name), ...rest]);
  if (path === undefined) await out.line(token);
}
