// tail --name: a durable subscriber, over the ends of the tail and of the daemon; all with real processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { afterTest, startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import { cli, clientOf, cliHome, run, shownProgram, start } from './run-cli.ts';
import {
  createSessions,
  interrupt,
  jsonLines,
  keepEvents,
  putTexts,
  range,
  seqs,
  until,
  untilUnread,
  whileStopped,
} from './tail-support.ts';

/** How far the name has acknowledged; 0 before it is there. */
async function acknowledged(home: Home, name: string): Promise<number> {
  const client = await clientOf(home);
  const { items } = await client.call('subscriber/list', {});
  client.close();
  return Number(items.find((item) => item.name === name)?.cursor.split('.')[1] ?? 0);
}

const named = ['tail', '--name', 'backup copy', '--json'];

test('[P30] a tail by name goes on exactly behind what the last one of that name printed', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'before');
  const first = start(home, named);
  await first.told(/"begun"/);
  await createSessions(home, 'a', 'b');
  await first.printed(/is b/);
  const one = await interrupt(first);
  expect(one.code).toBe(0);
  expect(seqs(one.stdout)).toEqual([2, 3]);
  expect(jsonLines(one.stderr)).toEqual([
    { begun: { mode: 'live', seq: 1, cursor: expect.stringContaining('.1.') } },
    { cursor: expect.stringContaining('.3.') },
  ]);
  expect(await acknowledged(home, 'backup copy')).toBe(3);
  await createSessions(home, 'c');
  const second = start(home, ['tail', '--name', 'backup copy']);
  await second.printed(/is c/);
  const two = await interrupt(second);
  expect(two.stdout.trimEnd().split('\n')).toEqual([expect.stringContaining('is c')]);
  expect(two.stderr).toBe(`goes on behind event 3\nresume with: ${shownProgram} tail --name 'backup copy'\n`);
  expect(await acknowledged(home, 'backup copy')).toBe(4);
});

test('of a tail by name that is killed, and its daemon too, nothing is lost', async () => {
  const home = cliHome();
  let daemon = await startDaemon(home);
  let printed = 0;
  for (let round = 0; round < 3; round += 1) {
    const tail = start(home, [...named, ...(round === 0 ? ['--from', 'start'] : [])]);
    await tail.told(/"begun"/);
    await createSessions(home, ...range(1, 20).map((each) => `r${round}n${each}`));
    await tail.printed(/n3"/);
    tail.child.kill('SIGKILL');
    await tail.ended;
    await daemon.kill('SIGKILL');
    const whole = seqs(tail.stdout().slice(0, tail.stdout().lastIndexOf('\n') + 1));
    daemon = await startDaemon(home);
    expect(await acknowledged(home, 'backup copy')).toBeLessThanOrEqual(whole.at(-1)!);
    expect(whole[0]).toBeLessThanOrEqual(printed + 1);
    expect(whole).toEqual(range(whole[0]!, whole.at(-1)!));
    printed = whole.at(-1)!;
  }
});

test('a tail by name that saw its daemon killed acknowledges to the next one, and prints each event once', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  const tail = start(home, [...named, '--from', 'start']);
  await tail.told(/"begun"/);
  await createSessions(home, 'a');
  await tail.printed(/is a/);
  await daemon.kill('SIGKILL');
  await tail.told(/"lost"/);
  await whileStopped(tail, async () => {
    await startDaemon(home);
    await createSessions(home, 'b');
  });
  await tail.printed(/is b/);
  await until('the acknowledgement', async () => (await acknowledged(home, 'backup copy')) === 2);
  const { stdout, stderr } = await interrupt(tail);
  expect(seqs(stdout)).toEqual([1, 2]);
  expect(jsonLines(stderr)).toContainEqual({ back: { mode: 'resumed', seq: 1, cursor: expect.any(String) } });
});

test('a tail by name that could not acknowledge what it printed says that it comes again, and it does', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  const tail = start(home, [...named, '--from', 'start']);
  await createSessions(home, 'a');
  // Nothing is under way then that a write to the dead daemon would cut short.
  await until('the acknowledgement', async () => (await acknowledged(home, 'backup copy')) === 1);
  const client = await clientOf(home);
  await whileStopped(tail, async () => {
    await createSessions(home, 'b');
    await until('the event to be sent', async () => {
      const { connections } = await client.call('daemon/status', {});
      return connections.every(({ lag, bufferedBytes }) => lag === 0 && bufferedBytes === 0);
    });
    await daemon.kill('SIGKILL');
  });
  await tail.told(/"lost"/);
  const { stdout, stderr } = await interrupt(tail);
  expect(seqs(stdout)).toEqual([1, 2]);
  expect(jsonLines(stderr).slice(-2)).toEqual([{ unacknowledged: {} }, { cursor: expect.stringContaining('.2.') }]);
  await startDaemon(home);
  const next = start(home, named);
  await next.printed(/is b/);
  expect(seqs((await interrupt(next)).stdout)).toEqual([2]);
});

test('a tail by name that another takes over says so and ends with 7', async () => {
  const home = cliHome();
  await startDaemon(home);
  const [first, inWords] = [start(home, named), start(home, ['tail', '--name', 'other'])];
  await Promise.all([first.told(/"begun"/), inWords.told(/new name/)]);
  const second = start(home, named);
  await second.told(/"begun"/);
  const { code, stderr } = await first.ended;
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  const message = 'another reader has taken the name over';
  const hint = `to go on without the name: ${shownProgram} tail --from ${head}`;
  expect(code).toBe(7);
  expect(jsonLines(stderr).at(-1)).toEqual({ error: { code: 7, message, hint } });
  await run(home, ['rpc', 'subscriber/remove', '{"name":"other"}']);
  expect(await inWords.ended).toMatchObject({
    code: 5,
    stderr: `a new name: it begins with what comes now\nerror: the name was removed\nhint: ${hint}\n`,
  });
  await createSessions(home, 'a');
  await second.printed(/is a/);
  expect((await interrupt(second)).code).toBe(0);
});

test('a tail by name acknowledges only what its reader took', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'a');
  const client = await clientOf(home);
  const child = spawn(process.execPath, [cli, ...named, '--from', 'start'], {
    env: home.env,
    cwd: home.folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  afterTest(() => void child.kill('SIGKILL'));
  child.stdout!.pause();
  await until('the acknowledgement', async () => (await acknowledged(home, 'backup copy')) === 1);
  await putTexts(client, 'ses_a', 60, 100_000);
  await untilUnread(client);
  const { head } = await client.call('daemon/status', {});
  child.kill('SIGKILL');
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stdout!.resume();
  await within('the pipe to end', once(child, 'close'));
  const whole = seqs(text.slice(0, text.lastIndexOf('\n') + 1));
  expect(await acknowledged(home, 'backup copy')).toBeLessThanOrEqual(whole.at(-1)!);
  expect(whole.at(-1)!).toBeLessThan(Number(head.split('.')[1]));
});

test('Ctrl-C ends a tail by name whose reader stalls, and only what was taken is acknowledged', async () => {
  const home = cliHome();
  await startDaemon(home);
  await createSessions(home, 'a');
  const tail = start(home, [...named, '--from', 'start']);
  await tail.printed(/is a/);
  tail.child.stdout!.pause();
  const client = await clientOf(home);
  await putTexts(client, 'ses_a', 60, 100_000);
  await untilUnread(client);
  tail.child.kill('SIGINT');
  await within('the tail to end', once(tail.child, 'exit'), tail.stderr);
  tail.child.stdout!.resume();
  const { code, stdout } = await tail.ended;
  expect(code).toBe(0);
  const whole = seqs(stdout.slice(0, stdout.lastIndexOf('\n') + 1));
  expect(await acknowledged(home, 'backup copy')).toBeLessThanOrEqual(whole.at(-1)!);
  expect(whole.at(-1)!).toBeLessThan(62);
});

test('[P3] events that were not kept for a name as long as it was away are told', async () => {
  const home = cliHome();
  keepEvents(home, { maxEvents: 3, maxLagEvents: 3 });
  await startDaemon(home);
  await createSessions(home, 'a');
  const first = start(home, [...named, '--from', 'start']);
  await first.printed(/is a/);
  await interrupt(first);
  await createSessions(home, ...range(2, 10).map((each) => `s${each}`));
  const second = start(home, named);
  await second.printed(/is s10/);
  const { stdout, stderr } = await interrupt(second);
  expect(seqs(stdout)).toEqual([8, 9, 10]);
  expect(jsonLines(stderr)[0]).toEqual({
    gap: { reason: 'CursorExpired', behind: 1, seq: 7, cursor: expect.stringContaining('.7.') },
  });
  expect(await acknowledged(home, 'backup copy')).toBe(10);
  await createSessions(home, ...range(11, 20).map((each) => `s${each}`));
  const inWords = start(home, ['tail', '--name', 'backup copy']);
  await inWords.printed(/is s20/);
  expect((await interrupt(inWords)).stderr).toContain(
    'missed: events 11 to 17 are gone, the journal keeps them no longer (CursorExpired; [retention] maxLagEvents); ' +
      'going on with event 18\n',
  );
});

test('[P3] a tail from the start of a journal that was cut off says up to where the events are gone', async () => {
  const home = cliHome();
  keepEvents(home, { maxEvents: 3 });
  await startDaemon(home);
  await createSessions(home, ...range(1, 10).map((each) => `s${each}`));
  for (const name of [[], ['--name', 'n']]) {
    const asJson = start(home, ['tail', '--from', 'start', '--json', ...name]);
    await asJson.printed(/is s10/);
    const { stdout, stderr } = await interrupt(asJson);
    expect(seqs(stdout)).toEqual([8, 9, 10]);
    expect(jsonLines(stderr)[0]).toEqual({
      gap: { reason: 'CursorExpired', seq: 7, cursor: expect.stringContaining('.7.') },
    });
  }
  const inWords = start(home, ['tail', '--from', 'start']);
  await inWords.printed(/is s10/);
  expect((await interrupt(inWords)).stderr).toMatch(
    /^events up to 7 are gone, the journal keeps them no longer \(\[retention\] maxEvents, maxAgeMs\); beginning with event 8\nresume with: .*\n$/,
  );
});

test('a name that the daemon would not take is wrong usage', async () => {
  const home = cliHome();
  for (const name of ['', 'n'.repeat(129)]) {
    expect(await run(home, ['--no-spawn', 'tail', '--name', name])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--name takes a name of 1 to 128 characters'),
    });
  }
});
