// Following the first read of the sources: a progress bar on a terminal, silence elsewhere. It is the progress of
// another process, so it is asked for at intervals; without progress for a while nobody is kept waiting.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../protocol/client.ts';
import type { SourceStatus } from '../protocol/methods.ts';
import type { Context } from './context.ts';
import type { Progress } from './render/sources.ts';
import { findingLine, progressBar, progressOf, shareRead } from './render/sources.ts';

const pollMs = 100;
const stalledMs = 30_000;

/** `hadNews`: whether there was anything to read while we looked. */
export type FirstRead = { sources: SourceStatus[]; hadNews: boolean };

/**
 * The sources, or the one that is named, as they stand when the wait is over: nothing is being read any more, or nothing
 * moved for 30 s.
 */
export async function followFirstRead(context: Context, client: Client, name?: string): Promise<FirstRead> {
  const { err, json } = context;
  const draws = err.isTerminal && !json;
  let hadNews = false;
  let share = 0;
  let known: Progress | undefined;
  let last = '';
  let movedAt = context.now();
  let drawn = '';
  try {
    for (;;) {
      const sources = (await client.call('source/list', {})).items;
      const items = name === undefined ? sources : sources.filter((source) => source.name === name);
      const progress = progressOf(items);
      hadNews ||= progress.bytesBehind > 0;
      if (!progress.reading) return { sources: items, hadNews };
      const state = JSON.stringify(items);
      if (state !== last) movedAt = context.now();
      else if (context.now() - movedAt > stalledMs) return { sources: items, hadNews };
      last = state;
      const isFinding = known !== undefined && hasGrown(known, progress);
      known = progress;
      share = isFinding ? share : Math.max(share, shareRead(progress));
      const bar = isFinding ? findingLine(progress, err.width) : progressBar(progress, share, err.width);
      if (draws && bar !== drawn) {
        drawn = bar;
        await err.write(`\r\x1b[K${bar}`);
      }
      await sleep(pollMs);
    }
  } finally {
    if (drawn !== '') await err.write('\r\x1b[K').catch(() => {});
  }
}

/** Whether files, or sizes of files, became known meanwhile. */
function hasGrown(before: Progress, now: Progress): boolean {
  return now.files > before.files || now.bytesBehind > before.bytesBehind;
}
