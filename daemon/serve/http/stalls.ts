/** Whether a reader takes anything of what waits for it, by looking again and again. */
export class Stalls {
  #waiting = 0;
  #count = 0;

  /** Looks at how many bytes wait; true when it was as many for `most` times. */
  isOver(waiting: number, most: number): boolean {
    this.#count = waiting > 0 && waiting === this.#waiting ? this.#count + 1 : 0;
    this.#waiting = waiting;
    return this.#count >= most;
  }
}
