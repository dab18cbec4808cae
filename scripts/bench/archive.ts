// A large archive of transcripts that was taken in already, under a daemon that was started again: 10,000 files of 1 GB in
// 1,000 folders, a month old. Made once for all rows that look at it; its daemon lives until the last of them is done.
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import type { MeasuredDaemon } from './daemon.ts';
import { startDaemon } from './daemon.ts';
import { indexed } from './indexed.ts';
import { ownHome } from './own-home.ts';
import type { Setting } from './row.ts';
import { transcript, transcriptName, writeTranscripts } from './transcripts.ts';

export type Archive = {
  bytes: number;
  /** The search index included. */
  storeBytes: number;
  daemon: MeasuredDaemon;
  client: Client;
  /** What the daemon read, from files of any kind, while it started again and looked at everything. */
  restartBytes: number;
  /** The path of the transcript with this number. */
  path(file: number): string;
  files: number;
};

let made: Promise<Archive> | undefined;

export function openArchive(setting: Setting): Promise<Archive> {
  made ??= make(setting);
  return made;
}

/** Ends its daemon, if any row asked for it. */
export async function closeArchive(): Promise<void> {
  await (await made)?.daemon.stop();
}

async function make(row: Setting): Promise<Archive> {
  const home = ownHome();
  const { quick } = row;
  const setting: Setting = { ...row, home, profileFolder: undefined };
  const [files, folders] = quick ? [60, 12] : [10_000, 1_000];
  const bytes = writeTranscripts(home.claude, files, folders, quick ? 5_000 : 98_000);
  const path = (file: number) => join(home.claude, transcriptName(file, folders));
  const monthAgo = new Date(Date.now() - 30 * 24 * 3_600_000);
  // All but the last one, which is in use.
  for (let file = 0; file < files - 1; file += 1) utimesSync(path(file), monthAgo, monthAgo);

  const first = await startDaemon(setting, { reads: true });
  const reader = await first.connect();
  await reader.call('source/rescan', {});
  await indexed(reader);
  await first.stop();
  const bytesOf = (file: string) => statSync(join(home.paths.data, file)).size;
  const storeBytes = bytesOf('store.db') + bytesOf('search.db');

  const daemon = await startDaemon(setting, { reads: true });
  const client = await daemon.connect();
  await client.call('source/rescan', {});
  return { bytes, storeBytes, daemon, client, restartBytes: bytesRead(daemon.pid), path, files };
}

/** Everything that the process read so far, from the disk or its cache. */
function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}

/** Lines that no file has yet. */
let appended = 1_000_000;
export function newLine(): string {
  appended += 1;
  return `${transcript(appended, 1).split('\n')[0]}\n`;
}
