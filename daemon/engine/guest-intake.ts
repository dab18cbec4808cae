// What guests did at the host of a share, taken home (PROTOCOL.md 7): each op is applied here with the guest as actor, by what
// the share allows and nothing else, whatever the host says. It is applied once however often it comes; then the host is told.
import { RefusedError, toRejection } from '../../protocol/errors.ts';
import type { GuestResult } from '../../protocol/outbox.ts';
import { GuestOp } from '../../protocol/outbox.ts';
import type { ShareHost } from '../adapters/adapter.ts';
import { HostError } from '../adapters/adapter.ts';
import type { Backoff } from '../core/outbox.ts';
import { retryDelayMs } from '../core/outbox.ts';
import type { Capabilities } from './capabilities.ts';
import type { Author } from './op-applier.ts';
import type { Runtime } from './runtime.ts';
import { within } from './within.ts';
import type { Writer } from './writer.ts';

export type GuestIntakeDeps = {
  writer: Pick<Writer, 'append'>;
  capabilities: Pick<Capabilities, 'actWith' | 'isKnown'>;
  runtime: Runtime;
  backoff: Backoff;
  storeId: string;
};

export type GuestsOf = { shareId: string; capabilityId: string };

/** How long the host is asked to wait for the first, ms. */
const waitMs = 25_000;
/** And how long it may take to answer. */
const answerMs = 40_000;

/** Takes ops home until the signal fires, or the host refuses for good; what went wrong in between is tried again. */
export async function takeGuestsHome(
  deps: GuestIntakeDeps,
  host: ShareHost,
  of: GuestsOf,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, backoff, storeId } = deps;
  /** Answers one after another that came at once and brought nothing new: a host that waits for nobody. */
  let idle = 0;
  for (let attempts = 0; !signal.aborted; ) {
    try {
      const begin = runtime.monotonic();
      const asked = await within(runtime, answerMs, signal, (either) => host.takeGuestOps(storeId, waitMs, either));
      const results: GuestResult[] = [];
      for (const given of asked) {
        const result = await applied(deps, of, given);
        if (result) results.push(result);
      }
      const isNew = results.some(({ duplicate }) => !duplicate);
      idle = isNew || runtime.monotonic() - begin > waitMs / 2 ? 0 : idle + 1;
      if (results.length > 0)
        await within(runtime, answerMs, signal, (either) => host.ackGuestOps(storeId, results, either));
      attempts = 0;
      if (idle > 1)
        await runtime.sleep(retryDelayMs(idle, backoff, runtime.random(), backoff.baseMs), signal).catch(() => {});
    } catch (error) {
      if (signal.aborted) return;
      const isHosts = error instanceof HostError;
      if (!isHosts && !(error instanceof RefusedError)) throw error;
      attempts += 1;
      // It may come to know the token again: somebody resumes the sink then, and others wait long between two tries.
      const refusedMs = isHosts && error.refused ? backoff.maxMs : undefined;
      const delay = retryDelayMs(
        attempts,
        backoff,
        runtime.random(),
        refusedMs ?? (isHosts ? error.atLeastMs : undefined),
      );
      await runtime.sleep(delay, signal).catch(() => {});
    }
  }
}

/** What became of it; undefined for what is not understood, of which nothing can be told. Rejects where the disk is full. */
async function applied(
  { writer, capabilities }: GuestIntakeDeps,
  { shareId, capabilityId }: GuestsOf,
  given: unknown,
): Promise<GuestResult | undefined> {
  const parsed = GuestOp.safeParse(given);
  if (!parsed.success) return undefined;
  const { guestOpId, op, actorId, principal } = parsed.data;
  try {
    const grant = capabilities.actWith(capabilityId);
    const author: Author = {
      // Apart for each guest: what one sends is no duplicate of what another sends.
      principal: `${capabilityId}/${principal}`,
      actorId: actorOf(shareId, actorId, (id) => capabilities.isKnown(id)),
      grant,
    };
    // The home's epochs are none of a guest's, and what an op depends on is looked up among that guest's.
    const { capabilityEpoch: _, ...own } = op;
    const { applied: done, duplicates, rejected } = await writer.append(author, [own as typeof op]);
    const [first] = done;
    const [again] = duplicates;
    const [no] = rejected;
    return {
      guestOpId,
      ...(first && { applied: first }),
      ...(again && { duplicate: again }),
      ...(no && { rejected: no }),
    };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    if (['StoreUnavailable', 'ShuttingDown', 'Overloaded'].includes(error.refusal.refused)) throw error;
    return { guestOpId, rejected: toRejection(op.opId, error.refusal) };
  }
}

/**
 * Who did it, as the host names them: a capability of the host's and a connection. Not what would be taken for somebody here:
 * a host that says so is not believed.
 */
function actorOf(shareId: string, actorId: string, isKnown: (id: string) => boolean): string {
  const [, capabilityId] = /^(cap_[A-Za-z0-9_-]{1,64})\/c\d{1,15}$/.exec(actorId) ?? [];
  return capabilityId !== undefined && !isKnown(capabilityId) ? actorId : `${shareId}/${actorId.slice(0, 100)}`;
}
