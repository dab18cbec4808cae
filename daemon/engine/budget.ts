// What all sources together may hold of their files at once, in bytes: four lines of 60 MB that were read at the same time
// took 1.1 GB; one after another they take half of that, as one of them does alone.

/** Gives back what was taken; a second call does nothing. */
export type Release = () => void;

export class Budget {
  readonly #total: number;
  #free: number;
  readonly #afterLarge: () => void;
  readonly #waiting: { bytes: number; start: (release: Release) => void }[] = [];

  /** `afterLarge`: called when what took all there is was given back, before anything else is held. */
  constructor(bytes: number, afterLarge: () => void = () => {}) {
    this.#total = bytes;
    this.#free = bytes;
    this.#afterLarge = afterLarge;
  }

  /**
   * Resolves when so much may be held, in the order of asking. More than all there is may be held alone. Whoever waits here
   * must hold nothing, or two could wait for each other.
   */
  take(bytes: number): Promise<Release> {
    return new Promise((start) => {
      this.#waiting.push({ bytes: Math.min(bytes, this.#total), start });
      this.#startNext();
    });
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next && next.bytes <= this.#free; next = this.#waiting[0]) {
      const { bytes, start } = next;
      this.#waiting.shift();
      this.#free -= bytes;
      let isHeld = true;
      start(() => {
        if (!isHeld) return;
        isHeld = false;
        this.#free += bytes;
        if (bytes === this.#total) this.#afterLarge();
        this.#startNext();
      });
    }
  }
}

/** What one reader holds: each time it asks anew, what it held before is given back first. */
export class Holding {
  readonly #budget: Budget;
  #release: Release = () => {};

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  async exchange(bytes: number): Promise<void> {
    this.#release();
    this.#release = await this.#budget.take(bytes);
  }

  end(): void {
    this.#release();
  }
}
