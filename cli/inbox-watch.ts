// inbox --watch: follows what is asked and what is resolved, from the cursor of the list on, so that nothing is missed.
import type { Client, Delivery } from '../protocol/client.ts';
import type { Event } from '../protocol/schema.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import type { InboxPrinter } from './inbox-printer.ts';
import { onStopSignal } from './signals.ts';

/**
 * Returns after a stop signal, or when nobody reads any more. Fails as not reachable (3) when the daemon ends, as not
 * authorised (4) when the capability does.
 */
export async function watchInbox(
  context: Context,
  client: Client,
  printer: InboxPrinter,
  cursor: string,
): Promise<void> {
  const queue: Event[] = [];
  let wake = () => {};
  type End = 'stopped' | 'gone' | 'revoked';
  let end: End | undefined;
  const finish = (why: End) => {
    end ??= why;
    wake();
  };
  const undo = onStopSignal(() => finish('stopped'));
  context.out.onReaderGone(() => finish('stopped'));
  const gone = () => finish('gone');
  client.closed.then(gone, gone);
  // Printed outside of the listener, which must not await a call: each entry looks its session up.
  const listener = ({ type, params }: Delivery) => {
    if (type === 'events/ended') return finish(params.reason === 'revoked' ? 'revoked' : 'gone');
    if (type === 'events/batch') queue.push(...params.events);
    wake();
  };
  const filter = { types: ['blocker/*', 'session/deleted'] };
  try {
    await client.subscribe({ from: cursor, filter, snapshot: 'never' }, listener);
    while (end === undefined) {
      const event = queue.shift();
      if (event?.type === 'blocker/updated') await printer.tell(event.data);
      else if (event?.type === 'session/deleted') await printer.tellDeleted(event.sessionId);
      else if (!event) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (end !== undefined || queue.length > 0) resolve();
        });
      }
    }
  } catch (error) {
    if (end !== 'gone' && end !== 'revoked') throw error;
  } finally {
    undo();
  }
  // The daemon says why: revoked, or expired.
  if (end === 'revoked') await client.call('blocker/list', { limit: 1 });
  if (end === 'gone') {
    throw new CliError(exitCodes.notReachable, 'the daemon has ended', `start it again: ${context.program} start`);
  }
}
