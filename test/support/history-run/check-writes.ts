// What was acknowledged is there, once, at the place that was told, whatever died meanwhile; and nobody was told anything that
// a daemon which came back did not have (P10).
import type { Event } from '../../../protocol/schema.ts';
import type { Findings } from './findings.ts';
import type { History, Stream } from './history.ts';
import type { Truth } from './truth.ts';

export function checkWrites(history: History, truth: Truth, findings: Findings): void {
  checkOutcomes(history, truth, findings);
  checkLives(history, truth, findings);
  for (const { opId, seq, version, how } of history.again) {
    const first = history.outcomes.find((outcome) => outcome.opId === opId);
    if (how !== 'duplicate' || seq !== first?.seq || version !== first?.version) {
      findings.wrong(`${opId} was sent again and is ${how}, at seq ${seq}, version ${version}; first at ${first?.seq}`);
    }
  }
  if (!history.final) return;
  const { bounds, events } = history.final;
  checkJournal('the end', bounds, events, truth, findings);
  const head = truth.cursor(bounds.head, 'the end');
  const isAll = history.plan.retention === 'keepAll';
  if (isAll && truth.unknown(0, head) > 0) findings.wrong(`of ${head} events ${truth.unknown(0, head)} came to nobody`);
}

function checkOutcomes(history: History, truth: Truth, findings: Findings): void {
  const first = new Map<string, History['outcomes'][number]>();
  const head = history.final ? truth.cursor(history.final.bounds.head, 'the end') : Number.POSITIVE_INFINITY;
  for (const outcome of history.outcomes) {
    const { opId, seq, version, cursor } = outcome;
    const before = first.get(opId);
    if (before && (before.seq !== seq || before.version !== version)) {
      findings.wrong(`${opId} was answered with seq ${before.seq}, and then with ${seq}`);
    }
    first.set(opId, outcome);
    if (cursor) truth.cursor(cursor, opId);
    if (seq === null) continue;
    if (seq > head) findings.wrong(`${opId} was acknowledged at seq ${seq}, and head is ${head}`);
    const event = truth.at(seq);
    if (event && (event.opId !== opId || event.version !== version)) {
      findings.wrong(
        `${opId} was acknowledged at seq ${seq}, version ${version}: ${event.opId}, version ${event.version} is there`,
      );
    }
    if (truth.isInsideOp(seq)) findings.wrong(`${opId} was acknowledged at seq ${seq}, and goes on behind it`);
    if (!event) findings.count('acknowledged, seen by nobody');
  }
  const { opIds } = truth;
  for (const { opId, kind } of history.rejected) {
    findings.count(`op refused ${kind}`);
    if (opIds.has(opId)) findings.wrong(`${opId} was refused with ${kind}, and has events`);
  }
}

function checkLives({ lives, streams, outcomes, reads }: History, truth: Truth, findings: Findings): void {
  /** The newest seq that anybody was told of by each life. */
  const told = lives.map(() => 0);
  const tell = (life: number, seq: number) => {
    told[life] = Math.max(told[life] ?? 0, seq);
  };
  for (const stream of streams) tell(stream.life, newest(stream, truth));
  for (const { life, seq } of outcomes) tell(life, seq ?? 0);
  for (const { life, answer } of reads) if (answer) tell(life, truth.cursor(answer.cursor, 'a read'));
  for (const [index, { bounds, audit, end }] of lives.entries()) {
    checkJournal(`life ${index}`, bounds, audit, truth, findings);
    if (index > 0) findings.count(`after ${lives[index - 1]!.end}`);
    if (end === 'SIGKILL' && told[index]! > truth.cursor(bounds.head, 'a life')) findings.count('killed in traffic');
    const next = lives[index + 1];
    if (!next) continue;
    const head = truth.cursor(next.bounds.head, `life ${index + 1}`);
    if (told[index]! > head) {
      findings.wrong(`life ${index} told of seq ${told[index]}; the daemon came back from ${end} with head ${head}`);
    }
  }
}

function newest({ entries, answer }: Stream, truth: Truth): number {
  let seq = answer && 'result' in answer ? truth.cursor(answer.result.head, 'an answer') : 0;
  for (const entry of entries) {
    if (entry.kind === 'batch') seq = Math.max(seq, ...entry.events.map((event) => event.seq));
    if ('cursor' in entry && entry.cursor) seq = Math.max(seq, truth.cursor(entry.cursor, 'a stream'));
    if (entry.kind === 'bookmark') seq = Math.max(seq, truth.cursor(entry.head, 'a bookmark'));
  }
  return seq;
}

/** A journal that was read whole has every seq from its beginning to its head. */
function checkJournal(
  name: string,
  bounds: { earliest: string; head: string },
  events: Event[],
  truth: Truth,
  findings: Findings,
): void {
  const [earliest, head] = [truth.cursor(bounds.earliest, name), truth.cursor(bounds.head, name)];
  // Retention may have cut it while it was read, and then it is shorter.
  const from = events.length > 0 ? Math.max(earliest, events[0]!.seq - 1) : head;
  const seqs = events.map(({ seq }) => seq);
  if (seqs.some((seq, at) => seq !== from + 1 + at) || (seqs.at(-1) ?? head) < head) {
    findings.wrong(`${name}: the journal from ${bounds.earliest} to ${bounds.head} is read as ${seqs.slice(0, 20)}`);
  }
}
