// Any bytes whatever on the socket of the shipped daemon: who ends their sending is answered or closed, what is answered is well
// framed in the dialect that they began with, and others are served meanwhile. SESSIOND_FUZZ_FRAMES and SESSIOND_FUZZ_SEED as in
// hostile.test.ts.
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameDecoder } from '../../protocol/framing.ts';
import type { Running } from '../support/daemon.ts';
import { startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Wire } from '../support/wire.ts';
import { wireTo } from '../support/wire.ts';
import { faultOf } from './lane.ts';
import type { Stream } from './streams.ts';
import { fuzzStream } from './streams.ts';

/** A stream costs a connection, and holds several frames. */
const wanted = Math.ceil(Number(process.env.SESSIOND_FUZZ_FRAMES ?? 100_000) / 50);
const seed = Number(process.env.SESSIOND_FUZZ_SEED ?? 1);

/** Sends it, and ends; resolves with all that came until the daemon closed too. */
async function played(path: string, { bytes, cuts, end }: Stream): Promise<Buffer> {
  const socket = connect(path);
  const came: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void came.push(chunk)).on('error', () => {});
  await within('a connection', once(socket, 'connect'));
  // Not once(): reset is closed too.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let from = 0;
  for (const cut of cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b)) {
    socket.write(bytes.subarray(from, cut));
    from = cut;
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.write(bytes.subarray(from));
  if (end === 'half') socket.end();
  else socket.destroy();
  await within('the daemon to close', closed, () => String(Buffer.concat(came)).slice(0, 500));
  return Buffer.concat(came);
}

/** What is wrong with an answer to a stream that began with `first`; undefined where it is as it should be. */
function wrong(first: number | undefined, came: Buffer): string | undefined {
  if (came.length === 0) return undefined;
  if (first === undefined) return 'an answer to nothing';
  const isHttp = first >= 65 && first <= 90 && first !== 67;
  if (isHttp) return came.toString('latin1').startsWith('HTTP/1.1 ') ? undefined : 'no HTTP';
  const decoder = new FrameDecoder(Number.POSITIVE_INFINITY, first === 67 || first === 99 ? 'header' : 'line');
  const frames = decoder.push(came);
  for (const frame of frames) {
    const answers = frame.kind === 'text' ? [JSON.parse(frame.text)].flat() : [undefined];
    const fault = answers.map(faultOf).find((found) => found);
    if (fault) return fault;
  }
  return frames.length > 0 && decoder.end().length === 0 ? undefined : 'torn';
}

it(`is answered or closed, whatever ${wanted} streams hold, seed ${seed}`, {
  timeout: 120_000 + wanted * 100,
}, async () => {
  const home = testHome();
  let running: Running | undefined;
  let observer: Wire | undefined;
  const property = fc.asyncProperty(
    fc.array(fuzzStream, { minLength: 1, maxLength: 40, size: 'max' }),
    async (streams) => {
      if (running?.process.exitCode !== null || running.process.signalCode !== null) {
        running = await startDaemon(home);
        observer = await wireTo(home.paths.socket);
      }
      const playing = Promise.all(streams.map((stream) => played(home.paths.socket, stream)));
      expect((await observer!.call('ping')).result).toEqual({});
      const all = await playing;
      for (const [at, { bytes, end }] of streams.entries()) {
        const first = bytes.find((byte) => ![9, 10, 13, 32].includes(byte));
        const found = end === 'half' ? wrong(first, all[at]!) : undefined;
        expect(found, `${JSON.stringify(Buffer.from(bytes).toString('latin1'))}: ${String(all[at])}`).toBeUndefined();
      }
      expect((await observer!.call('ping')).result).toEqual({});
    },
  );
  await fc.assert(property, { seed, numRuns: Math.ceil(wanted / 20) });
  // What they left has gone with them.
  const status = async () => (await observer!.call('daemon/status')).result.connections;
  const alone = async () => {
    while ((await status()).length > 1) await new Promise((resolve) => setImmediate(resolve));
  };
  await within('all but this connection to be gone', alone(), status);
  expect(await running!.kill()).toBe(0);
});
