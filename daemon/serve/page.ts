// Page tokens and page results. A token is opaque to clients: the place behind which the next page starts. It tells how many
// rows there are before that, of all sessions: so for who acts with a capability it is encrypted.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Grant } from '../engine/grant.ts';
import type { Page } from '../engine/reads.ts';
import type { Caller } from './caller.ts';
import { RawJson } from './message.ts';

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

const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
/** Places are of a length that is a multiple of it: how many digits a number has tells of it too. */
const blockBytes = 64;

/** Whose token it is: one of a capability is read by nobody else. */
type Reader = Pick<Caller, 'grant'>;

export class Pages {
  readonly #secret: Buffer;

  /** `secret`: 32 bytes, always the same for a store. */
  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** The place that a token stands for. Throws -32602 for what no page of that list gave; `fits`: what else it must be. */
  placeOf(
    { grant }: Reader,
    token: string | undefined,
    kind: Place,
    fits: (place: unknown) => boolean = () => true,
  ): string | undefined {
    if (token === undefined) return undefined;
    try {
      const bytes = Buffer.from(token, 'base64url');
      const place = (grant ? this.#opened(grant, bytes) : bytes).toString('utf8');
      const value: unknown = JSON.parse(place);
      if (shapes[kind](value) && fits(value)) return place;
    } catch {
      // not a place: refused below
    }
    throw new RefusedError(refuseParams('pageToken: not one that a page of this list gave', { member: 'pageToken' }));
  }

  /** The member of a page that leads to the next, where there is one. */
  next({ grant }: Reader, place: string | undefined): { nextPageToken?: string } {
    if (place === undefined) return {};
    const bytes = Buffer.from(place);
    return { nextPageToken: (grant ? this.#sealed(grant, bytes) : bytes).toString('base64url') };
  }

  /** A page as the result of a list. `cursor`: the position that it shows. */
  result(reader: Reader, page: Page, cursor: string): RawJson {
    const { nextPageToken } = this.next(reader, page.next);
    const next = nextPageToken === undefined ? '' : `,"nextPageToken":"${nextPageToken}"`;
    return new RawJson(`{"items":[${page.items.join(',')}]${next},"cursor":"${cursor}"}`);
  }

  #sealed({ capability }: Grant, place: Buffer): Buffer {
    const iv = randomBytes(ivBytes);
    const sealing = createCipheriv(cipher, this.#secret, iv, { authTagLength: tagBytes });
    sealing.setAAD(Buffer.from(capability.id));
    // JSON takes blanks behind it.
    const padded = Buffer.alloc(Math.ceil(place.length / blockBytes) * blockBytes, ' ');
    place.copy(padded);
    return Buffer.concat([iv, sealing.update(padded), sealing.final(), sealing.getAuthTag()]);
  }

  /** Throws for what was not sealed for this capability. */
  #opened({ capability }: Grant, bytes: Buffer): Buffer {
    const opening = createDecipheriv(cipher, this.#secret, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
    opening.setAAD(Buffer.from(capability.id));
    opening.setAuthTag(bytes.subarray(-tagBytes));
    return Buffer.concat([opening.update(bytes.subarray(ivBytes, -tagBytes)), opening.final()]);
  }
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
