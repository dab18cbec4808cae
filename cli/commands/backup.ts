// backup [FILE]: the whole store in one file, made by the daemon while everything goes on.
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { makeFolder } from '../../protocol/node/spawn.ts';
import { backupFolder, backupName } from '../backups.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { cleanLine } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { bytes } from '../render/quantity.ts';
import { shellQuote } from '../shell-quote.ts';

export function configure(command: Command, context: Context): void {
  const { program, out } = context;
  command
    .argument('[file]', 'the file to make, which must not be there yet; without it, one in backups/ beside the store')
    .addHelpText(
      'after',
      `\nThe daemon goes on meanwhile: the file has all up to one moment, told as a cursor. It holds everything, also the\n` +
        `tokens of sinks, and is for you alone (mode 0600). No older backup is removed.\n\n` +
        `Examples:\n  ${program} backup\n  ${program} backup /mnt/stick/sessions.db`,
    )
    .action((file: string | undefined) => backUp(context, out, file));
}

async function backUp(context: Context, out: Context['out'], file: string | undefined): Promise<void> {
  const path = file === undefined ? join(backupFolder(context), backupName(context.now())) : resolve(file);
  const backup = await withDaemon(context, ({ client }) => {
    if (file === undefined) makeFolder(backupFolder(context));
    return client.call('store/backup', { path });
  });
  if (context.json) return out.json(backup);
  await out.lines([
    `backed up to ${shownPath(backup.path, context.home)} (${bytes(backup.bytes)})`,
    out.style.dim(`up to ${cleanLine(backup.head)}`),
    out.style.dim(`to bring it back: ${context.program} restore ${shellQuote(cleanLine(backup.path))}`),
  ]);
}
