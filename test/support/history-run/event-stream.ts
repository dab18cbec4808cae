// The text of an event stream taken apart as browsers do it (WHATWG HTML, 9.2.6). `id` is kept from one stream to the next, as
// Chromium, Firefox and WebKit keep it.

/** `id`: its own field, where it had one. `bytes`: of its data. */
export type SseEvent = { name: string; data: string; id: string | undefined; bytes: number };

export class EventStreamParser {
  /** What the stream asked to be waited before the next connection, ms. */
  retryMs: number | undefined;
  /** The id of the last event that was whole; an event without one leaves it as it is. */
  lastEventId: string;
  readonly #utf8 = new TextDecoder();
  #held = '';
  #scanned = 0;
  #endedWithCr = false;
  #name = '';
  #data: string[] = [];
  #id: string | undefined;

  constructor(lastEventId: string) {
    this.lastEventId = lastEventId;
  }

  /** The events that are whole with this chunk. */
  *push(chunk: Uint8Array): Generator<SseEvent> {
    this.#held += this.#utf8.decode(chunk, { stream: true });
    let start = 0;
    const end = /[\r\n]/g;
    end.lastIndex = this.#scanned;
    for (let found = end.exec(this.#held); found; found = end.exec(this.#held)) {
      const isRestOfCrLf = this.#endedWithCr && found[0] === '\n' && found.index === start;
      const line = this.#held.slice(start, found.index);
      start = end.lastIndex;
      this.#endedWithCr = found[0] === '\r';
      if (isRestOfCrLf) continue;
      const event = line === '' ? this.#dispatch() : this.#field(line);
      if (event) yield event;
    }
    this.#held = this.#held.slice(start);
    this.#scanned = this.#held.length;
  }

  #field(line: string): undefined {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#name = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): SseEvent | undefined {
    const [name, id, data] = [this.#name || 'message', this.#id, this.#data.join('\n')];
    if (id !== undefined) this.lastEventId = id;
    this.#name = '';
    this.#data = [];
    this.#id = undefined;
    return data === '' ? undefined : { name, data, id, bytes: Buffer.byteLength(data) };
  }
}
