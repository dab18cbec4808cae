// A reader that leaves its connection unread for a while, until retention may have passed it.
import type { Stage } from './stage.ts';

/** How long it waits for retention at most: others may write faster than it is cut. */
const cutMs = 1_500;

export type Unread = { readonly isClosed: boolean; stall(): void; resume(): void };

/** Reads nothing until the others have gone on, and the journal is cut where it is cut at all. */
export async function leaveUnread(stage: Stage, reader: Unread): Promise<void> {
  reader.stall();
  const { progress } = stage;
  const isOver = () => reader.isClosed || stage.isOver || stage.progress >= progress + 0.6;
  await stage.whileWritten('the others to go on', isOver);
  const { retention, maxEvents = 0 } = stage.history.plan;
  if (retention === 'smallest' || retention === 'small') await untilCut(stage, 2 * maxEvents + 20);
  reader.resume();
}

/** Until retention has cut the journal down to so many events, or for a while. */
async function untilCut(stage: Stage, events: number): Promise<void> {
  const from = Date.now();
  const watch = await stage.connect('line', () => {});
  while (!watch.isClosed && Date.now() - from < cutMs) {
    const status = await watch.call('daemon/status', {});
    if (!status || status.result.events <= events) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  watch.close();
}
