// Page tokens and page results. A token is opaque to clients: the place behind which the next page starts.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Page } from '../engine/reads.ts';
import { RawJson } from './connection.ts';

const shape = /^(\d{1,16}|\[.{1,1200}\])$/s;

/** The place that a token stands for. Throws -32602 for what no page gave. */
export function placeOf(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const place = Buffer.from(token, 'base64url').toString('utf8');
  try {
    if (shape.test(place) && JSON.parse(place) !== null) return place;
  } catch {
    // not a place: refused below
  }
  throw new RefusedError(refuseParams('pageToken: not one that a page gave', { member: 'pageToken' }));
}

/** A page as the result of a list. `cursor`: the position that it shows. */
export function pageResult(page: Page, cursor: string): RawJson {
  const next = page.next === undefined ? '' : `,"nextPageToken":"${Buffer.from(page.next).toString('base64url')}"`;
  return new RawJson(`{"items":[${page.items.join(',')}]${next},"cursor":"${cursor}"}`);
}
