// How much of the journal is kept (PROTOCOL.md 5, "Retention"). It is cut from its beginning, never in the middle.

export type RetentionRule = {
  maxEvents: number;
  maxAgeMs: number;
  /** So many of the newest events are kept for those who asked for them by name and have not acknowledged them. */
  maxLagEvents: number;
};

export type JournalExtent = {
  /** The seq before the oldest event that is there. */
  floor: number;
  head: number;
  /** The newest seq that is too old to be kept. */
  aged: number;
};

/** The seq up to which events go. `acknowledged`: how far each who asked by name has come. */
export function floorFor({ floor, head, aged }: JournalExtent, acknowledged: number[], rule: RetentionRule): number {
  const wanted = Math.max(head - rule.maxEvents, aged);
  const held = Math.max(Math.min(...acknowledged, head), head - rule.maxLagEvents);
  return Math.max(floor, Math.min(wanted, held));
}
