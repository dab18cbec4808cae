// A connection's requests are served one after another: what comes while one is being answered waits for its end. Node would
// begin them all, tell them of no end where their client goes, and tell the first that it has drained when another writes.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** That may wait: no browser and no library that is in use sends any. */
const maxWaiting = 16;

type Line = { waiting: number; last: Promise<void> };

/** Ends a connection on which more than a few wait. */
export function oneAtATime(listener: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, Line>();
  return (incoming, outgoing) => {
    const { socket } = incoming;
    const line = lines.get(socket) ?? { waiting: 0, last: Promise.resolve() };
    lines.set(socket, line);
    if (line.waiting >= maxWaiting) return void socket.destroy();
    line.waiting += 1;
    line.last = line.last.then(() => {
      line.waiting -= 1;
      if (socket.destroyed) return;
      listener(incoming, outgoing);
      return ended(incoming, outgoing);
    });
  };
}

function ended({ socket }: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      outgoing.off('close', settle);
      socket.off('close', settle);
      resolve();
    };
    outgoing.on('close', settle);
    socket.on('close', settle);
  });
}
