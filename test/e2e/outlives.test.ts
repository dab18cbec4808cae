// What holds for every format, with the daemon's own process and real files: sessions outlive their files, and copies of a
// transcript share nothing.
import { describe, expect, test } from 'vitest';
import { ChangingFile } from '../support/changing-file.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { readEverything, takenIn } from '../support/everything.ts';
import { formats, sessionIdOf } from '../support/formats.ts';
import type { Home } from '../support/home.ts';

async function look(home: Home) {
  const client = await connectTo(home);
  await takenIn(client);
  const held = await readEverything(client);
  const { head } = await client.call('daemon/status', {});
  client.close();
  return { held, head };
}

describe.each(formats.map((format) => [format.kind, format] as const))('a session of %s', (_kind, format) => {
  test('[P25] stays when its file is deleted, over a restart too, and goes on when the file comes back', async () => {
    const home = testHome();
    const file = new ChangingFile(home, format, sessionIdOf(1));
    file.append(6, 1);
    const daemon = await startDaemon(home);
    const before = await look(home);
    expect([...before.held.values()].flatMap(({ items }) => items).length).toBeGreaterThan(1);
    file.remove();
    expect(await look(home)).toEqual(before);
    await daemon.kill('SIGKILL');
    await startDaemon(home);
    expect(await look(home)).toEqual(before);
    file.comeBack();
    expect(await look(home)).toEqual(before);
    file.append(6, 1);
    const after = await look(home);
    const [session] = before.held.keys();
    const idsOf = ({ held }: typeof before) => held.get(session!)!.items.map(({ message }) => message.id);
    expect(after.held.size).toBe(1);
    expect(idsOf(after).length).toBeGreaterThan(idsOf(before).length);
    expect(idsOf(after).slice(0, idsOf(before).length)).toEqual(idsOf(before));
  });

  test('[P33] shares no record with a fork that has the same record ids, and neither changes the other', async () => {
    const home = testHome();
    const file = new ChangingFile(home, format, sessionIdOf(1));
    file.append(6, 1);
    await startDaemon(home);
    const alone = await look(home);
    const fork = file.fork(sessionIdOf(2));
    fork.append(6, 1);
    const both = await look(home);
    const [id] = alone.held.keys();
    expect(both.held.size).toBe(2);
    expect(both.held.get(id!)).toEqual(alone.held.get(id!));
    const ids = [...both.held.values()].map(({ session, items }) => [
      session.id,
      ...items.flatMap(({ message, parts }) => [message.id, ...parts.map((part) => part.id)]),
    ]);
    expect(new Set(ids.flat()).size).toBe(ids.flat().length);
    const copied = [...both.held.values()].find(({ session }) => session.id !== id)!;
    const textsOf = ({ items }: typeof copied) =>
      items.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])));
    const own = textsOf(both.held.get(id!)!);
    expect(textsOf(copied).slice(0, own.length)).toEqual(own);
    expect(textsOf(copied).length).toBeGreaterThan(own.length);
  });
});
