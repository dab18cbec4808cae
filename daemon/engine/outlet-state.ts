// What is written down of one sink, in memory as it is on disk.
import type { OutboxRows, SinkRow } from '../store/outbox-rows.ts';
import type { OnRollback, Writer } from './writer.ts';

export type OutletStateDeps = { rows: OutboxRows; writer: Pick<Writer, 'write'> };

export class OutletState {
  readonly row: SinkRow;
  readonly #deps: OutletStateDeps;

  constructor(deps: OutletStateDeps, row: SinkRow) {
    this.#deps = deps;
    this.row = row;
  }

  /** Changes its state from outside. `revive`: what waits is sent now. Rejects with RefusedError when it cannot be written. */
  async change(
    patch: Partial<Pick<SinkRow, 'state' | 'token' | 'held' | 'lastError'>>,
    revive: boolean,
  ): Promise<void> {
    const { rows, writer } = this.#deps;
    await writer.write((onRollback) => {
      this.#patch(patch, onRollback);
      if (revive) {
        rows.revive(this.row.name);
        rows.reviveLarge(this.row.name);
      }
    });
  }

  /** Writes with what `work` writes. Rejects with RefusedError where the disk is full. What was paused meanwhile stays so. */
  async save({ state, ...patch }: Partial<SinkRow>, work: () => void = () => {}): Promise<void> {
    await this.#deps.writer.write((onRollback) => {
      work();
      const isHalted = state === undefined || this.row.state === 'paused';
      this.#patch(isHalted ? patch : { ...patch, state }, onRollback);
    });
  }

  /** Memory and disk together, in the order of the writes: else of two at a time the later could be overruled. */
  #patch(patch: Partial<SinkRow>, onRollback: OnRollback): void {
    const before = { ...this.row };
    onRollback(() => Object.assign(this.row, before));
    Object.assign(this.row, patch);
    this.#deps.rows.setSink(this.row);
  }
}
