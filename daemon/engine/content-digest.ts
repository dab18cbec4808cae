// What two sendings of one op are compared by (PROTOCOL.md 3).
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** SHA-256 of the RFC 8785 form of type and params: the same content, however its members are ordered. */
export function contentDigest({ type, params }: { type: string; params: object }): Buffer {
  // In hex: the other outputs of a hash cost a Buffer made by the runtime, more than the hash itself.
  return Buffer.from(hash('sha256', canonicalText({ params, type }), 'hex'), 'hex');
}

/**
 * The RFC 8785 form of a JSON value, which is what JSON.stringify writes once the members are in order. An object gives some names
 * in an order of their own; such a value goes the slow way, which takes twice as long.
 */
export function canonicalText(value: object): string {
  const inOrder = ordered(value);
  return inOrder === unorderable ? canonicalize(value)! : JSON.stringify(inOrder);
}

const unorderable = Symbol('unorderable');

function ordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(ordered);
    return items.includes(unorderable) ? unorderable : items;
  }
  const result: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) {
    const member = ordered((value as Record<string, unknown>)[name]);
    if (member === unorderable || keepsNoPlace(name)) return unorderable;
    result[name] = member;
  }
  return result;
}

/** Numbers come before all other members, and in their own order; __proto__ is no member at all. */
function keepsNoPlace(name: string): boolean {
  const first = name.charCodeAt(0);
  return (first >= 48 && first <= 57) || name === '__proto__';
}
