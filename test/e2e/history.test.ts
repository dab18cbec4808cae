// Seeded histories of a real daemon (test/support/history-run): writers, readers of every kind, kill -9, retention at its
// smallest. By hand, for more of them, or for one that failed:
//   SESSIOND_HISTORY_FROM=0 SESSIOND_HISTORY_SEEDS=200 npx vitest run test/e2e/history.test.ts
//   SESSIOND_HISTORY_FROM=17 SESSIOND_HISTORY_SEEDS=1 npx vitest run test/e2e/history.test.ts
// A seed that fails prints itself and the path of its history; that can be checked again without a daemon (checkHistory).
import { expect, test } from 'vitest';
import { checkHistory } from '../support/history-run/check.ts';
import { keepHistory, playSeed } from '../support/history-run/run.ts';

const from = Number(process.env.SESSIOND_HISTORY_FROM ?? 0);
const seeds = Number(process.env.SESSIOND_HISTORY_SEEDS ?? 24);
/** Runs at a time: one waits for disks and timers most of its time. */
const lanes = 3;
/** Fewer seeds than this may miss a rare thing. */
const enough = 24;

/** What must have happened over the seeds, or they showed nothing. */
const rare = [
  'killed in traffic',
  'after SIGTERM',
  'mode live',
  'mode resumed',
  'mode snapshot always',
  'mode snapshot CursorExpired',
  'told Diverged',
  'told StoreChanged',
  'told CursorInFuture',
  'refused CursorExpired',
  'by name resumed',
  'ack',
  'ack of one taken over',
  'reset',
  'reset of a reader that stalled',
  'snapshot after a reset',
  'session of a snapshot compared',
  'session of a view compared',
  'op in pieces',
  'bookmark',
  'sync',
  'read',
  'read CursorExpired',
  'ended takenOver',
  'ended unsubscribed',
  'ended expired',
  'ended shuttingDown',
  'went on over webSocket, resumed',
  'went on over sse, resumed',
  'Last-Event-ID after SIGKILL, resumed',
  'snapshot after a reset over webSocket',
  'status 410',
] as const;
/** What 24 seeds may miss, by chance; test/serve/http/events.test.ts has it for itself. */
const rarer = ['snapshot after a reset over sse'];
const enoughForRarer = 100;

test(
  '[P6, P10, P30, P35] every stream is ordered, complete, without duplicates and never ahead of an fsync; every gap is told, ' +
    'with its mode; every folded view equals the tables',
  async () => {
    const counts = new Map<string, number>();
    const failed: string[] = [];
    let next = from;
    const lane = async () => {
      while (next < from + seeds && failed.length < 3) {
        const seed = next;
        next += 1;
        const history = await playSeed(seed);
        const findings = checkHistory(history);
        for (const [what, times] of findings.counts) counts.set(what, (counts.get(what) ?? 0) + times);
        const { problems } = findings;
        if (problems.length === 0) continue;
        const first = problems.slice(0, 10).map((problem) => `  ${problem}`);
        failed.push([`seed ${seed}, ${problems.length} problems, ${keepHistory(history)}:`, ...first].join('\n'));
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    expect(failed.join('\n')).toBe('');
    if (seeds >= enough) expect(rare.filter((what) => !counts.has(what))).toEqual([]);
    if (seeds >= enoughForRarer) expect(rarer.filter((what) => !counts.has(what))).toEqual([]);
  },
  Math.max(300_000, seeds * 10_000),
);
