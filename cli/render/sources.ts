// Sources in words: how far their reading has come, which folders were looked in.
import type { SourceStatus } from '../../protocol/methods.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shownPath } from './path.ts';
import { bytes, countOf, grouped } from './quantity.ts';

/** What all sources together have still to read; `reading` until the first read of each is over. */
export type Progress = { reading: boolean; files: number; filesDone: number; bytesBehind: number };

export function progressOf(sources: SourceStatus[]): Progress {
  const sum = (field: 'files' | 'filesDone' | 'bytesBehind') =>
    sources.reduce((total, source) => total + source[field], 0);
  return {
    reading: sources.some((source) => source.state === 'reading'),
    files: sum('files'),
    filesDone: sum('filesDone'),
    bytesBehind: sum('bytesBehind'),
  };
}

/** `120 of 7,500 files, 1.2 GB to go` */
export function progressText({ reading, files, filesDone, bytesBehind }: Progress): string {
  if (reading && files === 0) return 'looking for files';
  const left = bytesBehind > 0 ? `, ${bytes(bytesBehind)} to go` : '';
  return `${grouped(filesDone)} of ${countOf(files, 'file')}${left}`;
}

/** The progress bar's one line, not wider than `width`. `mostBehind`: the most bytes that were ever left to read. */
export function progressBar(progress: Progress, mostBehind: number, width: number): string {
  const label = `reading transcripts: ${progressText(progress)}`;
  const room = Math.min(width - label.length - 4, 30);
  if (room < 5) return label.slice(0, Math.max(width - 1, 0));
  const share = mostBehind > 0 ? 1 - progress.bytesBehind / mostBehind : progress.filesDone / (progress.files || 1);
  const done = Math.round(room * Math.min(Math.max(share, 0), 1));
  return `[${'#'.repeat(done)}${'-'.repeat(room - done)}] ${label}`;
}

/** What the read took in, in one line. */
export function readSummary(sources: SourceStatus[]): string {
  const sum = (field: 'files' | 'sessions' | 'badRecords') => sources.reduce((total, one) => total + one[field], 0);
  const bad = sum('badRecords');
  const badText =
    bad > 0 ? `; ${countOf(bad, 'record')} could not be read and ${bad === 1 ? 'is' : 'are'} kept as found` : '';
  return `read ${countOf(sum('files'), 'transcript')}: ${countOf(sum('sessions'), 'session')}${badText}`;
}

const stateText: Record<SourceStatus['state'], string> = {
  reading: 'being read now',
  watching: 'holds no transcripts',
  absent: 'does not exist',
  failing: 'cannot be read',
};

/** For an empty list: one line for each folder that was looked in, with what was found there. */
export function lookedIn(sources: SourceStatus[], home: string): string[] {
  return sources.map((source) => {
    const error = source.lastError === null ? '' : `: ${cleanStart(source.lastError, 200)}`;
    return `  ${shownPath(source.path, home)} (${cleanLine(source.name)}: ${stateText[source.state] ?? ''}${error})`;
  });
}
