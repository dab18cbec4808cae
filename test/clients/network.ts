// What a page asked for on the wire and what it was answered there: of a page of another origin the browser tells the page
// nothing of either, whether the daemon refused it or not.
import type { CDPSession } from 'playwright-core';
import { within } from '../support/deadline.ts';

/** `asked`: method and path. `origin`: of the page, where the browser said so. */
export type Exchange = { asked: string; origin?: string | undefined; hasCookie: boolean; status: number };

type Headers = Record<string, string>;

export class Network {
  readonly #exchanges = new Map<string, Partial<Exchange>>();
  #wake: () => void = () => {};

  /** Takes the session over. */
  static async watch(session: CDPSession): Promise<Network> {
    const network = new Network();
    const pathOf = (url: string) => new URL(url).pathname;
    session.on('Network.requestWillBeSent', ({ requestId, request: { method, url } }) =>
      network.#note(requestId, { asked: `${method} ${pathOf(url)}` }),
    );
    session.on('Network.requestWillBeSentExtraInfo', ({ requestId, headers }) =>
      network.#note(requestId, sentBy(headers as Headers)),
    );
    session.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode: status }) =>
      network.#note(requestId, { status }),
    );
    session.on('Network.webSocketCreated', ({ requestId, url }) =>
      network.#note(requestId, { asked: `GET ${pathOf(url)}` }),
    );
    session.on('Network.webSocketWillSendHandshakeRequest', ({ requestId, request }) =>
      network.#note(requestId, sentBy(request.headers as Headers)),
    );
    session.on('Network.webSocketHandshakeResponseReceived', ({ requestId, response: { status } }) =>
      network.#note(requestId, { status }),
    );
    session.on('Network.webSocketFrameError', ({ requestId, errorMessage }) =>
      network.#note(requestId, { status: Number(/response code: (\d+)/.exec(errorMessage)?.[1]) }),
    );
    await within('the network to be watched', session.send('Network.enable'));
    return network;
  }

  /** Those that said of which origin the page is, in the order asked, once `count` of them were answered. */
  async ofOrigins(count: number): Promise<Exchange[]> {
    const found = () =>
      [...this.#exchanges.values()].filter(({ asked, origin, status }) => asked && origin && status !== undefined);
    const wait = async () => {
      while (found().length < count) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await within(`${count} answers to a page of an origin`, wait(), () => [...this.#exchanges.values()]);
    return found() as Exchange[];
  }

  /** What is told of one request comes in any order, and some of it is told of requests that were never sent. */
  #note(id: string, more: Partial<Exchange>): void {
    this.#exchanges.set(id, { ...this.#exchanges.get(id), ...more });
    this.#wake();
  }
}

function sentBy(headers: Headers): Partial<Exchange> {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { origin: byName.get('origin'), hasCookie: byName.get('cookie')?.includes('sessiond-') ?? false };
}
