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

/** How far a read has come, from 0 to 1, by files: how many bytes there are is not known before all files are found. */
export function shareRead({ files, filesDone }: Progress): number {
  return files === 0 ? 0 : filesDone / files;
}

/** It leaves room for the longest label in 80 columns: a bar that is shorter beside a longer label would go back. */
const barWidth = 16;

/** The progress bar's one line, not wider than `width`. `share`: how much of the bar is full. */
export function progressBar(progress: Progress, share: number, width: number): string {
  const label = `reading transcripts: ${progressText(progress)}`;
  const room = Math.min(width - label.length - 4, barWidth);
  if (room < 5) return cutLine(label, width);
  const done = Math.round(room * Math.min(Math.max(share, 0), 1));
  return `[${'#'.repeat(done)}${'-'.repeat(room - done)}] ${label}`;
}

/** What stands in place of the bar while files are still being found: a share of what is not known yet would go back. */
export function findingLine({ files }: Progress, width: number): string {
  return cutLine(`finding transcripts: ${countOf(files, 'file')} so far`, width);
}

function cutLine(text: string, width: number): string {
  return text.slice(0, Math.max(width - 1, 0));
}

/** What a read took in, in one line. */
export function readSummary(sources: SourceStatus[]): string {
  return `read ${transcriptsText(sources)}: ${sessionsText(sources)}${badText(sources)}`;
}

/** What is there when nothing was read, in one line. */
export function heldSummary(sources: SourceStatus[]): string {
  return `${sessionsText(sources)} from ${transcriptsText(sources)}${badText(sources)}`;
}

const transcriptsText = (sources: SourceStatus[]) => countOf(sumOf(sources, 'files'), 'transcript');
const sessionsText = (sources: SourceStatus[]) => countOf(sumOf(sources, 'sessions'), 'session');

/** `, 3 records not understood`; they are kept as they were found. */
export function badText(sources: SourceStatus[]): string {
  const bad = sumOf(sources, 'badRecords');
  return bad === 0 ? '' : `, ${countOf(bad, 'record')} not understood`;
}

/** `120 of 7,500 files, 1.2 GB to go, 118 sessions, 3 records not understood` */
export function sourceFacts(source: SourceStatus): string {
  return `${progressText(progressOf([source]))}, ${sessionsText([source])}${badText([source])}`;
}

/** Where it is told what was not understood, when there is any. */
export function badHint(sources: SourceStatus[], program: string): string[] {
  return badText(sources) === '' ? [] : [`Which records were not understood: ${program} logs --level warn`];
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
