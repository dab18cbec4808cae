// export ID: a session as one text, page by page: a long session is never held whole.
import { constants } from 'node:os';
import { extname } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { oneOf } from '../option-values.ts';
import { cleanLine, cleanText } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
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
        const { output } = options;
        if (output !== undefined && output !== '-')
          return writeFile(context, output, pagesOf(client, session.id, format));
        const { out } = context;
        for await (const text of pagesOf(client, session.id, format)) {
          await out.write(out.isTerminal ? cleanText(text) : text);
        }
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

async function writeFile(context: Context, path: string, texts: AsyncIterable<string>): Promise<void> {
  let stopped: NodeJS.Signals | undefined;
  const undo = onStopSignal((signal) => {
    stopped ??= signal;
  });
  try {
    const file = await WholeFile.open(path).catch((error: Error) => {
      throw new CliError(exitCodes.failure, `nothing can be written there: ${error.message}`);
    });
    try {
      for await (const text of texts) {
        if (stopped) throw new CliError(128 + constants.signals[stopped], `ended by ${stopped}; nothing was written`);
        await file.write(text);
      }
      await file.finish();
    } catch (error) {
      await file.abandon();
      throw error;
    }
    const { out, json, home } = context;
    if (!file.isPlain) return;
    if (json) await out.json({ path });
    else await out.line(`wrote ${cleanLine(shownPath(path, home))}`);
  } finally {
    undo();
  }
}
