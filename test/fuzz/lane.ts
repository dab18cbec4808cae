// One connection of the fuzz: sends texts, and knows what is to come back. Each request with an id has one answer with that id, in
// an array what was asked in one; what is no request is answered too; and nothing else comes but notifications.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Dialect } from '../../protocol/framing.ts';
import { encodeFrame, FrameDecoder } from '../../protocol/framing.ts';
import { within } from '../support/deadline.ts';

// biome-ignore lint/suspicious/noExplicitAny: whatever a daemon may send
export type Any = any;

/** The ids of the answers that `text` is owed, as JSON text (JSON-RPC 2.0). */
export function answersTo(text: string): string[] {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return ['null'];
  }
  if (!Array.isArray(message)) return answerTo(message);
  return message.length === 0 ? ['null'] : message.flatMap(answerTo);
}

function answerTo(message: Any): string[] {
  const members = typeof message === 'object' && message !== null ? message : {};
  const { jsonrpc, method, params, id } = members;
  const hasId = ['string', 'number'].includes(typeof id) || id === null;
  const isRequest =
    jsonrpc === '2.0' &&
    typeof method === 'string' &&
    (params === undefined || typeof params === 'object') &&
    (id === undefined || hasId);
  if (isRequest && id === undefined) return [];
  return [hasId ? JSON.stringify(id) : 'null'];
}

/** What an answer must not be, or undefined. */
export function faultOf(answer: Any): string | undefined {
  const { jsonrpc, id, result, error } = answer ?? {};
  if (jsonrpc !== '2.0' || id === undefined) return 'no JSON-RPC response';
  if ((result === undefined) === (error === undefined)) return 'not one of result and error';
  return error?.code === -32603 ? 'an unforeseen error' : undefined;
}

export class Lane {
  readonly dialect: Dialect;
  readonly faults: string[] = [];
  readonly #socket: Socket;
  readonly #onAnswer: (answer: Any) => void;
  /** By id: what was asked with it and is not answered yet. */
  readonly #owed = new Map<string, string[]>();
  #isClosed = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket, dialect: Dialect, onAnswer: (answer: Any) => void) {
    this.#socket = socket;
    this.dialect = dialect;
    this.#onAnswer = onAnswer;
    const decoder = new FrameDecoder(Number.POSITIVE_INFINITY, dialect);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) this.#take(frame.kind === 'text' ? JSON.parse(frame.text) : frame);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(path: string, dialect: Dialect, onAnswer: (answer: Any) => void): Promise<Lane> {
    const socket = connect(path);
    await within(`a connection to ${path}`, once(socket, 'connect'));
    return new Lane(socket, dialect, onAnswer);
  }

  send(texts: string[]): void {
    for (const text of texts) {
      // A blank line is none.
      if (this.dialect === 'line' && /^[ \t\r\n]*$/.test(text)) continue;
      for (const id of answersTo(text)) {
        const asked = this.#owed.get(id);
        if (asked) asked.push(text);
        else this.#owed.set(id, [text]);
      }
    }
    this.#socket.write(texts.map((text) => encodeFrame(text, this.dialect)).join(''));
  }

  /** Resolves when all has been answered, or the connection was closed. */
  async answered(): Promise<void> {
    const wait = async () => {
      while (this.#owed.size > 0 && !this.#isClosed && this.faults.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await within('all answers', wait(), () => [...this.#owed.values()].slice(0, 3));
    if (this.#owed.size > 0 && this.#isClosed) {
      this.faults.push(`closed without an answer to ${JSON.stringify([...this.#owed.values()].slice(0, 3))}`);
    }
  }

  /** Asks once more, behind all: what was answered twice has come before that. */
  async settle(): Promise<void> {
    await this.answered();
    this.send([JSON.stringify({ jsonrpc: '2.0', id: 'last', method: 'ping' })]);
    await this.answered();
  }

  /** `half`: by ending its sending alone. */
  close(half: boolean): void {
    if (half) this.#socket.end();
    else this.#socket.destroy();
  }

  #take(message: Any): void {
    if (Array.isArray(message)) for (const one of message) this.#take(one);
    else if (message?.method === undefined) this.#takeAnswer(message);
  }

  #takeAnswer(answer: Any): void {
    const id = JSON.stringify(answer?.id ?? null);
    const asked = this.#owed.get(id);
    const text = asked?.shift();
    if (asked?.length === 0) this.#owed.delete(id);
    const fault = text === undefined ? 'nobody asked for it' : faultOf(answer);
    if (fault) this.faults.push(`${fault}: ${JSON.stringify(answer)} to ${text}`);
    this.#onAnswer(answer);
  }
}
