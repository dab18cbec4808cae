// Page tokens and page results. A token is opaque to clients: the place behind which the next page starts.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Page } from '../engine/reads.ts';
import { RawJson } from './connection.ts';

/** What stands in the tokens of a list: those of another list are refused. */
export type Place = 'index' | 'pair' | 'numbers' | 'texts' | 'export';

const shapes: Record<Place, (value: unknown) => boolean> = {
  index: (value) => Number.isSafeInteger(value),
  pair: (value) => isTuple(value, 2, Number.isSafeInteger),
  numbers: (value) => isTuple(value, 4, Number.isSafeInteger),
  export: (value) => {
    return Array.isArray(value) && value.length === 2 && Number.isSafeInteger(value[0]) && typeof value[1] === 'string';
  },
  texts: (value) => isTuple(value, 2, (member) => typeof member === 'string'),
};

/** The place that a token stands for. Throws -32602 for what no page of that list gave. */
export function placeOf(token: string | undefined, kind: Place): string | undefined {
  if (token === undefined) return undefined;
  const place = Buffer.from(token, 'base64url').toString('utf8');
  try {
    if (shapes[kind](JSON.parse(place))) return place;
  } catch {
    // not a place: refused below
  }
  throw new RefusedError(refuseParams('pageToken: not one that a page of this list gave', { member: 'pageToken' }));
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
