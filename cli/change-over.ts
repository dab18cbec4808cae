// What `start` does about a daemon of another version: an older one that is idle is stopped and started anew; one that is
// not, or is newer, is left alone and told of.
import type { Connected } from './connect.ts';
import { connectQuietly } from './connect.ts';
import type { Context } from './context.ts';
import { cleanLine } from './render/clean.ts';
import { heldSocket, ownBundleOf } from './service/held-socket.ts';
import { stopDaemon } from './stop-daemon.ts';
import { underWay } from './under-way.ts';
import { noticeSkew, skewOf } from './version-skew.ts';

/** Connects as connect() does, to a daemon of this command's version where there may be one. */
export async function connectToCurrent(context: Context): Promise<Connected> {
  const { program, version } = context;
  const isWaiting = (await heldSocket(context)) === 'waiting'; // then this connection starts it
  const connection = await connectQuietly(context);
  const connected = { ...connection, started: connection.started || isWaiting };
  const daemon = connected.server.server.version;
  const leave = async (hint?: string) => {
    await noticeSkew(context, daemon, hint);
    return connected;
  };
  if (skewOf(daemon, version) !== 'older' || !connected.server.rights.includes('admin')) return leave();
  // The service would start the same again.
  const bundle = ownBundleOf(context);
  if (bundle !== undefined && bundle !== context.daemonPath && (await heldSocket(context)))
    return leave(`the service runs another installation of sessiond; for this one, ${program} service install`);
  const reasons = await underWay(connected);
  if (reasons.length > 0)
    return leave(
      `it is left alone for ${reasons.join(', ')}; to change over all the same, ${program} stop, then ${program} start`,
    );
  await stopDaemon(context, connected);
  await noticeReplaced(context, daemon);
  const anew = await connectQuietly(context);
  await noticeSkew(context, anew.server.server.version);
  return { ...anew, started: true };
}

async function noticeReplaced({ err, json, version }: Context, replaced: string): Promise<void> {
  const text = `the daemon was version ${cleanLine(replaced)} and idle: it is started anew as ${version}`;
  await (json ? err.json({ replaced: { daemon: replaced, command: version } }) : err.line(text)).catch(() => {});
}
