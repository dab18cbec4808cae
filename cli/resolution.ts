// The answer to what waits, or its rejection: said here, or where the session is a replica to its home (PROTOCOL.md 7).
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Op } from '../protocol/schema.ts';
import { newId } from './new-id.ts';

type Resolution = Extract<Op, { type: 'blocker/answer' | 'blocker/reject' }>;

/** `isPending`: the home has not said yet what became of it. Throws RpcError. */
export async function sendResolution(
  client: Client,
  { type, params }: Pick<Resolution, 'type' | 'params'>,
): Promise<{ duplicate: boolean; isPending: boolean }> {
  try {
    const { duplicate } = await client.call(type as 'blocker/answer', params as never);
    return { duplicate, isPending: false };
  } catch (error) {
    // Its home is elsewhere; what it says there is what a guest may do.
    if (!(error instanceof RpcError) || error.kind !== 'Forbidden' || !error.message.includes('guest/append'))
      throw error;
  }
  const op = { opId: newId('op'), type, params } as Op;
  const { rejected, duplicates, pending } = await client.call('guest/append', { ops: [op] });
  const [no] = rejected;
  if (no) throw new RpcError({ code: no.code, message: no.message, data: no.data });
  return { duplicate: duplicates.length > 0, isPending: pending === true };
}

/** What to say of one that is on its way. */
export const onItsWay = 'is sent to the home of its session, which has not said yet that it has it';
