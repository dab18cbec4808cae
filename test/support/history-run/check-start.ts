// How subscriptions began: the mode is asserted, and so is the reason, not only what came in the end (P30, P35). Between what
// the daemon said of itself before and after lies what it knew when it judged.
import { parseCursor } from '../../../protocol/cursor.ts';
import { errorCodes } from '../../../protocol/errors.ts';
import type { Findings } from './findings.ts';
import type { History, Stream } from './history.ts';
import type { Truth } from './truth.ts';

type Verdict = 'resumes' | 'StoreChanged' | 'CursorExpired' | 'CursorInFuture' | 'Diverged';

/** Checks what each subscription was answered. */
export function checkStarts(history: History, truth: Truth, findings: Findings): void {
  for (const stream of history.streams) checkStart(stream, history, truth, findings);
  checkAcks(history, truth, findings);
}

function checkStart(stream: Stream, history: History, truth: Truth, findings: Findings): void {
  const { who, life, n, params, before, after, answer } = stream;
  if (!answer || !before) return;
  const name = `${who} (life ${life}, #${n})`;
  const wrong = (what: string) => findings.wrong(`${name}: ${what}`);
  const seq = (cursor: string) => truth.cursor(cursor, name);
  const low = { earliest: seq(before.earliest), head: seq(before.head) };
  const high = after
    ? { earliest: seq(after.earliest), head: seq(after.head) }
    : { earliest: Number.POSITIVE_INFINITY, head: Number.POSITIVE_INFINITY };
  if (low.earliest > high.earliest || low.head > high.head) wrong('earliest or head went back');
  const { snapshot = 'onGap' } = params;
  const isKept = isKeptFor(stream, history);
  const from = params.from ?? nameFrom(stream, history);
  const { suffered } = history.lives[life]!;
  if ('error' in answer) {
    const { kind, head } = answer.error.data ?? {};
    if (kind === 'ShuttingDown' || (kind === 'StoreUnavailable' && suffered && params.name)) return;
    findings.count(`refused ${kind}`);
    findings.count(`told ${kind}`);
    if (snapshot !== 'never') wrong(`was refused with ${JSON.stringify(answer.error)}, and asked for a snapshot`);
    if (answer.error.code !== errorCodes[kind as keyof typeof errorCodes])
      wrong(`${kind} has code ${answer.error.code}`);
    if (head !== undefined) seq(String(head));
    const possible = from === undefined ? unsure : verdicts(from, low, high, truth);
    if (!possible.includes(kind as Verdict)) wrong(`was refused with ${kind}; possible were ${possible}`);
    if (kind !== 'CursorExpired') return;
    const earliest = seq(String(answer.error.data?.earliest));
    if (from !== undefined && parseCursor(from)!.seq >= earliest)
      wrong(`${from} is expired, and earliest is ${earliest}`);
    if (history.plan.retention === 'keepAll' || isKept) wrong('was told CursorExpired although all is kept');
    return;
  }
  const { mode, reason, cursor, head } = answer.result;
  findings.count(`mode ${mode}${reason ? ` ${reason}` : ''}`);
  if (stream.continues) findings.count(`went on over ${stream.dialect}, ${mode}`);
  if (reason) findings.count(`told ${reason}`);
  const [at, headSeq] = [seq(cursor), seq(head)];
  if (headSeq < low.head || headSeq > high.head) wrong(`head is ${head}, between ${before.head} and ${after?.head}`);
  if (at > headSeq) wrong(`starts at ${cursor}, ahead of ${head}`);
  const isNow = from === 'now' || (from === undefined && params.name === undefined);
  const possible =
    isNow || from === 'start' ? ['resumes' as const] : from === undefined ? unsure : verdicts(from, low, high, truth);
  if (mode === 'snapshot') {
    const isAsked = snapshot === 'always' && possible.includes('resumes');
    if (snapshot === 'never') wrong('was given a snapshot under never');
    if (!isAsked && !(possible as string[]).includes(String(reason))) {
      wrong(`was given a snapshot because of ${reason}; possible were ${possible}`);
    }
    if (isAsked && possible.length === 1 && reason !== undefined && reason in errorCodes) {
      wrong(`was told ${reason}, and its cursor was good`);
    }
    if (at < low.head || at > high.head)
      wrong(`the snapshot is at ${cursor}, between ${before.head} and ${after?.head}`);
    if (reason === 'CursorExpired' && (history.plan.retention === 'keepAll' || isKept)) {
      wrong('was expired although all is kept');
    }
    return;
  }
  if (snapshot === 'always') wrong(`asked for a snapshot and got ${mode}`);
  if (!possible.includes('resumes')) wrong(`${mode} from ${from}; possible were ${possible}`);
  if (reason !== undefined) wrong(`${mode} because of ${reason}`);
  if (mode !== (isNow ? 'live' : 'resumed') && from !== undefined) wrong(`${mode} from ${from}`);
  // Between the two a name may have been written down.
  if (mode === 'live' && params.name === undefined && cursor !== head)
    wrong(`live from ${cursor}, and head is ${head}`);
  if (mode === 'live' && at < low.head) wrong(`live from ${cursor}, and head was ${before.head}`);
  if (from === 'start' && (at < low.earliest || at > high.earliest)) {
    wrong(`starts at ${cursor}; earliest is between ${before.earliest} and ${after?.earliest}`);
  }
  if (from !== undefined && !isNow && from !== 'start' && cursor !== from)
    wrong(`resumed at ${cursor}, asked for ${from}`);
  if (params.name !== undefined && params.from === undefined) findings.count(`by name ${mode}`);
}

/** Of a name whose place is not known: an acknowledgement was not answered, or it began with a snapshot. */
const unsure: Verdict[] = ['resumes', 'CursorExpired'];

type Place = { earliest: number; head: number };

/** What a daemon may say of a cursor, where it judged it between `low` and `high`. */
function verdicts(text: string, low: Place, high: Place, truth: Truth): Verdict[] {
  const cursor = parseCursor(text)!;
  if (cursor.storeId !== truth.storeId) return ['StoreChanged'];
  if (cursor.seq < low.earliest) return ['CursorExpired'];
  const expires: Verdict[] = cursor.seq < high.earliest ? ['CursorExpired'] : [];
  if (cursor.seq > high.head) return ['CursorInFuture'];
  if (cursor.seq > low.head) expires.push('CursorInFuture');
  const tag = truth.tagAt(cursor.seq);
  if (tag === undefined) return [...expires, 'resumes', 'Diverged'];
  return [...expires, tag === cursor.tag ? 'resumes' : 'Diverged'];
}

/** Whether all that it has not acknowledged is kept for it: by its name alone, and not by one that begins with the state. */
export function isKeptFor(stream: Stream, history: History): boolean {
  const { name, from } = stream.params;
  if (history.plan.retention !== 'lag' || name === undefined || from !== undefined) return false;
  return nameFrom(stream, history) !== undefined;
}

/** Where a named subscriber begins that does not say: at what it acknowledged last. Undefined where that is not known. */
function nameFrom({ params, n }: Stream, { acks, streams }: History): string | undefined {
  if (params.name === undefined) return undefined;
  const before = acks.filter((ack) => ack.name === params.name && ack.n < n);
  // One that was asked for and not answered may have been kept, or whose writing failed.
  const isUnsure = ({ answered, error }: History['acks'][number]) =>
    answered === undefined || answered > n || error?.data?.kind === 'StoreUnavailable';
  if (before.some((ack) => ack.isHolder && isUnsure(ack))) return undefined;
  const acked = before.findLast(({ result }) => result)?.result?.cursor;
  if (acked) return acked;
  // Before the first, it is where its first subscription began.
  const first = streams.find((each) => each.params.name === params.name && each.n < n);
  if (!first) return 'now';
  if (!first.answer || 'error' in first.answer || first.answer.result.mode === 'snapshot') return undefined;
  return first.answer.result.cursor;
}

function checkAcks({ acks, streams, plan, lives }: History, truth: Truth, findings: Findings): void {
  const held = new Map<string, { seq: number; isSure: boolean }>();
  for (const ack of acks) {
    const name = `${ack.who} (ack #${ack.n} of ${ack.cursor})`;
    const wrong = (what: string) => findings.wrong(`${name}: ${what}`);
    const asked = truth.cursor(ack.cursor, name);
    const before = held.get(ack.name) ?? { seq: -1, isSure: true };
    if (ack.answered === undefined) {
      if (ack.isHolder) held.set(ack.name, { seq: before.seq, isSure: false });
      continue;
    }
    if (!ack.isHolder) {
      if (!ack.error) wrong('was taken from one that had been taken over');
      else findings.count('ack of one taken over');
    } else if (ack.error) {
      const kind = ack.error.data?.kind;
      findings.count(`ack ${kind}`);
      const stream = streams.findLast(({ n, params }) => params.name === ack.name && n < ack.n);
      const last = stream?.entries.at(-1);
      // Its subscription ended while it was on its way, or retention has passed what it was told.
      const hasEnded =
        kind === 'ShuttingDown' ||
        (kind === 'Forbidden' && last?.kind === 'ended' && last.reason !== 'shuttingDown' && last.n < ack.answered);
      const hasExpired = kind === 'CursorExpired' && plan.retention !== 'keepAll';
      const hasFailed = kind === 'StoreUnavailable' && lives.some(({ suffered }) => suffered);
      if (hasFailed) held.set(ack.name, { seq: before.seq, isSure: false });
      if (!hasEnded && !hasExpired && !hasFailed) wrong(`was refused with ${JSON.stringify(ack.error)}`);
    } else if (ack.result) {
      const result = truth.cursor(ack.result.cursor, name);
      findings.count(asked < before.seq ? 'ack of a lower one' : 'ack');
      const expected = Math.max(asked, before.seq);
      if (before.isSure ? result !== expected : result < expected) wrong(`is kept as ${ack.result.cursor}`);
      held.set(ack.name, { seq: result, isSure: true });
    }
  }
}
