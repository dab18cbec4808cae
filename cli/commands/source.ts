// source: the places that transcripts are read from: how far each was read, one more, one less, look again.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { jsonRpcCodes, RpcError } from '../../protocol/errors.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { followFirstRead } from '../first-read.ts';
import { cleanLine } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { countOf } from '../render/quantity.ts';
import { badHint, progressOf, progressText, readSummary } from '../render/sources.ts';
import { loadWidths } from '../render/width.ts';
import { sourceTable } from '../source-table.ts';

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .usage('COMMAND [options]')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nExamples:\n  ${program} source ls\n  ${program} source add claude-code /mnt/laptop/.claude/projects\n` +
        `  ${program} source rescan`,
    );
  verb('ls', 'list the sources, and how far each was read').action(() => listSources(context));
  verb('add', 'read the transcripts of an agent from one more folder, from now on')
    .argument('<kind>', 'whose transcripts they are, for example claude-code')
    .argument('<path>', 'the folder; it may appear later')
    .option('--no-wait', 'return at once, without waiting for the first read')
    .addHelpText('after', `\nExample:\n  ${program} source add claude-code ~/backup/.claude/projects`)
    .action((kind: string, path: string, options: { wait: boolean }) => addSource(context, kind, path, options.wait));
  verb('rm', 'stop reading a source; what was taken in stays')
    .argument('<source>', 'its name, as source ls shows it')
    .addHelpText('after', `\nExample:\n  ${program} source rm claude-code-2`)
    .action((name: string) => removeSource(context, name));
  verb('rescan', 'look for new and changed transcripts now')
    .argument('[source]', 'the name of one source; without it, all')
    .addHelpText(
      'after',
      `\nThis happens by itself; it returns when what was found is taken in.\n\nExample:\n  ${program} source rescan`,
    )
    .action((name: string | undefined) => rescan(context, name));

  function verb(name: string, summary: string): Command {
    return command
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  }
}

async function listSources(context: Context): Promise<void> {
  const { out, program } = context;
  const { items } = await withDaemon(context, ({ client }) => client.call('source/list', {}));
  if (context.json) return out.json(items);
  if (items.length === 0 && context.token !== undefined) return out.line('No folders that this token may know of.');
  if (items.length === 0)
    return out.lines(['No folders are read.', `To add one: ${context.commandLine('source add KIND PATH')}`]);
  if (out.width !== Number.POSITIVE_INFINITY) await loadWidths(items.flatMap(({ name, path }) => [name, path]));
  await out.lines(sourceTable(items, { width: out.width, style: out.style, home: context.home }));
  await out.lines(badHint(items, program));
}

async function addSource(context: Context, kind: string, given: string, wait: boolean): Promise<void> {
  await withDaemon(context, async ({ client }) => {
    const path = resolve(given.replace(/^~(?=\/|$)/, () => context.home));
    const { source } = await client.call('source/add', { kind, path }).catch(asUsage(context));
    const read = wait ? await afterRead(context, client, source) : source;
    if (context.json) return context.out.json(read);
    await context.out.lines(addedLines(context, read));
  });
}

/** The source when its first read is over. */
async function afterRead(context: Context, client: Client, added: SourceStatus): Promise<SourceStatus> {
  const { sources } = await followFirstRead(context, client, added.name);
  return sources.find(({ name }) => name === added.name) ?? added;
}

function addedLines({ home, program, commandLine, out }: Context, source: SourceStatus): string[] {
  const name = cleanLine(source.name);
  const path = shownPath(source.path, home);
  const reads = `${out.style.bold(name)} reads ${path}`;
  switch (source.state) {
    case 'absent':
      return [`${reads}, which does not exist yet: it is read as soon as it does`];
    case 'failing':
      return [
        `${reads}, which cannot be read: ${cleanLine(source.lastError ?? '')}`,
        `how it goes: ${commandLine('source ls')}`,
      ];
    case 'reading':
      return [`${reads}: ${progressText(progressOf([source]))}`, `how it goes: ${commandLine('source ls')}`];
    default:
      if (source.files === 0) return [reads, 'there are no transcripts in it yet'];
      return [reads, readSummary([source]), ...badHint([source], program)];
  }
}

async function removeSource(context: Context, name: string): Promise<void> {
  await withDaemon(context, ({ client }) => client.call('source/remove', { name }));
  if (context.json) return context.out.json({ removed: name });
  await context.out.line(`${cleanLine(name)} is not read any more; what was taken in from it stays`);
}

async function rescan(context: Context, name: string | undefined): Promise<void> {
  const params = name === undefined ? {} : { name };
  const result = await withDaemon(context, ({ client }) => client.call('source/rescan', params));
  if (context.json) return context.out.json(result);
  await context.out.line(`looked at ${countOf(result.files, 'file')}; what was new is taken in`);
}

/** A kind or a path that does not fit is what was typed: wrong usage. The daemon knows the kinds and says them. */
function asUsage({ program }: Context): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RpcError) || error.code !== jsonRpcCodes.invalidParams) throw error;
    throw new CliError(exitCodes.usage, error.message, `${program} source add --help`);
  };
}
