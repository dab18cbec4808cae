// Keeps so many appends in flight until it is let go, as a process of its own.
import { Client } from '../../protocol/client.ts';
import { connectSocket } from '../../protocol/node/socket.ts';
import { PartPuts } from './part-put.ts';

const [socket, inFlight] = process.argv.slice(2) as [string, string];
const puts = await PartPuts.open(new Client(await connectSocket(socket)));
await puts.appendMany(Number(inFlight), Number(inFlight));
process.once('disconnect', () => process.exit());
process.send!('under way');
await puts.appendMany(Number.MAX_SAFE_INTEGER, Number(inFlight));
