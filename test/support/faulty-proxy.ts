// Between a home and its host: a TCP proxy that does what networks do. Its port stays while what is behind it comes and goes.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { afterTest } from './daemon.ts';

/**
 * What is done with what comes. `pass`. `refuse`: the connection is closed at once. `cutRequest`: the other side gets half of it.
 * `dropReply`: it gets all of it, and when it answers the connection is cut. `halfReply`: cut in the midst of the answer.
 */
export type Fault = 'pass' | 'refuse' | 'cutRequest' | 'dropReply' | 'halfReply';

export class FaultyProxy {
  /** Asked for each request. */
  next: () => Fault = () => 'pass';
  readonly done: Fault[] = [];
  readonly requests: string[] = [];
  #target: number | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#take(socket));

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    afterTest(() => this.close());
    return this.port;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** `port`: of what is behind it; undefined: nothing is. */
  to(port: number | undefined): void {
    this.#target = port;
  }

  /** Whoever is connected must come anew. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #take(from: Socket): void {
    this.#own(from);
    if (this.#target === undefined) return void from.destroy();
    const to = this.#own(connect(this.#target, '127.0.0.1'));
    let fault: Fault = 'pass';
    const cut = () => {
      from.destroy();
      to.destroy();
    };
    from.on('data', (chunk: Buffer) => {
      // Requests come one after another on a connection, each beginning with its method.
      if (/^(POST|GET) /.test(chunk.toString('latin1', 0, 5))) {
        fault = this.next();
        this.done.push(fault);
        this.requests.push('');
      }
      this.requests[this.requests.length - 1] += chunk.toString('utf8');
      if (fault === 'refuse') return cut();
      if (fault === 'cutRequest') {
        to.write(chunk.subarray(0, chunk.length / 2));
        return setImmediate(cut);
      }
      to.write(chunk);
    });
    to.on('data', (chunk: Buffer) => {
      if (fault === 'dropReply') return cut();
      if (fault === 'halfReply') {
        from.write(chunk.subarray(0, chunk.length / 2));
        return setImmediate(cut);
      }
      from.write(chunk);
    });
    from.on('close', cut);
    to.on('close', cut);
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
