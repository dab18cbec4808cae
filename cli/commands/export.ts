// export ID: a session as one text, page by page: a long session is never held whole.
import { constants } from 'node:os';
import { extname } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Session } from '../../protocol/schema.ts';
import { lookBehind } from '../behind.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError } from '../exit.ts';
import { fileError } from '../file-error.ts';
import { oneOf } from '../option-values.ts';
import { cleanLine, cleanText } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { countOf } from '../render/quantity.ts';
import { resolveSession } from '../resolve.ts';
import { onStopSignal } from '../signals.ts';
import { WholeFile } from '../whole-file.ts';

const formats = ['json', 'markdown', 'html'] as const;
type Format = (typeof formats)[number];
type Options = { format?: Format; output?: string };

const endings: Record<string, Format> = {
  '.json': 'json',
  '.md': 'markdown',
  '.markdown': 'markdown',
  '.html': 'html',
  '.htm': 'html',
};

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<id>', "the session's id or the agent's own, or the start of it")
    .option('--format <FORMAT>', `${formats.join(', ')}; see below`, oneOf('--format', formats))
    .option('--output <PATH>', 'write it to this file, whole or not at all; without it or with -, to stdout')
    .addHelpText(
      'after',
      `\nWithout --format the ending of the file tells it (.json, .md, .html); else it is markdown on a terminal,\n` +
        `and json for a pipe or a file. Json holds all there is and is what import takes; markdown and html are\n` +
        `to be read, html as one file that needs no other. On a terminal control characters are left out.\n\n` +
        `Examples:\n  ${program} export ses_4kZq\n  ${program} export ses_4kZq --output session.html\n` +
        `  ${program} export ses_4kZq >session.json`,
    )
    .action(async (id: string, options: Options) => {
      const format = formatOf(context, options);
      await withDaemon(context, async ({ client }) => {
        const session = await resolveSession(context, client, id);
        // Looked at before: what is read while it is exported may be missing.
        const tellBehind = await lookBehind(context, client, session);
        const { output } = options;
        const texts = pagesOf(client, session.id, format);
        if (output !== undefined && output !== '-') await writeFile(context, output, session, texts);
        else {
          const { out } = context;
          for await (const text of texts) await out.write(out.isTerminal ? cleanText(text) : text);
        }
        await tellBehind();
      });
    });
}

function formatOf({ json, out }: Context, { format, output }: Options): Format {
  if (format !== undefined) return format;
  const named = output === undefined ? undefined : endings[extname(output).toLowerCase()];
  if (named !== undefined) return named;
  return out.isTerminal && !json && (output ?? '-') === '-' ? 'markdown' : 'json';
}

async function* pagesOf(client: Client, sessionId: string, format: Format): AsyncGenerator<string, void, void> {
  let pageToken: string | undefined;
  do {
    const params = { sessionId, format, ...(pageToken !== undefined && { pageToken }) };
    const page = await client.call('session/export', params);
    yield page.text;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

async function writeFile(
  context: Context,
  path: string,
  { messageCount }: Session,
  texts: AsyncIterable<string>,
): Promise<void> {
  const { out, json, home } = context;
  const cannotWrite = (error: Error) => {
    throw fileError('write', path, home, error);
  };
  let stopped: NodeJS.Signals | undefined;
  const undo = onStopSignal((signal) => {
    stopped ??= signal;
  });
  try {
    const file = await WholeFile.open(path).catch(cannotWrite);
    try {
      for await (const text of texts) {
        if (stopped) throw new CliError(128 + constants.signals[stopped], `ended by ${stopped}; nothing was written`);
        await file.write(text);
      }
      await file.finish().catch(cannotWrite);
    } catch (error) {
      await file.abandon();
      throw error;
    }
    if (!file.isPlain) return;
    if (json) await out.json({ path });
    else await out.line(`wrote ${cleanLine(shownPath(path, home))}, ${countOf(messageCount, 'message')}`);
  } finally {
    undo();
  }
}
