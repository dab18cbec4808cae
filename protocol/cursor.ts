// A cursor on the wire: `<storeId>.<seq>.<tag>`, a position in one store's journal, always "the last seen" (PROTOCOL.md 2).

/** `tag` belongs to the event at `seq` and is verified on resume; it is what finds a store that was put back by hand. */
export type Cursor = { storeId: string; seq: number; tag: string };

const shape = /^([A-Za-z0-9]{1,64})\.(0|[1-9][0-9]{0,30})\.([A-Za-z0-9]{1,16})$/;

export function formatCursor(cursor: Cursor): string {
  return `${cursor.storeId}.${cursor.seq}.${cursor.tag}`;
}

/** Returns undefined for what is no cursor at all; whether it can be resumed from is for the store to say. */
export function parseCursor(text: string): Cursor | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  // Past what a number holds exactly every seq is in the future all the same.
  return { storeId: match[1]!, seq: Math.min(Number(match[2]), Number.MAX_SAFE_INTEGER), tag: match[3]! };
}

/**
 * Whether `cursor` shows a later state than `than`; undefined where that cannot be said: they are of two stores, or one is no
 * cursor. A reply may be older than what a subscription has told meanwhile: who keeps what replies show lets only a newer one
 * overwrite it (P27).
 */
export function isNewer(cursor: string, than: string): boolean | undefined {
  const [a, b] = [parseCursor(cursor), parseCursor(than)];
  return a && b && a.storeId === b.storeId ? a.seq > b.seq : undefined;
}
