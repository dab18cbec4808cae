import type { Handlers } from './rpc.ts';

export function outboxHandlers(): Pick<
  Handlers,
  Extract<keyof Handlers, `sink/${string}` | `outbox/${string}` | `share/${string}`>
> {
  return {
    'sink/add': () => {
      throw new Error('not there yet');
    },
    'sink/list': () => {
      throw new Error('not there yet');
    },
    'sink/remove': () => {
      throw new Error('not there yet');
    },
    'sink/pause': () => {
      throw new Error('not there yet');
    },
    'sink/resume': () => {
      throw new Error('not there yet');
    },
    'outbox/list': () => {
      throw new Error('not there yet');
    },
    'outbox/retry': () => {
      throw new Error('not there yet');
    },
    'outbox/discard': () => {
      throw new Error('not there yet');
    },
    'share/create': () => {
      throw new Error('not there yet');
    },
    'share/list': () => {
      throw new Error('not there yet');
    },
    'share/revoke': () => {
      throw new Error('not there yet');
    },
    'share/preview': () => {
      throw new Error('not there yet');
    },
  };
}
