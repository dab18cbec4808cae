// What a notification of a subscription is in a history.
import type { Message } from '../wire.ts';
import type { Entry } from './history.ts';

/** `bytes`: of its text. */
export function entryOf(
  method: string,
  params: Message['params'],
  bytes: number,
  now: { n: number; at: number },
): Entry {
  const { subscription: _, ...rest } = params ?? {};
  switch (method) {
    case 'events/batch':
      return { ...now, kind: 'batch', bytes, ...rest };
    case 'events/snapshot':
      return { ...now, kind: 'snapshot', bytes, ...rest };
    case 'events/caughtUp':
      return { ...now, kind: 'caughtUp', ...rest };
    case 'events/bookmark':
      return { ...now, kind: 'bookmark', ...rest };
    case 'events/reset':
      return { ...now, kind: 'reset', ...rest };
    case 'events/ended':
      return { ...now, kind: 'ended', ...rest };
    default:
      return { ...now, kind: 'unknown', method };
  }
}
