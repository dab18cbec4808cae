// A connection that has proved that a daemon answers on it (P23): what listens on a socket need not be one, or may hang.
import { Client } from '../client.ts';
import { RpcError } from '../errors.ts';
import { TransportClosedError } from '../transport.ts';
import { connectSocket } from './socket.ts';

/** Something took the connection and then did not answer as a daemon does. */
export class NoAnswerError extends Error {
  constructor(socketPath: string, why: string) {
    super(`what listens on ${socketPath} ${why}`);
    this.name = 'NoAnswerError';
  }
}

/**
 * Connects, asks something and so proves that a daemon answers (P23). Rejects with Node's own error (ENOENT,
 * ECONNREFUSED, EACCES) when nobody listens, with NoAnswerError or TransportClosedError when what listens does not
 * answer, with RpcError when it refuses; the connection is closed then.
 */
export async function connectAnswering<T>(
  socketPath: string,
  timeoutMs: number,
  ask: (client: Client) => Promise<T>,
): Promise<{ client: Client; answer: T }> {
  const client = new Client(await connectSocket(socketPath));
  const ended = client.closed.then(
    () => Promise.reject(new TransportClosedError()),
    (error: unknown) =>
      Promise.reject(error instanceof RpcError ? error : new NoAnswerError(socketPath, 'is not sessiond')),
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const end = () => reject(new NoAnswerError(socketPath, `did not answer within ${timeoutMs} ms`));
    timer = setTimeout(end, timeoutMs);
  });
  try {
    return { client, answer: await Promise.race([ask(client), ended, late]) };
  } catch (error) {
    client.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
