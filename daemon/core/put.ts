// What the puts have in common: an omitted field keeps its value, null clears it, and what changes nothing is no event.
import { isDeepStrictEqual } from 'node:util';
import { schemaVersion } from '../../protocol/schema.ts';
import type { Context } from './decide.ts';

export function written(context: Context): { actorId: string; schemaVersion: number } {
  return { actorId: context.actorId, schemaVersion };
}

/** When it happened at its source, else now. */
export function happenedAt(context: Context): number {
  return context.occurredAt ?? context.now;
}

/** `given` when it was given (null included), else what is held. */
export function keep<T>(given: T | undefined, held: T): T {
  return given === undefined ? held : given;
}

/** Whether two records say the same, whoever wrote them and in whatever order their members stand. */
export function sameContent<T extends object>(a: T, b: T): boolean {
  const [one, other] = [a, b].map((record) => JSON.stringify({ ...record, ...unattributed })) as [string, string];
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
}
const unattributed = { actorId: '', schemaVersion: 0, updatedAt: 0, version: 0 };
