// logs: the daemon's log file, readable; needs no daemon. With -f it goes on until Ctrl-C or until nobody reads it.
import type { Command } from 'commander';
import { Option } from 'commander';
import { pathsFrom } from '../../protocol/node/paths.ts';
import { logFileOf } from '../../protocol/node/spawn.ts';
import type { Context } from '../context.ts';
import { LogFile } from '../log/follow.ts';
import type { Level, LogRecord } from '../log/record.ts';
import { levels, parseRecord, recordLines } from '../log/record.ts';
import { wholeNumber } from '../option-values.ts';
import { safeJson } from '../render/clean.ts';
import { shownPath } from '../render/path.ts';
import { onStopSignal } from '../signals.ts';

const lastByDefault = 100;

type Options = { follow?: boolean; last: number; level: Level };

export const withoutToken = "the log is a file of the daemon's owner, which no capability gives";

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('--last <N>', 'begin with the last N records', wholeNumber('--last'), lastByDefault)
    .addOption(
      new Option('--level <LEVEL>', 'only records of this level and above')
        .choices(Object.keys(levels))
        .default('trace'),
    )
    .addHelpText(
      'after',
      '\nIt is the log of a daemon in the background; one that was started with run logs to its stderr.\n\n' +
        `Examples:\n  ${program} logs -f\n  ${program} logs --level warn --last 20\n` +
        `  ${program} logs --json | jq -r .msg`,
    )
    .action((options: Options) => logs(context, options));
}

async function logs(context: Context, options: Options): Promise<void> {
  const path = logFileOf(pathsFrom(context.env));
  const file = new LogFile(path);
  const stop = new AbortController();
  const undo = onStopSignal(() => stop.abort());
  try {
    await print(context, await lastRecords(file, options, stop.signal));
    if (!file.found) await noticeNone(context, path);
    if (!options.follow) return;
    context.out.onReaderGone(() => stop.abort());
    for (;;) {
      await file.changed(stop.signal);
      for await (const record of records(file, options, stop.signal)) await print(context, [record]);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    undo();
    await file.close();
  }
}

async function* records(file: LogFile, { level }: Options, signal: AbortSignal): AsyncGenerator<LogRecord, void, void> {
  for await (const line of file.read()) {
    signal.throwIfAborted();
    const record = parseRecord(line);
    if (record.level >= levels[level]) yield record;
  }
}

/** The file is read from its start, and no more than twice what is wanted of it is held. */
async function lastRecords(file: LogFile, options: Options, signal: AbortSignal): Promise<LogRecord[]> {
  const { last, follow } = options;
  const held: LogRecord[] = [];
  for await (const record of records(file, options, signal)) {
    held.push(record);
    if (held.length >= 2 * last) held.splice(0, held.length - last);
  }
  // Nobody will end this line any more, as far as is known.
  if (!follow && file.rest !== '') held.push(parseRecord(file.rest));
  return held.slice(-last);
}

async function print({ out, json }: Context, shown: LogRecord[]): Promise<void> {
  await out.lines(shown.flatMap((record) => (json ? [safeJson(record)] : recordLines(record, out.style))));
}

/** On stderr: stdout has records only. */
async function noticeNone({ err, home, json }: Context, path: string): Promise<void> {
  if (json) await err.json({ noLog: path });
  else await err.line(`there is no log yet; it would be ${shownPath(path, home)}`);
}
