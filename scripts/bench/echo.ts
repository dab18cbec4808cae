// A bare Unix-socket echo server, run as a process of its own: what a round trip costs that does nothing.
import { createServer } from 'node:net';

createServer((socket) => socket.on('data', (chunk) => socket.write(chunk))).listen(process.argv[2], () => {
  process.send!('listening');
});
process.once('disconnect', () => process.exit());
