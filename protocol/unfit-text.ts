// What no value may hold that comes from outside, whichever way it comes in.

/** Deeper than any record of ours; recursive code downstream has a stack to overflow. */
export const maxDepth = 500;

/**
 * What makes a value unfit: lone surrogates cannot be stored as UTF-8, a member named __proto__ means different things
 * to different parsers, and what nests too deep overflows them.
 */
export function unfitText(value: unknown): string | undefined {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: found, depth } = next;
    if (typeof found === 'string' && !found.isWellFormed()) return 'a string holds a lone surrogate, which is not text';
    if (found === Number.POSITIVE_INFINITY || found === Number.NEGATIVE_INFINITY) return 'a number is too large';
    if (typeof found !== 'object' || found === null) continue;
    if (depth > maxDepth) return `values may nest ${maxDepth} levels deep`;
    for (const [name, member] of Object.entries(found)) {
      if (name === '__proto__') return 'a member may not be named __proto__';
      if (!name.isWellFormed()) return 'a member name holds a lone surrogate, which is not text';
      open.push({ value: member, depth: depth + 1 });
    }
  }
  return undefined;
}
