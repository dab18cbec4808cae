import type { Handlers } from './rpc.ts';

export function replicaHandlers(): Pick<Handlers, Extract<keyof Handlers, `replica/${string}` | `guest/${string}`>> {
  return {
    'replica/append': () => {
      throw new Error('not there yet');
    },
    'guest/append': () => {
      throw new Error('not there yet');
    },
    'guest/take': () => {
      throw new Error('not there yet');
    },
    'guest/ack': () => {
      throw new Error('not there yet');
    },
  };
}
