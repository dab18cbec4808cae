// The frame decoder (PROTOCOL.md 1, "Dialect"): what it makes of bytes may not depend on how they were cut.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dialect, Frame } from '../../protocol/framing.ts';
import { encodeFrame, FrameDecoder } from '../../protocol/framing.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (frames: Frame[]) => frames.map((frame) => (frame.kind === 'text' ? frame.text : frame.kind));

/** All frames of a stream, fed in pieces that end at `cuts`. */
function decode(stream: Uint8Array, cuts: number[] = [], maxFrameBytes?: number): Frame[] {
  const decoder = new FrameDecoder(maxFrameBytes);
  const ends = [...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
  let at = 0;
  const frames: Frame[] = [];
  for (const end of ends) {
    frames.push(...decoder.push(stream.slice(at, end)));
    at = end;
  }
  return [...frames, ...decoder.end()];
}

const everyByte = (stream: Uint8Array) => Array.from(stream, (_, at) => at);

describe('one JSON value a line', () => {
  it('takes LF and CRLF, and passes over blank lines before, between and after', () => {
    const stream = bytes('\r\n \t\n{"a":1}\r\n\n  \r\n{"b":2}\n\n');
    expect(textOf(decode(stream)).map((text) => text.trim())).toEqual(['{"a":1}', '{"b":2}']);
  });

  it('takes a last line without its line end (printf … | socat)', () => {
    expect(textOf(decode(bytes('{"a":1}\n{"b":2}')))).toEqual(['{"a":1}', '{"b":2}']);
  });

  it('tells invalid UTF-8 as malformed and goes on with the next line', () => {
    const stream = Uint8Array.from([...bytes('{"a":"'), 0xc3, 0x28, ...bytes('"}\n{"b":2}\n')]);
    expect(textOf(decode(stream))).toEqual(['malformed', '{"b":2}']);
    expect(textOf(decode(stream, everyByte(stream)))).toEqual(['malformed', '{"b":2}']);
  });

  it('tells an overlong encoding, a surrogate in UTF-8 and a cut character as malformed', () => {
    for (const wrong of [
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xe2, 0x82],
    ]) {
      expect(textOf(decode(Uint8Array.from([...bytes('"'), ...wrong, ...bytes('"\n')]))), `${wrong}`).toEqual([
        'malformed',
      ]);
    }
  });

  it('takes a frame of exactly the limit, and refuses one byte more, whole or in pieces', () => {
    const fits = bytes(`"${'x'.repeat(8)}"\n`);
    const over = bytes(`"${'x'.repeat(9)}"\n`);
    for (const cuts of [[], [3], everyByte(over)]) {
      expect(textOf(decode(fits, cuts, 10))).toEqual([`"${'x'.repeat(8)}"`]);
      expect(textOf(decode(over, cuts, 10))).toEqual(['tooLarge']);
    }
  });

  it('gives nothing more after tooLarge, which it tells once and before the line has ended', () => {
    const decoder = new FrameDecoder(10);
    expect(decoder.push(bytes('"01234567890'))).toEqual([{ kind: 'tooLarge' }]);
    expect(decoder.push(bytes('"\n{}\n'))).toEqual([]);
    expect(decoder.end()).toEqual([]);
  });
});

describe('Content-Length framing', () => {
  it('is selected by a C or c as the first non-blank byte, the line dialect by { and [', () => {
    const chosen = (text: string) => {
      const decoder = new FrameDecoder();
      decoder.push(bytes(text));
      return decoder.dialect;
    };
    expect(chosen(' \r\n\tC')).toBe('header');
    expect(chosen('c')).toBe('header');
    expect(chosen('\n{')).toBe('line');
    expect(chosen('[')).toBe('line');
    expect(chosen(' \n')).toBeUndefined();
  });

  it.each([
    ['Content-Length: 2\r\n\r\n{}'],
    ['content-length: 2\r\n\r\n{}'],
    ['CONTENT-LENGTH:2\r\n\r\n{}'],
    ['Content-Length: 2 \r\n\r\n{}'],
    ['Content-Length: 2\n\n{}'],
    ['Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}'],
    ['Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}'],
    ['Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}'],
  ])('takes %j', (text) => {
    expect(textOf(decode(bytes(text)))).toEqual(['{}']);
    expect(textOf(decode(bytes(text), everyByte(bytes(text))))).toEqual(['{}']);
  });

  it.each([
    ['Content-Type: x\r\n\r\n{}'],
    ['Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['Content-Length: -2\r\n\r\n{}'],
    ['Content-Length: 0x2\r\n\r\n{}'],
    ['Content-Length: 2, 2\r\n\r\n{}'],
    ['Content-Length: 2.0\r\n\r\n{}'],
    ['Content-Length:\r\n\r\n{}'],
    ['Content-Length 2\r\n\r\n{}'],
    ['Content-Length: 2\r\ngarbage\r\n\r\n{}'],
    ['Content-Length: 9999999999999999999\r\n\r\n{}'],
  ])('refuses %j', (text) => {
    expect(textOf(decode(bytes(text)))).toEqual(['badHeader']);
    expect(textOf(decode(bytes(text), everyByte(bytes(text))))).toEqual(['badHeader']);
  });

  it('refuses a header that grows without end, wherever it was cut', () => {
    const endless = bytes(`Content-Length: 2\r\nX-Padding: ${'x'.repeat(10_000)}\r\n\r\n{}`);
    expect(textOf(decode(endless))).toEqual(['badHeader']);
    expect(textOf(decode(endless, [4_000, 8_500]))).toEqual(['badHeader']);
  });

  it('refuses a body over the limit by its header, before it has come', () => {
    expect(new FrameDecoder(10).push(bytes('Content-Length: 11\r\n\r\n'))).toEqual([{ kind: 'tooLarge' }]);
    expect(textOf(decode(bytes('Content-Length: 10\r\n\r\n"01234567"'), [], 10))).toEqual(['"01234567"']);
  });

  it('tells an empty body and invalid UTF-8 as malformed and goes on behind them', () => {
    const stream = Uint8Array.from([
      ...bytes('Content-Length: 0\r\n\r\nContent-Length: 2\r\n\r\n'),
      0xff,
      0xfe,
      ...bytes('Content-Length: 2\r\n\r\n{}'),
    ]);
    for (const cuts of [[], everyByte(stream)]) {
      expect(textOf(decode(stream, cuts))).toEqual(['malformed', 'malformed', '{}']);
    }
  });

  it('gives nothing for a torn frame at the end of the stream', () => {
    expect(decode(bytes('Content-Length: 20\r\n\r\n{"a":1}'))).toEqual([]);
  });
});

describe('both dialects', () => {
  const dialect = fc.constantFrom<Dialect>('line', 'header');
  const value = fc.oneof(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), fc.array(fc.jsonValue()));

  it('give back what was framed, however the bytes are cut', () => {
    const property = fc.property(
      dialect,
      fc.array(value, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(400)),
      (chosen, values, cuts) => {
        const texts = values.map((each) => JSON.stringify(each));
        const stream = bytes(texts.map((text) => encodeFrame(text, chosen)).join(''));
        expect(textOf(decode(stream, cuts))).toEqual(texts);
        expect(textOf(decode(stream, everyByte(stream)))).toEqual(texts);
      },
    );
    fc.assert(property, { seed: 20_240_601, numRuns: 200 });
  });

  it('make the same of any bytes whatever, fed at once or one by one', () => {
    const piece = fc.constantFrom('{}', '[', '"é€😀"', '\n', '\r\n', ' ', 'C', 'Content-Length: 2', ':', '3', '\xff');
    const property = fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat(200)), (pieces, cuts) => {
      const stream = Uint8Array.from(pieces.flatMap((text) => (text === '\xff' ? [0xff] : [...bytes(text)])));
      const whole = decode(stream, [], 12);
      expect(decode(stream, everyByte(stream), 12)).toEqual(whole);
      expect(decode(stream, cuts, 12)).toEqual(whole);
    });
    fc.assert(property, { seed: 7, numRuns: 1_000 });
  });
});

describe('what the decoder holds', () => {
  it('is its own: a chunk that its socket fills anew changes nothing', () => {
    const decoder = new FrameDecoder();
    const chunk = Buffer.from('{"a":"first');
    decoder.push(chunk);
    chunk.fill('#');
    expect(textOf(decoder.push(Buffer.from('"}\n')))).toEqual(['{"a":"first"}']);
  });

  it.each<Dialect>(['line', 'header'])(
    'grows with the bytes and not with their pieces: 8 MiB, dialect %s',
    (chosen) => {
      const text = JSON.stringify('x'.repeat(8 * 1024 * 1024 - 2));
      const stream = bytes(encodeFrame(text, chosen));
      for (const size of [64 * 1024, 1_024, 1]) {
        const { copied, frames } = countCopies(() => {
          const decoder = new FrameDecoder();
          const found: Frame[] = [];
          for (let at = 0; at < stream.length; at += size) found.push(...decoder.push(stream.subarray(at, at + size)));
          return found;
        });
        expect(frames.length).toBe(1);
        expect((frames[0] as { text: string }).text === text).toBe(true);
        // Doubling copies each byte at most three times; joining at every chunk would copy it some 64 times or more.
        expect(copied).toBeLessThan(4 * stream.length);
      }
    },
  );
});

/** Counts the bytes that typed arrays copy while `run` runs: an operation count, so that no clock decides. */
function countCopies(run: () => Frame[]): { copied: number; frames: Frame[] } {
  const prototype = Uint8Array.prototype;
  const { set, slice } = prototype;
  let copied = 0;
  prototype.set = function (this: Uint8Array, from: ArrayLike<number>, offset?: number) {
    copied += from.length;
    set.call(this, from, offset);
  };
  prototype.slice = function (this: Uint8Array, ...range: number[]) {
    const result = slice.apply(this, range as [number, number]);
    copied += result.length;
    return result;
  } as typeof slice;
  try {
    const frames = run();
    return { frames, copied };
  } finally {
    prototype.set = set;
    prototype.slice = slice;
  }
}
