// import FILE: takes in a session that export wrote as json. Its op ids derive from what the file holds: run again after it
// was cut off it completes, and run twice it makes nothing twice.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { fileError } from '../file-error.ts';
import { ImportError, importDocuments } from '../import-document.ts';
import { newId } from '../new-id.ts';
import { cleanLine } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { sessionName } from '../render/session-name.ts';
import type { Target } from '../resolve.ts';
import { findSession } from '../resolve.ts';

/** With `-` for its file. */
export function takesInput({ args }: Command): boolean {
  return args[0] === '-';
}

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<path>', 'the file, or - for stdin')
    .option('--copy', 'another copy, of what was imported before too')
    .addHelpText(
      'after',
      `\nThe session keeps its ids where no record here has them, else it gets new ones. The file may be of any size.\n` +
        `An import that was cut off is completed by the same command. The same file again makes nothing, and says\n` +
        `where the session is (for 30 days). A copy beside its original is a session of its own: stats counts both.\n\n` +
        `Examples:\n  ${program} import session.json\n  ssh build ${program} export ses_4kZq --json | ${program} import -`,
    )
    .action(async (path: string, { copy }: { copy?: boolean }) => {
      const text = await read(context, path);
      const documents = documentsOf(context, text, path);
      const name = copy ? newId('import') : `import_${createHash('sha256').update(text).digest('base64url')}`;
      await withDaemon(context, async ({ client, canRead }) => {
        const { sessionId, isNew } = await send(context, client, documents, name);
        const session = canRead ? await findSession(client, sessionId) : { id: sessionId };
        if (!session) {
          const message = `it was imported before, as ${cleanLine(sessionId)}, and that was deleted`;
          throw new CliError(
            exitCodes.failure,
            message,
            `import it once more: ${context.commandLine('import --copy …')}`,
          );
        }
        await tell(context, session, isNew);
      });
    });
}

async function read({ input, home }: Context, path: string): Promise<string> {
  try {
    return path === '-' ? await textOf(input) : await readFile(path, 'utf8');
  } catch (error) {
    throw fileError('read', path, home, error as Error);
  }
}

function documentsOf({ commandLine }: Context, text: string, path: string): string[] {
  try {
    return importDocuments(text);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const hints = {
      noExport: `it takes only what was written by: ${commandLine('export ID --format json')}`,
      damaged: 'is it all of the export? It seems to be cut off or changed',
      tooLarge: undefined,
    };
    const message = `${path === '-' ? 'stdin' : path}: ${error.message}`;
    throw new CliError(exitCodes.failure, message, hints[error.reason]);
  }
}

/** The first document makes the session, the others add to it. */
async function send(
  context: Context,
  client: Client,
  documents: string[],
  name: string,
): Promise<{ sessionId: string; isNew: boolean }> {
  let sessionId: string | undefined;
  let isNew = false;
  for (const [index, text] of documents.entries()) {
    const opId = `${name}/${index}`;
    try {
      const result = await client.call('session/import', { opId, text, ...(sessionId && { sessionId }) });
      sessionId ??= result.ids.sessionId!;
      isNew ||= !result.duplicate;
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== jsonRpcCodes.invalidParams) throw error;
      const begun =
        sessionId &&
        `what came before it is in ${cleanLine(sessionId)}: ${context.commandLine(`rm ${cleanLine(sessionId)}`)}`;
      throw new CliError(exitCodes.failure, `the daemon does not take it: ${error.message}`, begun);
    }
  }
  return { sessionId: sessionId!, isNew };
}

async function tell(
  { out, json }: Context,
  session: Target & { messageCount?: number },
  isNew: boolean,
): Promise<void> {
  if (json) return out.json({ sessionId: session.id, duplicate: !isNew });
  await out.line(`${isNew ? 'imported' : 'is there already:'} ${sessionName(session)}`);
  const { messageCount } = session;
  if (messageCount !== undefined) await out.line(out.style.dim(countOf(messageCount, 'message')));
}
