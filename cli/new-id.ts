// Ids that the command line makes itself, so that what it sends can be sent again.
import { randomBytes } from 'node:crypto';

/** A new id of this kind, `blk_…`: 128 random bits. */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(16).toString('base64url')}`;
}
