// replica/append and guest/*: what other stores send of their sessions, and what guests of these hand back to them.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Guests } from '../engine/guests.ts';
import type { Replicas } from '../engine/replicas.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { Limits } from './limits.ts';
import { RawJson } from './message.ts';
import type { Handlers } from './rpc.ts';
import { ringOrTimeout } from './wait.ts';

type ReplicaHandlers = Pick<Handlers, Extract<keyof Handlers, `replica/${string}` | `guest/${string}`>>;

export type ReplicaDeps = { replicas: Replicas; guests: Guests; runtime: Runtime; limits: Limits };

export function replicaHandlers({ replicas, guests, runtime, limits }: ReplicaDeps): ReplicaHandlers {
  return {
    'replica/append': (batch, { author }) => replicas.append(author, batch),

    // All of it in call.wait: where too many wait already, nothing is kept.
    'guest/append': ({ ops }, { author, peer, signal }, call) =>
      call.wait(async () => {
        const kept = await peer.mutating(() => guests.keep(author, ops), false);
        const sessions = new Set(kept.flatMap((each) => ('session' in each ? each.session : [])));
        const onNews = (wake: () => void) => {
          const cancels = [...sessions].map((session) => guests.news.onRing(session, wake));
          return () => {
            for (const cancel of cancels) cancel();
          };
        };
        const until = runtime.monotonic() + limits.guestWaitMs;
        for (;;) {
          const { result, isSettled } = guests.standing(kept);
          if (isSettled) return result;
          const left = until - runtime.monotonic();
          if (left <= 0 || signal.aborted) return { ...result, pending: true };
          await ringOrTimeout(onNews, runtime, left, signal);
        }
      }),

    'guest/take': ({ origin, limit = 100, waitMs = 0 }, { author, signal }, call) => {
      const until = runtime.monotonic() + waitMs;
      /** The answer, or undefined while there is reason and time to wait. */
      const read = (): RawJson | undefined => {
        const items = guests.take(author, origin, limit, limits.maxBatchBytes);
        const isWorthWaiting = items.length === 0 && runtime.monotonic() < until && !signal.aborted;
        return isWorthWaiting ? undefined : new RawJson(`{"items":[${items.join(',')}]}`);
      };
      const readOn = async () => {
        for (;;) {
          const onArrival = (wake: () => void) => guests.arrivals.onRing(origin, wake);
          await call.wait(() => ringOrTimeout(onArrival, runtime, until - runtime.monotonic(), signal));
          const answer = await call.inTurn(read);
          if (answer) return answer;
        }
      };
      return read() ?? readOn();
    },

    'guest/ack': async ({ origin, results }, { author }) => {
      const isOne = (given: object) => Object.values(given).filter((each) => each !== undefined).length === 2;
      const wrong = results.findIndex((result) => !isOne(result));
      if (wrong >= 0) {
        const message = `results.${wrong}: one of applied, duplicate and rejected`;
        throw new RefusedError(refuseParams(message, { member: `results.${wrong}` }));
      }
      await guests.settle(author, origin, results);
      return {};
    },
  };
}
