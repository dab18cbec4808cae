// What a checker says of a history: what is wrong in it, and how often what happened in it.
export class Findings {
  readonly problems: string[] = [];
  readonly counts = new Map<string, number>();

  /** Something that must never be. */
  wrong(what: string): void {
    this.problems.push(what);
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }
}
