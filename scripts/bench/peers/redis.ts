// Redis Streams: XADD over a Unix socket, in RESP.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { LeftOut } from '../row.ts';
import type { Peer } from './peer.ts';
import { Acknowledgements, eachLine, startProgram, stopProgram, versionOf } from './peer.ts';

export async function startRedis(folder: string): Promise<Peer | LeftOut> {
  const version = versionOf('redis-server');
  if (version === undefined) return { leftOut: 'redis-server is not installed' };
  const path = join(folder, 'redis.sock');
  const settings = { port: '0', unixsocket: path, dir: folder, save: '', appendonly: 'yes', appendfsync: 'always' };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = await startProgram('redis-server', args, /ready to accept connections at/i);
  const socket = connect(path);
  await once(socket, 'connect');
  const acknowledged = new Acknowledgements();
  eachLine(socket, (line) => {
    if (line.startsWith('-')) acknowledged.settle(line);
    // The id of what was added, behind its length.
    else if (!line.startsWith('$')) acknowledged.settle();
  });
  return {
    note: `redis-server ${version}, appendonly, appendfsync always: fsynced before the reply`,
    put(text) {
      const words = ['XADD', 'bench', '*', 'op', text];
      socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
      return acknowledged.next();
    },
    async stop() {
      socket.destroy();
      await stopProgram(server);
    },
  };
}
