// One end of a connection that carries whole texts both ways: framed on the socket, or as a WebSocket over it.
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { encodeFrame, FrameDecoder } from '../../../protocol/framing.ts';
import type { WireDialect } from '../wire.ts';
import type { Dialect } from './history.ts';

/** How calls and their replies can travel. */
export type LineDialect = Exclude<Dialect, 'sse'>;

export type LineEnd = {
  send(text: string): void;
  /** Reads no more until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends it at once. */
  destroy(): void;
};

/** `read`: what one read of the socket brought. `closed`: once, and nothing is read behind it. */
export type EndListener = { read(texts: string[]): void; closed(): void };

/** Undefined when nobody listens at `path`. */
export function openEnd(path: string, dialect: LineDialect, listener: EndListener): Promise<LineEnd | undefined> {
  return dialect === 'webSocket' ? openWebSocket(path, listener) : openSocket(path, dialect, listener);
}

async function openSocket(path: string, dialect: WireDialect, listener: EndListener): Promise<LineEnd | undefined> {
  const socket = connect(path);
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
  });
  if (!isOpen) return undefined;
  const decoder = new FrameDecoder(Number.POSITIVE_INFINITY, dialect);
  socket.on('data', (chunk: Buffer) => {
    const texts = decoder.push(chunk).map((frame) => {
      if (frame.kind !== 'text') throw new Error(`the daemon broke its framing: ${frame.kind}`);
      return frame.text;
    });
    listener.read(texts);
  });
  socket.on('close', () => listener.closed());
  return {
    send: (text) => void socket.write(encodeFrame(text, dialect)),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    destroy: () => void socket.destroy(),
  };
}

async function openWebSocket(path: string, listener: EndListener): Promise<LineEnd | undefined> {
  const socket = new WebSocket(`ws+unix:${path}:/ws`, { perMessageDeflate: false });
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.on('open', () => resolve(true));
    // Nobody there, or one that died before its answer; a daemon that refuses it is a fault of the daemon.
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
    socket.on('unexpected-response', (_, { statusCode }) => {
      throw new Error(`a WebSocket was refused with ${statusCode}`);
    });
  });
  if (!isOpen) return undefined;
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) throw new Error('the daemon sent a binary frame');
    listener.read([data.toString('utf8')]);
  });
  socket.on('close', () => listener.closed());
  return {
    send: (text) => socket.send(text, () => {}),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.terminate(),
  };
}
