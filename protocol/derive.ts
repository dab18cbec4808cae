// What of a session follows from other records' events (PROTOCOL.md 3): version, updatedAt, status, counts, usage, the
// agent and model of the last turn. Such fields get no event of their own. The daemon's tables and every client's view derive them by this one function.
import type { Blocker, Event, Message, Session, Turn, Usage } from './schema.ts';

export const noUsage: Usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };

/** What deriveSession must know beside the event. */
export type Around = {
  /** The message that the event changes or removes, as it stood. */
  message?: Message | undefined;
  /** The blocker that the event changes, as it stood. */
  blocker?: Blocker | undefined;
  /** How many turns of the session are open after the event. Asked only where the status may depend on it. */
  openTurns(): number;
};

/** The session as it stands after `event`. Pure; the session given is not changed. */
export function deriveSession(session: Session, event: Event, around: Around): Session {
  if (event.type === 'session/created' || event.type === 'session/updated') return event.data;
  const next: Session = { ...session };
  next.version = event.version;
  next.updatedAt = Math.max(session.updatedAt, event.occurredAt ?? event.at);
  switch (event.type) {
    case 'message/updated':
      if (!around.message) next.messageCount += 1;
      next.usage = replaceUsage(session.usage, around.message?.usage, event.data.usage);
      break;
    case 'message/removed':
      if (!around.message) break;
      next.messageCount -= 1;
      next.usage = replaceUsage(session.usage, around.message.usage, null);
      break;
    case 'turn/updated':
      if (event.data.state === 'created') {
        // Here and not from its messages: they may never come or be removed, and the next turn goes to whom the last went.
        next.agent = event.data.agent;
        next.model = event.data.model;
      }
      next.status = statusOf(next.pendingBlockers, around.openTurns());
      break;
    case 'blocker/updated':
      next.pendingBlockers += Number(event.data.state === 'pending') - Number(around.blocker?.state === 'pending');
      next.status = statusOf(next.pendingBlockers, around.openTurns());
      break;
  }
  return next;
}

function statusOf(pendingBlockers: number, openTurns: number): Session['status'] {
  if (pendingBlockers > 0) return 'waiting';
  return openTurns > 0 ? 'busy' : 'idle';
}

/** Whether a turn has not ended yet. */
export function isOpenTurn({ state }: Pick<Turn, 'state'>): boolean {
  return state === 'created' || state === 'streaming';
}

function replaceUsage(sum: Usage, out: Usage | null | undefined, into: Usage | null): Usage {
  if (!out && !into) return sum;
  const field = (name: Exclude<keyof Usage, 'costUsd'>) => sum[name] - (out?.[name] ?? 0) + (into?.[name] ?? 0);
  const next: Usage = {
    input: field('input'),
    output: field('output'),
    reasoning: field('reasoning'),
    cacheRead: field('cacheRead'),
    cacheWrite: field('cacheWrite'),
  };
  if (sum.costUsd !== undefined || into?.costUsd !== undefined) {
    // Rounded, so that a sum from which everything was taken out again is 0 and not 5e-17.
    next.costUsd = Math.round(((sum.costUsd ?? 0) - (out?.costUsd ?? 0) + (into?.costUsd ?? 0)) * 1e10) / 1e10;
  }
  return next;
}
