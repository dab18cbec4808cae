// One JSON message a frame over a byte stream (PROTOCOL.md 1): one a line, or LSP's Content-Length. The first non-blank
// byte of a connection selects which; answers use the same. A decoder holds at most one unfinished frame.

export type Dialect = 'line' | 'header';

/** `malformed` frames get -32700; after the others the stream cannot be followed and must be closed. */
export type Frame =
  | { kind: 'text'; text: string }
  | { kind: 'malformed' }
  | { kind: 'tooLarge' }
  | { kind: 'badHeader' }
  /** There was no room for it beside the unfinished frames of others. */
  | { kind: 'noRoom' };

/** Bytes that the unfinished frames of several decoders may take together. A small one is taken all the same. */
export class FrameRoom {
  readonly #max: number;
  #taken = 0;

  constructor(maxBytes: number) {
    this.#max = maxBytes;
  }

  /** A buffer is replaced by one of another size. False where there is no room for it; nothing changes then. */
  exchange(before: number, after: number): boolean {
    const taken = this.#taken - before + after;
    if (taken > this.#max && after > smallBytes && after > before) return false;
    this.#taken = taken;
    return true;
  }
}

export const defaultMaxFrameBytes = 8 * 1024 * 1024;
const maxHeaderBytes = 8 * 1024;
const smallBytes = 64 * 1024;
const [tab, newline, carriageReturn, space] = [9, 10, 13, 32];
const none = new Uint8Array(0);

export class FrameDecoder {
  readonly #maxFrameBytes: number;
  readonly #room: FrameRoom;
  #dialect: Dialect | undefined;
  /** The unfinished frame: its first `#held` bytes. Grown by doubling, so that bytes are copied a few times at most. */
  #buffer: Uint8Array = none;
  #held = 0;
  /** In header framing: the length of the body under way. */
  #bodyBytes: number | undefined;
  #broken = false;
  // fatal: invalid UTF-8 is an error, never U+FFFD; ignoreBOM keeps a BOM, which JSON.parse then refuses.
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** `room`: shared with other decoders. */
  constructor(
    maxFrameBytes: number = defaultMaxFrameBytes,
    dialect?: Dialect,
    room = new FrameRoom(Number.POSITIVE_INFINITY),
  ) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#dialect = dialect;
    this.#room = room;
  }

  /** undefined until the first non-blank byte. */
  get dialect(): Dialect | undefined {
    return this.#dialect;
  }

  /** The frames that `chunk` completes. After one behind which the stream cannot be followed nothing more comes. */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    if (this.#dialect === undefined) {
      const start = rest.findIndex((byte) => !isBlank(byte));
      if (start < 0) return frames;
      const first = rest[start]!;
      this.#dialect = first === 67 || first === 99 ? 'header' : 'line';
      rest = rest.subarray(start);
    }
    while (rest.length > 0 && !this.#broken) {
      rest = this.#dialect === 'line' ? this.#takeLine(rest, frames) : this.#takeHeadered(rest, frames);
    }
    return frames;
  }

  /** At the end of the stream: a last line without its line end counts (`printf '{…}' | socat`); a torn frame cannot parse. */
  end(): Frame[] {
    if (this.#dialect !== 'line' || this.#held === 0 || this.#broken) return [];
    const frame = this.#decodeLine(none);
    return frame ? [frame] : [];
  }

  #takeLine(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const at = bytes.indexOf(newline);
    const line = at < 0 ? bytes : bytes.subarray(0, at);
    if (this.#held + line.length > this.#maxFrameBytes) {
      this.#fail('tooLarge', frames);
      return none;
    }
    if (at < 0) {
      if (!this.#hold(bytes)) this.#fail('noRoom', frames);
      return none;
    }
    const frame = this.#decodeLine(line);
    if (frame) frames.push(frame);
    return bytes.subarray(at + 1);
  }

  #decodeLine(last: Uint8Array): Frame | undefined {
    const bytes = this.#join(last);
    return bytes.every(isBlank) ? undefined : this.#decode(bytes);
  }

  #takeHeadered(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    if (this.#bodyBytes === undefined) return this.#takeHeader(bytes, frames);
    const missing = this.#bodyBytes - this.#held;
    if (bytes.length < missing) {
      if (!this.#hold(bytes)) this.#fail('noRoom', frames);
      return none;
    }
    frames.push(this.#decode(this.#join(bytes.subarray(0, missing))));
    this.#bodyBytes = undefined;
    return bytes.subarray(missing);
  }

  #takeHeader(bytes: Uint8Array, frames: Frame[]): Uint8Array {
    const heldBefore = this.#held;
    // One byte beyond the limit tells that it was passed; a body behind the header is not copied.
    const next = bytes.subarray(0, maxHeaderBytes + 1 - heldBefore);
    if (heldBefore > 0) this.#hold(next);
    const header = heldBefore > 0 ? this.#buffer.subarray(0, this.#held) : next;
    const end = endOfHeader(header, heldBefore);
    if (end === undefined) {
      if (header.length > maxHeaderBytes) this.#fail('badHeader', frames);
      else if (heldBefore === 0) this.#hold(next);
      return none;
    }
    this.#release();
    const length = contentLength(new TextDecoder('latin1').decode(header.subarray(0, end)));
    if (length === undefined) {
      this.#fail('badHeader', frames);
      return none;
    }
    if (length > this.#maxFrameBytes) {
      this.#fail('tooLarge', frames);
      return none;
    }
    if (length === 0) frames.push({ kind: 'malformed' });
    else this.#bodyBytes = length;
    return bytes.subarray(end - heldBefore);
  }

  #decode(bytes: Uint8Array): Frame {
    try {
      return { kind: 'text', text: this.#utf8.decode(bytes) };
    } catch {
      return { kind: 'malformed' };
    }
  }

  /** Gives back what it holds, where the stream ended in the midst of a frame. Nothing more comes then. */
  close(): void {
    this.#broken = true;
    this.#release();
  }

  /** Copies: a socket may reuse the buffer that it handed us, and a view would keep all of it alive. False where there is no room. */
  #hold(bytes: Uint8Array): boolean {
    const needed = this.#held + bytes.length;
    if (needed > this.#buffer.length) {
      const length = Math.max(needed, this.#buffer.length * 2);
      if (!this.#room.exchange(this.#buffer.length, length)) return false;
      const grown = new Uint8Array(length);
      grown.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#held);
    this.#held = needed;
    return true;
  }

  /** What is held and `last`, as one; nothing is held any more. */
  #join(last: Uint8Array): Uint8Array {
    if (this.#held === 0) return last;
    const length = this.#held + last.length;
    let joined = this.#buffer;
    if (length > joined.length) {
      joined = new Uint8Array(length);
      joined.set(this.#buffer.subarray(0, this.#held));
    }
    joined.set(last, this.#held);
    this.#release();
    return joined.subarray(0, length);
  }

  #release(): void {
    this.#room.exchange(this.#buffer.length, 0);
    this.#buffer = none;
    this.#held = 0;
  }

  #fail(kind: 'tooLarge' | 'badHeader' | 'noRoom', frames: Frame[]): void {
    this.close();
    frames.push({ kind });
  }
}

/** One message as bytes on the stream. */
export function encodeFrame(text: string, dialect: Dialect): string {
  if (dialect === 'line') return `${text}\n`;
  return `Content-Length: ${utf8Length(text)}\r\n\r\n${text}`;
}

function utf8Length(text: string): number {
  return typeof Buffer === 'undefined' ? new TextEncoder().encode(text).length : Buffer.byteLength(text);
}

function isBlank(byte: number): boolean {
  return byte === space || byte === newline || byte === carriageReturn || byte === tab;
}

/** The position behind the blank line that ends the header, where none ends before `from`; bare LF is tolerated. */
function endOfHeader(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(newline, Math.max(0, from - 2)); at >= 0; at = bytes.indexOf(newline, at + 1)) {
    if (bytes[at + 1] === newline) return at + 2;
    if (bytes[at + 1] === carriageReturn && bytes[at + 2] === newline) return at + 3;
  }
  return undefined;
}

function contentLength(header: string): number | undefined {
  const found = new Set<string>();
  for (const line of header.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const match = /^([A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line);
    if (!match) return undefined;
    if (match[1]!.toLowerCase() === 'content-length') found.add(match[2]!);
  }
  // Two lengths that differ are an attack or a bug; neither is believed.
  const [only] = found;
  return found.size === 1 && only !== undefined && /^[0-9]{1,15}$/.test(only) ? Number(only) : undefined;
}
