// A large archive of transcripts that was taken in already, under a daemon that was started again: 10,000 files of 1 GB in
// 1,000 folders, a month old. Made once for all rows that look at it; its daemon lives until the last of them is done.
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import type { MeasuredDaemon } from './daemon.ts';
import { startDaemon } from './daemon.ts';
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

async function make({ daemonPath, quick }: Setting): Promise<Archive> {
  const home = ownHome();
  const setting: Setting = { home, daemonPath, profileFolder: undefined, quick };
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

/** Resolves once the search index has what the journal has: a search waits for it, but not for ever. */
async function indexed(client: Client): Promise<void> {
  const { head } = await client.call('daemon/status', {});
  for (let cursor = ''; cursor !== head; ) {
    ({ cursor } = await client.call('session/search', { query: 'nothingIsFound', limit: 1 }));
  }
}

/** Everything that the process read so far, from the disk or its cache. */
function bytesRead(pid: number): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}

/** CPU time of the process so far, of user and system, in ms. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  // Fields 14 and 15 of proc(5), in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Memory that the process has to itself or shares, in MB. */
export function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/** Lines that no file has yet. */
let appended = 1_000_000;
export function newLine(): string {
  appended += 1;
  return `${transcript(appended, 1).split('\n')[0]}\n`;
}
