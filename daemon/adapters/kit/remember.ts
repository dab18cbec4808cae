// A bounded map: what a source remembers between two reads is stored with every position, so that it must stay small.

/** Sets the entry and makes it the newest; forgets the oldest beyond `max`. */
export function rememberIn<K, V>(entries: Map<K, V>, key: K, value: V, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > max) entries.delete(entries.keys().next().value as K);
}
