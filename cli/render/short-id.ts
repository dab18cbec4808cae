// Ids in short, so that `show` takes what `ls` printed.

const leastLength = 12;

/** How much of an id is as good as unique: of 128 bits of a hash 48, of an id that begins with its time that and 18 bits. */
const knownForms: [RegExp, number][] = [
  [/^(ses|blk)_[A-Za-z0-9_-]{22}$/, leastLength],
  [/^(ses|blk|bat)_[0-9a-z]{9}[A-Za-z0-9_-]{16}$/, 16],
];

/** One id without knowing the others: short where that is as good as unique, else whole. */
export function shortId(id: string): string {
  const known = knownForms.find(([form]) => form.test(id));
  return known ? id.slice(0, known[1]) : id;
}

/**
 * For each id a start of it, at least twelve characters, that no other id has. `complete`: these are all ids there are;
 * otherwise the starts are those of shortId at least, for what was not listed may begin alike.
 */
export function shortIds(ids: string[], complete: boolean): Map<string, string> {
  const sorted = [...ids].sort();
  const shortened = new Map<string, string>();
  for (const [at, id] of sorted.entries()) {
    const shared = Math.max(sharedLength(id, sorted[at - 1]), sharedLength(id, sorted[at + 1]));
    const least = complete ? leastLength : shortId(id).length;
    shortened.set(id, id.slice(0, Math.max(shared + 1, least)));
  }
  return shortened;
}

function sharedLength(a: string, b: string | undefined): number {
  let length = 0;
  while (b !== undefined && length < a.length && a[length] === b[length]) length += 1;
  return length;
}
