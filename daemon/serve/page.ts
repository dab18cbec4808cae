// Page tokens and page results. A token is opaque to clients: the place behind which the next page starts.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Page } from '../engine/reads.ts';
import { RawJson } from './connection.ts';

/** What stands in the tokens of a list: those of another list are refused. */
export type Place = 'index' | 'rank' | 'pair' | 'numbers' | 'text' | 'texts' | 'export';

const shapes: Record<Place, (value: unknown) => boolean> = {
  index: (value) => Number.isSafeInteger(value),
  rank: (value) => isTuple(value, 2, Number.isFinite),
  pair: (value) => isTuple(value, 2, Number.isSafeInteger),
  numbers: (value) => isTuple(value, 4, Number.isSafeInteger),
  export: (value) => isTuple(value, 3, () => true) && isExportPlace(value as unknown[]),
  text: (value) => typeof value === 'string',
  texts: (value) => isTuple(value, 2, (member) => typeof member === 'string'),
};

/** The place that a token stands for. Throws -32602 for what no page of that list gave; `fits`: what else it must be. */
export function placeOf(
  token: string | undefined,
  kind: Place,
  fits: (place: unknown) => boolean = () => true,
): string | undefined {
  if (token === undefined) return undefined;
  const place = Buffer.from(token, 'base64url').toString('utf8');
  try {
    const value: unknown = JSON.parse(place);
    if (shapes[kind](value) && fits(value)) return place;
  } catch {
    // not a place: refused below
  }
  throw new RefusedError(refuseParams('pageToken: not one that a page of this list gave', { member: 'pageToken' }));
}

const listShapes = { turns: 'pair', blockers: 'pair', artifacts: 'texts', messages: 'index' } as const;

/** In which list, behind which item of it, and the last message of the export. */
function isExportPlace([list, after, last]: unknown[]): boolean {
  const shape = new Map<unknown, Place>(Object.entries(listShapes)).get(list);
  if (!shape || typeof after !== 'string' || !Number.isSafeInteger(last)) return false;
  return shapes[shape](JSON.parse(after));
}

function isTuple(value: unknown, length: number, fits: (member: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length === length && value.every(fits);
}

/** The member of a page that leads to the next, where there is one. */
export function nextToken(place: string | undefined): { nextPageToken?: string } {
  return place === undefined ? {} : { nextPageToken: Buffer.from(place).toString('base64url') };
}

/** A page as the result of a list. `cursor`: the position that it shows. */
export function pageResult(page: Page, cursor: string): RawJson {
  const next = page.next === undefined ? '' : `,"nextPageToken":"${Buffer.from(page.next).toString('base64url')}"`;
  return new RawJson(`{"items":[${page.items.join(',')}]${next},"cursor":"${cursor}"}`);
}
