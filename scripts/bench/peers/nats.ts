// NATS JetStream with file storage: PUB with a reply subject, over TCP, in its text protocol.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { LeftOut } from '../row.ts';
import type { Peer } from './peer.ts';
import { Acknowledgements, eachLine, startProgram, stopProgram, versionOf } from './peer.ts';

export async function startNats(folder: string): Promise<Peer | LeftOut> {
  const version = versionOf('nats-server');
  if (version === undefined) return { leftOut: 'nats-server is not installed' };
  const port = await freePort();
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const syncs = major > 2 || (major === 2 && minor >= 10);
  const config = join(folder, 'nats.conf');
  const store = JSON.stringify(join(folder, 'jetstream'));
  const jetstream = `jetstream { store_dir: ${store}${syncs ? ', sync_interval: always' : ''} }`;
  writeFileSync(config, `listen: "127.0.0.1:${port}"\n${jetstream}\n`);
  const server = await startProgram('nats-server', ['-c', config], /Server is ready/);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const acknowledged = new Acknowledgements();
  eachLine(socket, (line) => {
    if (line === 'PING') socket.write('PONG\r\n');
    else if (line.startsWith('-ERR')) acknowledged.settle(line);
    // What was answered, behind its own MSG line.
    else if (line.startsWith('{')) acknowledged.settle(line.includes('"error"') ? line : undefined);
  });
  const put = (subject: string, text: string) => {
    socket.write(`PUB ${subject} inbox ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    return acknowledged.next();
  };
  socket.write('CONNECT {"verbose":false}\r\nSUB inbox 1\r\n');
  await put('$JS.API.STREAM.CREATE.bench', JSON.stringify({ name: 'bench', subjects: ['bench'], storage: 'file' }));
  const fsync = syncs ? 'sync_interval always: fsynced before the acknowledgement' : 'acknowledges before any fsync';
  return {
    note: `nats-server ${version}, JetStream, file storage, ${fsync}`,
    put: (text) => put('bench', text),
    async stop() {
      socket.destroy();
      await stopProgram(server);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
