// Following the first read of the sources: a progress bar on a terminal, silence elsewhere. It is the progress of
// another process, so it is asked for at intervals; without progress for a while nobody is kept waiting.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../protocol/client.ts';
import type { SourceStatus } from '../protocol/methods.ts';
import type { Context } from './context.ts';
import { progressBar, progressOf } from './render/sources.ts';

const pollMs = 100;
const stalledMs = 30_000;

/**
 * The sources, or the one that is named, as they stand when the wait is over: nothing is being read any more, or nothing
 * moved for 30 s.
 */
export async function followFirstRead(context: Context, client: Client, name?: string): Promise<SourceStatus[]> {
  const { err, json } = context;
  const draws = err.isTerminal && !json;
  let mostBehind = 0;
  let last = '';
  let movedAt = context.now();
  let drawn = '';
  try {
    for (;;) {
      const sources = (await client.call('source/list', {})).items;
      const items = name === undefined ? sources : sources.filter((source) => source.name === name);
      const progress = progressOf(items);
      if (!progress.reading) return items;
      const state = JSON.stringify(items);
      if (state !== last) movedAt = context.now();
      else if (context.now() - movedAt > stalledMs) return items;
      last = state;
      mostBehind = Math.max(mostBehind, progress.bytesBehind);
      const bar = progressBar(progress, mostBehind, err.width);
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
