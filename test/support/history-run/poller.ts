// A reader without a subscription: events/read, again and again, from the cursor that the page before it gave.
import type { WireDialect } from '../wire.ts';
import type { Filter, Read } from './history.ts';
import type { Stage } from './stage.ts';
import { boundsOf, seqOf } from './stage.ts';

export type PollerPlan = { who: string; dialect: WireDialect; filter?: Filter; limit: number; waitMs: number };

export class RunPoller {
  readonly #stage: Stage;
  readonly #plan: PollerPlan;

  constructor(stage: Stage, plan: PollerPlan) {
    this.#stage = stage;
    this.#plan = plan;
  }

  /** Resolves when it has all that was written. */
  async run(): Promise<void> {
    const { who, dialect, filter, limit, waitMs } = this.#plan;
    let after: string | undefined;
    for (;;) {
      const line = await this.#stage.connect(dialect, () => {});
      const { life } = this.#stage;
      for (;;) {
        const before = await boundsOf(line);
        if (!before) break;
        after ??= before.earliest;
        const isLast = this.#stage.isOver && seqOf(before.head) <= seqOf(after);
        if (isLast) {
          line.close();
          return;
        }
        const params = { after, limit, ...(filter ? { filter } : {}), waitMs: this.#stage.isOver ? 0 : waitMs };
        const reply = await line.call('events/read', params);
        if (!reply) break;
        const read: Read = { who, life, params, before };
        this.#stage.history.reads.push(read);
        if (reply.error?.data?.kind === 'ShuttingDown') break;
        if (reply.error) {
          read.error = reply.error;
          after = undefined;
          continue;
        }
        read.answer = reply.result;
        after = reply.result.cursor as string;
        this.#stage.told(seqOf(after));
      }
      await this.#stage.until('the connection to end', () => line.isClosed);
    }
  }
}
