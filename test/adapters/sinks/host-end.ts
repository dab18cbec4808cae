// A real daemon as what a sink sends to, behind a wire that a test cuts.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import type { Clock, Host } from '../../../daemon/adapters/sinks/asker.ts';
import type { HostSink } from '../../../daemon/adapters/sinks/host.ts';
import { systemRuntime } from '../../../daemon/engine/runtime.ts';
import type { Cut, SinkEnd } from '../../contract/sink.ts';
import { afterTest } from '../../support/daemon.ts';
import { httpDaemon } from '../../support/http.ts';
import type { Anything } from '../../support/wire.ts';

export const clock: Clock = systemRuntime({ info() {}, warn() {}, error() {} });
export const never = new AbortController().signal;

/** `hang`: what comes goes nowhere. */
type Mode = 'pass' | 'hang' | Cut;

/** TCP to `port`; `mode` is that of what comes from then on. */
export async function cuttingWire(port: number) {
  const wire = { mode: 'pass' as Mode, port: 0, requests: [] as string[], onAsked: () => {} };
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => {
      for (const [, path] of chunk.toString('latin1').matchAll(/^POST (\S+) HTTP/gm)) wire.requests.push(path!);
      wire.onAsked();
      if (wire.mode === 'hang') return;
      if (wire.mode !== 'middle') return void far.write(chunk);
      far.write(chunk.subarray(0, Math.max(1, chunk.length - 100)));
      near.destroy();
    });
    far.on('data', (chunk) => {
      if (wire.mode === 'end') near.destroy();
      else near.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => server.close());
  wire.port = (server.address() as AddressInfo).port;
  return wire;
}

/** An end for the contract: what the daemon holds of the session that is sent. */
export async function hostEnd(make: (host: Host) => HostSink) {
  const daemon = await httpDaemon();
  const wire = await cuttingWire(daemon.port);
  const token = await daemon.grant({ rights: ['read', 'append', 'answer', 'share'], sessions: '*' });
  const open = () => make({ url: `http://127.0.0.1:${wire.port}`, token, clock });
  const end: SinkEnd = {
    open,
    held: async () => {
      const { result } = await daemon.owner.call('events/subscribe', { from: 'start' });
      await daemon.owner.call('events/sync', { subscription: result.subscription });
      const events = daemon.owner
        .notifications('events/batch')
        .filter(({ params }) => params.subscription === result.subscription)
        .flatMap(({ params }) => params.events);
      return events.map(({ opId, data }: Anything) => ({ opId, data }));
    },
    deliverCut: async (outgoing, cut) => {
      wire.mode = cut;
      const { kind } = await open().deliver(outgoing, never);
      if (kind !== 'retry') throw new Error(`what was cut off is ${kind}`);
      wire.mode = 'pass';
    },
    hang: () => {
      wire.mode = 'hang';
      return new Promise<void>((resolve) => {
        wire.onAsked = resolve;
      });
    },
  };
  return { daemon, wire, token, open, end };
}
