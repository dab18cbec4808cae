// The rows of the method table that are about the store as a whole (PROTOCOL.md 9).
import { z } from 'zod';
import type { Method } from './method.ts';
import { cursor, empty, size } from './method.ts';

export const storeMethods = {
  'store/backup': {
    params: z.strictObject({ path: z.string().min(1).max(4096) }),
    result: z.object({ path: z.string(), bytes: size, head: cursor }),
    right: 'admin',
    kind: 'read',
    summary: 'Copies the whole store, as it stands at one moment, into a new file; others write meanwhile.',
  },
  'store/check': {
    params: empty,
    result: z.object({ ok: z.boolean(), problems: z.array(z.string()) }),
    right: 'admin',
    kind: 'read',
    summary: 'Reads the whole store and tells what is wrong with it; changes nothing.',
  },
  'store/compact': {
    params: empty,
    result: z.object({ freedBytes: size, storeBytes: size }),
    right: 'admin',
    kind: 'read',
    summary: 'Gives the space of what was deleted or pruned back to the disk, while the daemon goes on.',
  },
} as const satisfies Record<string, Method>;
