// Judges a history: pure, so that it can be shown to find what it is there for (check.test.ts).

import { checkSse } from './check-sse.ts';
import { checkStarts } from './check-start.ts';
import { checkRead, checkStream } from './check-stream.ts';
import { checkViews } from './check-views.ts';
import { checkWrites } from './check-writes.ts';
import { Findings } from './findings.ts';
import type { History } from './history.ts';
import { Truth } from './truth.ts';

/** What is wrong in it, in words, and how often what happened in it. */
export function checkHistory(history: History): Findings {
  const findings = new Findings();
  if (history.failure) findings.wrong(history.failure);
  const truth = gather(history, findings);
  truth.check();
  checkWrites(history, truth, findings);
  checkStarts(history, truth, findings);
  for (const stream of history.streams) checkStream(stream, history, truth, findings);
  checkSse(history, findings);
  for (const read of history.reads) checkRead(read, history, truth, findings);
  checkViews(history, truth, findings);
  return findings;
}

function gather(history: History, findings: Findings): Truth {
  const truth = new Truth(findings, history.created);
  for (const [index, { audit, bounds }] of history.lives.entries()) {
    truth.cursor(bounds.head, `life ${index}`);
    for (const event of audit) truth.add(event, `life ${index}`);
  }
  for (const event of history.final?.events ?? []) truth.add(event, 'the end');
  for (const { who, answer } of history.reads) for (const event of answer?.events ?? []) truth.add(event, who);
  for (const { who, entries } of history.streams) {
    for (const entry of entries) {
      if (entry.kind === 'batch') for (const event of entry.events) truth.add(event, who);
      if ('cursor' in entry && entry.cursor !== undefined) truth.cursor(entry.cursor, who);
    }
  }
  for (const { cursor, opId } of history.outcomes) if (cursor) truth.cursor(cursor, opId);
  return truth;
}
