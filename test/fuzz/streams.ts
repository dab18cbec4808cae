// Streams of bytes as no client of ours sends them: frames of both dialects and of HTTP, whole, torn, with wrong headers and wrong
// lengths, between anything else; cut and joined at any place, and ended in any way.
import fc from 'fast-check';

/** `cuts`: where one write ends and the next begins, as any numbers. */
export type Stream = { bytes: Uint8Array; cuts: number[]; end: 'half' | 'gone' };

const texts = [
  '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  '[{"jsonrpc":"2.0","id":2,"method":"session/list"},1,{}]',
  '{"jsonrpc":"2.0","id":3,"method":"session/create","params":{"title":"é😀\\u0000"}}',
  '{"jsonrpc":"2.0","method":"ping"}',
  '{"a":',
  '"',
  '',
];
const text = fc.oneof(fc.constantFrom(...texts), fc.constant('['.repeat(5_000)), fc.json({ maxDepth: 1 }));
const lineEnd = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\u2028', '\u0000');
const header = fc.constantFrom(
  ...[
    'Content-Length',
    'content-length',
    'Content-Length ',
    'Content-Type: x\r\nContent-Length',
    'C',
    'X-Y: z\r\nContent-Length',
  ],
);
const gap = fc.constantFrom('\r\n\r\n', '\r\n\r\n', '\r\n\r\n', '\n\n', '\r\n', '\r\n \r\n', ' \r\n\r\n');
const bodyOf = (body: string) => `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const key =
  'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==';
const http = fc.oneof(
  text.map((body) => `POST /rpc HTTP/1.1\r\nhost: x\r\n${bodyOf(body)}`),
  fc.constantFrom(
    'GET /health HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET /health HTTP/1.0\r\n\r\n',
    'GET /events?from=start HTTP/1.1\r\nhost: x\r\n\r\n',
    `GET /ws HTTP/1.1\r\nhost: x\r\n${key}\r\n\r\n`,
    `GET /capnweb HTTP/1.1\r\nhost: x\r\n${key}\r\n\r\n`,
    'POST /rpc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'POST /rpc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc',
    'POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    'POST /rpc HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'G',
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`,
  ),
);

const frame = fc.oneof(
  fc.tuple(text, lineEnd).map((pieces) => pieces.join('')),
  text.map((body) => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`),
  fc
    .tuple(
      header,
      fc.constantFrom('', '0', '-1', '1e3', '2, 2', '9'.repeat(15), '9'.repeat(40), '40', '8388609', '0x2'),
      gap,
      text,
    )
    .map(([name, length, between, body]) => `${name}: ${length}${between}${body}`),
  http,
);
const piece = fc.oneof(
  { weight: 8, arbitrary: frame.map((one) => Buffer.from(one)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\n', ' \t\r\n', '\ufeff', '\u0000', 'x'.repeat(9_000)).map((one) => Buffer.from(one)),
  },
);

export const fuzzStream: fc.Arbitrary<Stream> = fc.record({
  bytes: fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => new Uint8Array(Buffer.concat(pieces))),
  cuts: fc.array(fc.nat(), { maxLength: 6 }),
  end: fc.constantFrom('half', 'half', 'half', 'gone'),
});
