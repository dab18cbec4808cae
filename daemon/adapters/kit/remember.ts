// What a source remembers between two reads is stored with every position, so that it must stay small, whatever a file
// holds: few entries, and none of them long.
import { hash } from 'node:crypto';

const maxIdUnits = 100;

/** Sets the entry and makes it the newest; forgets the oldest beyond `max`. Long keys go in as `shortId` of themselves. */
export function rememberIn<K, V>(entries: Map<K, V>, key: K, value: V, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > max) entries.delete(entries.keys().next().value as K);
}

/** An id as it is remembered and asked for again: as it is, or by its hash when it is longer than ids are. */
export const shortId = (id: string) => (id.length <= maxIdUnits ? id : hash('sha256', id, 'base64url'));
