// Sources in words: how far their reading has come, which folders were looked in.
import type { SourceStatus } from '../../protocol/methods.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { shownPath } from './path.ts';
import { bytes, countOf, grouped } from './quantity.ts';

/** The sources whose folder is there, and those whose folder is not: of the agents that are looked for most people use few. */
export function byPresence(sources: SourceStatus[]): { present: SourceStatus[]; absent: SourceStatus[] } {
  const isAbsent = ({ state }: SourceStatus) => state === 'absent';
  return { present: sources.filter((source) => !isAbsent(source)), absent: sources.filter(isAbsent) };
}

/** `opencode, gemini` */
export function namesOf(sources: SourceStatus[]): string {
  return sources.map(({ name }) => cleanLine(name)).join(', ');
}

/** What all sources that are there have still to read; `reading` until the first read of each is over. */
export type Progress = { reading: boolean; files: number; filesDone: number; bytesBehind: number };

export function progressOf(sources: SourceStatus[]): Progress {
  return {
    reading: sources.some((source) => source.state === 'reading'),
    files: sumOf(sources, 'files'),
    filesDone: sumOf(sources, 'filesDone'),
    bytesBehind: sumOf(sources, 'bytesBehind'),
  };
}

function sumOf(sources: SourceStatus[], field: 'files' | 'filesDone' | 'bytesBehind' | 'sessions' | 'badRecords') {
  return byPresence(sources).present.reduce((total, source) => total + source[field], 0);
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
  const bad = sumOf(sources, 'badRecords');
  const badText =
    bad > 0 ? `; ${countOf(bad, 'record')} could not be read and ${bad === 1 ? 'is' : 'are'} kept as found` : '';
  return `read ${countOf(sumOf(sources, 'files'), 'transcript')}: ${countOf(sumOf(sources, 'sessions'), 'session')}${badText}`;
}

const stateText: Record<Exclude<SourceStatus['state'], 'absent'>, string> = {
  reading: 'being read now',
  watching: 'holds no transcripts',
  failing: 'cannot be read',
};

/** For an empty list: each folder that was looked in, with what was found there, then the agents that are not there. */
export function lookedIn(sources: SourceStatus[], home: string): string[] {
  const { present, absent } = byPresence(sources);
  const lines = present.map(({ path, name, state, lastError }) => {
    const error = lastError === null ? '' : `: ${cleanStart(lastError, 200)}`;
    return `  ${shownPath(path, home)} (${cleanLine(name)}: ${stateText[state as keyof typeof stateText] ?? ''}${error})`;
  });
  return [
    ...(lines.length > 0 ? ['Looked in:', ...lines] : []),
    ...(absent.length > 0 ? [`Not found: ${namesOf(absent)}`] : []),
  ];
}
