// What of a session follows from other records' events (PROTOCOL.md 3): version, updatedAt, messageCount, usage. Such
// fields get no event of their own. The daemon's tables and every client's view derive them by this one function.
import type { Event, Message, Session, Usage } from './schema.ts';

export const noUsage: Usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };

/**
 * The session as it stands after `event`. `before` is the message that the event changes or removes, as it stood.
 * Pure; the session given is not changed.
 */
export function deriveSession(session: Session, event: Event, before: Message | undefined): Session {
  if (event.type === 'session/created' || event.type === 'session/updated') return event.data;
  const next: Session = {
    ...session,
    version: event.version,
    updatedAt: Math.max(session.updatedAt, event.occurredAt ?? event.at),
  };
  if (event.type === 'message/updated') {
    if (!before) next.messageCount += 1;
    next.usage = replaceUsage(session.usage, before?.usage, event.data.usage);
  } else if (event.type === 'message/removed' && before) {
    next.messageCount -= 1;
    next.usage = replaceUsage(session.usage, before.usage, null);
  }
  return next;
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
