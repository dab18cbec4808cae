// connect() against a real daemon that is killed, over connections that are cut anywhere: every event once, in order, and each time
// by resuming (P30); the view equals the daemon's tables.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseCursor } from '../../protocol/cursor.ts';
import type { News } from '../../protocol/lasting-subscription.ts';
import { connect } from '../../protocol/node/connect.ts';
import type { Event } from '../../protocol/schema.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { afterTest, connectTo, spawnDaemonProcess, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { readEverything } from '../support/everything.ts';
import { Dice } from '../support/history-run/dice.ts';

const ops = 600;
const kills = 3;
const sessions = ['ses_0', 'ses_1', 'ses_2'];
const quick = { reconnect: { baseMs: 5, maxMs: 50 } };

async function readJournal(path: string): Promise<Event[]> {
  const client = connect(path);
  const { earliest } = await client.call('daemon/status', {});
  const events: Event[] = [];
  for (let [after, more] = [earliest, true]; more; ) {
    const page = await client.call('events/read', { after, limit: 1_000 });
    events.push(...page.events);
    [after, more] = [page.cursor, page.more];
  }
  await client.close();
  return events;
}

it('[P30, P35] subscribers over a socket and a WebSocket that are cut, of a daemon that is killed, have each event once, in order, always resumed', async () => {
  const home = testHome();
  let daemon = await startDaemon(home);
  const dice = new Dice(8, 'cuts');
  const path = join(home.folder, 'cut.sock');
  // A batch of 20 events goes through, and many do not; a view's state is larger.
  const proxy = new CuttingProxy(path, home.paths.socket, () => dice.int(2_000, 60_000));
  const wide = join(home.folder, 'wide.sock');
  new CuttingProxy(wide, home.paths.socket, () => dice.int(400_000, 900_000));

  const follow = (where: string, viewed: string) => {
    const [connection, viewing] = [connect(where, quick), connect(viewed, quick)];
    afterTest(() => Promise.all([connection.close(), viewing.close()]));
    const told = { events: [] as Event[], modes: [] as string[], resets: [] as string[], wake: () => {} };
    connection.onReset(({ reason }) => told.resets.push(reason));
    const take = (news: News) => {
      if (news.type === 'started') told.modes.push(news.params.mode);
      if (news.type === 'events/batch') told.events.push(...news.params.events);
      told.wake();
    };
    const view = viewing.view({ sessions });
    const started = connection.subscribe({ from: 'start', maxBatch: 20 }, take);
    return { connection, told, view, started };
  };
  const followers = [follow(path, wide), follow(`ws+unix:${path}:/ws`, `ws+unix:${wide}:/ws`)];

  const writer = connect(path, quick);
  afterTest(() => writer.close());
  let acknowledged = 0;
  let reached = () => {};
  const written: Promise<unknown>[] = sessions.map((sessionId) =>
    writer.append({ type: 'session/create', params: { sessionId, directory: '/work' } }),
  );
  const opIds = Array.from({ length: ops }, (_, n) => `op-${String(n).padStart(4, '0')}`);
  let handed = 0;
  /** Hands over up to so many, and waits until they are acknowledged. */
  const writeTo = async (count: number) => {
    for (; handed < count; handed += 1) {
      const params = { sessionId: sessions[handed % 3]!, messageId: `msg_${handed}`, role: 'user' as const };
      const done = writer.append({ opId: opIds[handed]!, type: 'message/put', params });
      written.push(
        done.then(() => {
          acknowledged += 1;
          reached();
        }),
      );
      // Some at a time, so that they go in many batches.
      if (handed % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (let kill = 1; kill <= kills; kill += 1) {
    const half = new Promise<void>((resolve) => {
      const enough = ops * (kill / (kills + 1)) - 100;
      reached = () => acknowledged >= enough && resolve();
    });
    const writing = writeTo(ops * (kill / (kills + 1)));
    await within('some acknowledgements', half, () => ({ acknowledged, handed, state: writer.state }));
    await daemon.kill('SIGKILL');
    await writing;
    const next = spawnDaemonProcess(home);
    expect(await within('the daemon to be ready', next.ready, () => next.stderr())).toMatchObject({ ready: true });
    daemon = next;
  }
  await writeTo(ops);
  await within('all acknowledgements', Promise.all(written), () => ({ acknowledged, state: writer.state }), 30_000);

  const journal = await readJournal(home.paths.socket);
  const put = journal.filter(({ type }) => type === 'message/updated').map(({ opId }) => opId);
  expect(put).toEqual(opIds);
  const client = await connectTo(home);
  // The event before the last: what is newer is all.
  const { storeId, head } = await client.initialize('reader', '0');
  const before = `${storeId}.${parseCursor(head)!.seq - 1}.x`;
  const tables = await readEverything(client);
  for (const { connection, told, view, started } of followers) {
    await started;
    const all = async () => {
      while (told.events.length < journal.length) {
        await new Promise<void>((resolve) => {
          told.wake = resolve;
        });
      }
    };
    await within('all events', all(), () => ({ has: told.events.length, state: connection.state }));
    expect(told.events).toEqual(journal);
    // The first is from the start; none of the others fell back on a snapshot.
    expect(new Set(told.modes)).toEqual(new Set(['resumed']));
    expect(told.modes.length).toBeGreaterThan(kills);
    expect(told.resets).toEqual([]);
    const shows = async () => {
      while (view.isNewerThan({ cursor: before }) !== true) {
        await new Promise<void>((resolve) => {
          const undo = view.onChange(() => {
            undo();
            resolve();
          });
        });
      }
    };
    await within('the view to show all', shows(), () => view.cursor);
    for (const [id, held] of tables) {
      const seen = view.sessions.get(id)!;
      expect(seen.session).toEqual(held.session);
      expect([...seen.messages.values()].map(({ message }) => message)).toEqual(
        held.items.map(({ message }) => message),
      );
    }
  }
  expect(proxy.cuts).toBeGreaterThan(5);
});
