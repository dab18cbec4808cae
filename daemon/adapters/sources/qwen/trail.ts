// The latest records of the active branch, in order, so that a rewind is known by what it takes back: its record hangs on the
// one that it goes back to, and what stands between the two is no part of the session any more. Bounded: a rewind to one
// that was forgotten takes back all that are remembered, since it stood before them.
import { type Fields, findText } from '../../kit/json.ts';

/** `message`: null for a record that is none. */
type Step = [uuid: string, message: { name: string; type: string; metadata: Fields } | null];
export type Trail = Step[];

const maxSteps = 200;
const maxUuidUnits = 100;
const maxMetadataUnits = 300;

/** The trail with this record behind it. One that is there keeps its place. */
export function follow(trail: Trail, uuid: string, message: Step[1]): Trail {
  const isLong = uuid.length > maxUuidUnits || JSON.stringify(message?.metadata ?? {}).length > maxMetadataUnits;
  if (isLong || trail.some(([known, held]) => known === uuid && held?.type === message?.type)) return trail;
  return [...trail.slice(1 - maxSteps), [uuid, message]];
}

/** What a rewind with this line leaves, and the messages that it takes back. */
export function rewind(trail: Trail, line: Fields): { left: Trail; taken: NonNullable<Step[1]>[] } {
  const parent = findText(line, 'parentUuid');
  const place = trail.findLastIndex(([uuid]) => uuid === parent);
  // A parent that was never there tells nothing.
  if (place < 0 && line.parentUuid !== null && trail.length < maxSteps) return { left: trail, taken: [] };
  return { left: trail.slice(0, place + 1), taken: trail.slice(place + 1).flatMap(([, message]) => message ?? []) };
}
