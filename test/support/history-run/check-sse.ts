// What is SSE's own: an event has its cursor as its id, a refusal its status, and a reader that goes on does so from what it
// was told last, not from before and not from behind. Whether it may is judged as for all (check-start.ts).
import type { Findings } from './findings.ts';
import type { History, Stream } from './history.ts';
import { cursorOf } from './history.ts';

export function checkSse(history: History, findings: Findings): void {
  const readers = new Map<string, Stream[]>();
  for (const stream of history.streams) {
    if (stream.dialect !== 'sse') continue;
    readers.set(stream.who, [...(readers.get(stream.who) ?? []), stream]);
  }
  for (const streams of readers.values()) checkReader(streams, history, findings);
}

function checkReader(streams: Stream[], { lives }: History, findings: Findings): void {
  let told: string | undefined;
  for (const [index, stream] of streams.entries()) {
    const { who, life, n, params, continues, lastEventId, answer, entries } = stream;
    const wrong = (what: string) => findings.wrong(`${who} (life ${life}, #${n}): ${what}`);
    if (!continues) told = undefined;
    else if (params.from !== told) wrong(`goes on from ${params.from}, and was told ${told}`);
    if (lastEventId !== undefined && lastEventId !== params.from) {
      wrong(`said that it was told ${lastEventId} and was answered for ${params.from}`);
    }
    if (!answer) continue;
    if ('error' in answer) {
      const { kind } = answer.error.data ?? {};
      const status = kind === 'ShuttingDown' ? 503 : 410;
      if (answer.status !== status) wrong(`was refused with ${kind} and status ${answer.status}`);
      findings.count(`status ${answer.status}`);
      continue;
    }
    const { mode, cursor } = answer.result;
    const start = mode === 'snapshot' ? undefined : cursor;
    if (answer.id !== start) wrong(`${mode} at ${cursor} came with the id ${answer.id}`);
    told = start ?? told;
    for (const entry of entries) {
      const at = cursorOf(entry);
      if (entry.id !== at) wrong(`${entry.kind} at ${at} came with the id ${entry.id}`);
      told = at ?? told;
    }
    const before = streams[index - 1];
    if (lastEventId === undefined || before?.end !== 'lost' || before.life === life) continue;
    findings.count(`Last-Event-ID after ${lives[before.life]?.end}, ${mode}`);
  }
}
