// What the daemon sends unasked: name -> params. Clients ignore those that they do not know.
import { z } from 'zod';
import { cursor, SnapshotItem } from './method.ts';
import { Event } from './schema.ts';

export const notifications = {
  'events/snapshot': z.object({
    subscription: z.string(),
    items: z.array(SnapshotItem),
    done: z.boolean(),
    cursor: cursor.optional(),
  }),
  'events/batch': z.object({
    subscription: z.string(),
    prev: cursor,
    events: z.array(Event),
    cursor: cursor.optional(),
    more: z.boolean().optional(),
  }),
  'events/caughtUp': z.object({ subscription: z.string(), prev: cursor, cursor }),
  'events/bookmark': z.object({ subscription: z.string(), prev: cursor, cursor, head: cursor }),
  'events/reset': z.object({ subscription: z.string(), reason: z.string(), earliest: cursor, head: cursor }),
  'events/ended': z.object({
    subscription: z.string(),
    reason: z.enum(['unsubscribed', 'takenOver', 'revoked', 'expired', 'shuttingDown']),
  }),
} as const;

export type NotificationName = keyof typeof notifications;
export type Notification<N extends NotificationName> = z.output<(typeof notifications)[N]>;
