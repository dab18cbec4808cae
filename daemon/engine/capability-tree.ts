// Which capability was made out of which (PROTOCOL.md 6), and how many and how large they may be: all of them are in memory, and
// one that the owner gave must not become so many that there is no room for others.
import type { Capability } from '../../protocol/capability.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { CapabilityRow } from '../store/capability-rows.ts';

/** `Units`: UTF-16 units of the text of scopes. `Below`: of one that the owner made, with all that came of it. */
export type CapabilityLimits = {
  maxCapabilities: number;
  maxScopeUnits: number;
  /** That came of it, without itself. */
  maxBelow: number;
  maxBelowScopeUnits: number;
  /** How long one is kept at least, ms, when it is over and who holds another of the same origin wants its place. */
  overMs: number;
};

export const defaultCapabilityLimits: CapabilityLimits = {
  maxCapabilities: 10_000,
  maxScopeUnits: 64 * 1024 * 1024,
  maxBelow: 1_000,
  maxBelowScopeUnits: 4 * 1024 * 1024,
  overMs: 3600_000,
};

/** `within`: of what came of that one, and of the text of its own scope too; undefined: of all. */
type Bound = { within: string | undefined; count: number; units: number; message: string; what: string };

export class CapabilityTree {
  readonly #limits: CapabilityLimits;
  readonly #held = new Map<string, CapabilityRow>();
  readonly #children = new Map<string, Set<CapabilityRow>>();
  #units = 0;

  constructor(limits: CapabilityLimits) {
    this.#limits = limits;
  }

  find(id: string): CapabilityRow | undefined {
    return this.#held.get(id);
  }

  all(): Iterable<CapabilityRow> {
    return this.#held.values();
  }

  add(row: CapabilityRow): void {
    const { capability } = row;
    const { id, parentId } = capability;
    const parent = parentId === null ? undefined : this.#held.get(parentId)?.capability;
    // Held once for a thousand that see the same.
    if (parent && isSame(parent.sessions, capability.sessions)) capability.sessions = parent.sessions;
    this.#held.set(id, row);
    this.#units += row.scopeUnits;
    if (parentId === null) return;
    const siblings = this.#children.get(parentId);
    if (siblings) siblings.add(row);
    else this.#children.set(parentId, new Set([row]));
  }

  delete(row: CapabilityRow): void {
    const { id, parentId } = row.capability;
    this.#held.delete(id);
    this.#units -= row.scopeUnits;
    if (parentId === null) return;
    const siblings = this.#children.get(parentId)!;
    siblings.delete(row);
    if (siblings.size === 0) this.#children.delete(parentId);
  }

  /** Whether something that was made out of it is still there. */
  hasChildren(id: string): boolean {
    return this.#children.has(id);
  }

  /** The one of that id and all that came of it, each before what was made out of it; nothing below one that is not `isIn`. */
  under(id: string, isIn: (row: CapabilityRow) => boolean = () => true): CapabilityRow[] {
    const row = this.#held.get(id);
    const found = row && isIn(row) ? [row] : [];
    for (let at = 0; at < found.length; at += 1) {
      for (const child of this.#children.get(found[at]!.capability.id) ?? []) if (isIn(child)) found.push(child);
    }
    return found;
  }

  /** The one of that id, what it was made out of, and so on to the one that the owner made. */
  *above(id: string): Generator<CapabilityRow> {
    for (let row = this.#held.get(id); row; row = this.#held.get(row.capability.parentId ?? '')) yield row;
  }

  isUnder(id: string, ancestor: string): boolean {
    for (const { capability } of this.above(id)) if (capability.id === ancestor) return true;
    return false;
  }

  /** The one that the owner made, of which that of `id` came; `id` itself where it is not known. */
  rootOf(id: string): string {
    return [...this.above(id)].at(-1)?.capability.id ?? id;
  }

  depthOf(id: string): number {
    return [...this.above(id)].length;
  }

  /**
   * Makes room for one more: where a bound is reached, those that are over go by way of `forget`, the longest over first and none
   * before what came of it. `endOf`: since when one is over, ms; Infinity: not yet. Throws LimitExceeded where that is not enough.
   */
  makeRoom(
    { capability: { parentId }, scopeUnits }: CapabilityRow,
    now: number,
    endOf: (capability: Capability) => number,
    forget: (row: CapabilityRow) => void,
  ): void {
    // What the owner gives has the place of anything that is over.
    const before = parentId === null ? Number.POSITIVE_INFINITY : now - this.#limits.overMs;
    for (const bound of this.#boundsFor(parentId)) {
      const extent = this.#extentOf(bound.within);
      // `part`: where room is made, a hundredth of it more, so that not each one that is made has to look through all.
      const fits = (part: number) =>
        extent.count < bound.count - Math.floor(bound.count * part) &&
        extent.units + scopeUnits <= bound.units * (1 - part);
      if (fits(0)) continue;
      for (const row of this.overBefore(before, endOf, bound.within)) {
        if (fits(0.01)) break;
        if (this.hasChildren(row.capability.id)) continue;
        forget(row);
        extent.count -= 1;
        extent.units -= row.scopeUnits;
      }
      if (fits(0)) continue;
      const [limit, what] =
        extent.count < bound.count
          ? [bound.units, `the text of the scopes of ${bound.what}`]
          : [bound.count, bound.what];
      throw new RefusedError(refuse('LimitExceeded', bound.message, { limit, what }));
    }
  }

  /** Those that were over before `time`, the longest first and each behind what came of it. */
  overBefore(time: number, endOf: (capability: Capability) => number, within?: string): CapabilityRow[] {
    const found: { row: CapabilityRow; end: number; depth: number }[] = [];
    for (const row of within === undefined ? this.all() : this.under(within)) {
      const end = endOf(row.capability);
      if (end < time && end < Number.POSITIVE_INFINITY)
        found.push({ row, end, depth: this.depthOf(row.capability.id) });
    }
    return found.sort((a, b) => a.end - b.end || b.depth - a.depth).map(({ row }) => row);
  }

  /** That of the one which it comes of first: who is bound there takes nobody's place elsewhere. */
  #boundsFor(parentId: string | null): Bound[] {
    const { maxCapabilities, maxScopeUnits, maxBelow, maxBelowScopeUnits } = this.#limits;
    const all: Bound = {
      ...{ within: undefined, count: maxCapabilities, units: maxScopeUnits, what: 'capabilities' },
      message: 'there are too many capabilities: they go when they are over; revoke some',
    };
    if (parentId === null) return [all];
    const below: Bound = {
      ...{ within: this.rootOf(parentId), count: maxBelow, units: maxBelowScopeUnits },
      what: 'capabilities that come of one',
      message:
        'too much came of one capability: what is over goes after a while; ask for another that is not made out of it',
    };
    return [below, all];
  }

  #extentOf(within: string | undefined): { count: number; units: number } {
    if (within === undefined) return { count: this.#held.size, units: this.#units };
    const extent = { count: -1, units: 0 };
    for (const { scopeUnits } of this.under(within)) {
      extent.count += 1;
      extent.units += scopeUnits;
    }
    return extent;
  }
}

function isSame(a: Capability['sessions'], b: Capability['sessions']): boolean {
  return a !== '*' && b !== '*' && a.length === b.length && a.every((id, at) => id === b[at]);
}
