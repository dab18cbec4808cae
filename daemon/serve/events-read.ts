// events/read: the journal for who asks instead of subscribing.
import type { Cursor } from '../../protocol/cursor.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { isRefusal, RefusedError } from '../../protocol/errors.ts';
import type { Bell } from '../engine/bell.ts';
import type { Reads } from '../engine/reads.ts';
import type { Retention } from '../engine/retention.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { Limits } from './limits.ts';
import { RawJson } from './message.ts';
import type { Handlers } from './rpc.ts';
import { ringOrTimeout } from './wait.ts';

export type EventsReadDeps = Pick<Reads, 'journal'> & {
  retention: Pick<Retention, 'floor'>;
  bell: Bell;
  runtime: Runtime;
  limits: Limits;
};

export function eventsReadHandler({ journal, retention, bell, runtime, limits }: EventsReadDeps) {
  const resume = (text: string): Cursor => {
    const cursor = journal.check(text, retention.floor);
    if (isRefusal(cursor)) throw new RefusedError(cursor);
    return cursor;
  };

  const handler: Handlers['events/read'] = ({ after, filter: asked, limit = 100, waitMs = 0 }, peer, call) => {
    const filter = { ...asked, within: peer.sessions };
    let from = resume(after);
    const { signal } = peer;
    const until = runtime.monotonic() + waitMs;
    /** The answer, or undefined when there is reason and time to look again; `from` has moved on then. */
    const read = (): RawJson | undefined => {
      const wanted = { events: limit, bytes: limits.maxBatchBytes, eventsOfAnyOp: limit };
      const { events, through } = journal.readAfter(from, filter, wanted);
      const more = through.seq < journal.head.seq;
      from = through;
      if (events.length === 0 && !signal.aborted && (more || runtime.monotonic() < until)) return undefined;
      const texts = events.map((event) => event.text).join(',');
      return new RawJson(`{"events":[${texts}],"cursor":"${formatCursor(through)}","more":${more}}`);
    };
    const nextRing = (wake: () => void) => bell.onRing(wake);
    const readOn = async () => {
      for (;;) {
        if (from.seq < journal.head.seq) await new Promise((resolve) => setImmediate(resolve));
        else await call.wait(() => ringOrTimeout(nextRing, runtime, until - runtime.monotonic(), signal));
        const answer = await call.inTurn(() => {
          // Retention may have passed the place while this waited: judged again, never clamped.
          from = resume(formatCursor(from));
          return read();
        });
        if (answer) return answer;
      }
    };
    return read() ?? readOn();
  };
  return { 'events/read': handler };
}
