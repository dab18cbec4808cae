// tail over daemons that go and come back; all with real processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { afterTest, startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { cli, clientOf, cliHome, daemonPid, shownProgram, start } from './run-cli.ts';
import {
  createSessions,
  interrupt,
  jsonLines,
  keepEvents,
  putTexts,
  range,
  seqs,
  untilUnread,
  whileStopped,
} from './tail-support.ts';

test('[P6] [P30] a tail goes on over daemons that end or are killed: each event once, in order, and resumed', async () => {
  const home = cliHome();
  let daemon = await startDaemon(home);
  await createSessions(home, 'a0');
  const tail = start(home, ['tail', '--from', 'start', '--json']);
  await tail.printed(/is a0/);
  for (const [round, signal] of (['SIGTERM', 'SIGKILL', 'SIGKILL', 'SIGTERM'] as const).entries()) {
    await daemon.kill(signal);
    await tail.told(new RegExp(`("lost"[^]*){${round + 1}}`));
    await whileStopped(tail, async () => {
      daemon = await startDaemon(home);
      await createSessions(home, `b${round}`, `c${round}`);
    });
    await tail.printed(new RegExp(`is c${round}`));
    await createSessions(home, `d${round}`);
    await tail.printed(new RegExp(`is d${round}`));
  }
  const { code, stdout, stderr } = await interrupt(tail);
  expect(code).toBe(0);
  expect(seqs(stdout)).toEqual(range(1, 13));
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  const back = (seq: number) => ({ back: { mode: 'resumed', seq, cursor: expect.stringContaining(`.${seq}.`) } });
  expect(jsonLines(stderr)).toEqual([
    { lost: { reason: 'shuttingDown', seq: 1 } },
    back(1),
    { lost: { reason: 'closed', seq: 4 } },
    back(4),
    { lost: { reason: 'closed', seq: 7 } },
    back(7),
    { lost: { reason: 'shuttingDown', seq: 10 } },
    back(10),
    { cursor: head },
  ]);
});

test('a tail says in words that the daemon went and came back, and starts none', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await createSessions(home, 'a', 'b');
  const tail = start(home, ['tail', 'ses_b', '--from', 'start']);
  await tail.printed(/is b/);
  await daemon.kill('SIGKILL');
  await tail.told(/lost/);
  expect(await daemonPid(home)).toBeUndefined();
  await startDaemon(home);
  await tail.told(/back/);
  const client = await clientOf(home);
  await client.call('session/update', { sessionId: 'ses_a', title: 'not this' });
  await client.call('session/update', { sessionId: 'ses_b', title: 'but this' });
  await tail.printed(/but this/);
  const { stdout, stderr } = await interrupt(tail);
  expect(stdout).not.toContain('not this');
  const { head } = await client.call('daemon/status', {});
  expect(stderr).toBe(
    `the connection to the daemon is lost; waiting for it behind event 2 (to start it: ${shownProgram} start; Ctrl-C ends)\n` +
      'the daemon is back: resumed behind event 2, nothing was missed\n' +
      `resume with: ${shownProgram} tail ses_b --from ${head}\n`,
  );
});

test('Ctrl-C while a tail waits for the daemon ends it with the cursor', async () => {
  const home = cliHome();
  let daemon = await startDaemon(home);
  await createSessions(home, 'a');
  const { head } = await (await clientOf(home)).call('daemon/status', {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const tail = start(home, ['tail', '--from', 'start', '--json']);
    await tail.printed(/is a/);
    await daemon.kill('SIGKILL');
    await tail.told(/"lost"/);
    tail.child.kill(signal);
    const { code, stderr } = await tail.ended;
    expect({ code, told: jsonLines(stderr) }).toEqual({
      code: 0,
      told: [{ lost: { reason: 'closed', seq: 1 } }, { cursor: head }],
    });
    daemon = await startDaemon(home);
  }
});

test('a reader that goes while a tail waits for the daemon ends it', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await createSessions(home, 'a');
  // A pipe, as a shell makes it; Node's own are sockets. The reader stays until the third is closed.
  const script = '"$0" "$1" tail --from start 3<&- | (head -1; read end <&3); echo "codes $PIPESTATUS"';
  const shell = spawn('bash', ['-c', script, process.execPath, cli], {
    env: home.env,
    cwd: home.folder,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  shell.stdout!.on('data', (chunk: Buffer) => {
    texts.out += chunk.toString();
  });
  const lost = new Promise<void>((resolve) => {
    shell.stderr!.on('data', (chunk: Buffer) => {
      texts.err += chunk.toString();
      if (texts.err.includes('lost')) resolve();
    });
  });
  const ended = once(shell, 'close');
  afterTest(() => void shell.kill('SIGKILL'));
  await within('the event', once(shell.stdout!, 'data'), () => texts);
  await daemon.kill('SIGKILL');
  await within('the loss', lost, () => texts);
  (shell.stdio[3] as Writable).end();
  await within('the tail to end', ended, () => texts);
  expect(texts.out).toMatch(/is a\ncodes 0\n$/);
  expect(texts.err).toMatch(/^.* is lost; .*\n$/);
});

test('[P1] [P28] a tail whose daemon comes back with another store says so, and prints all of that', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await createSessions(home, 'a', 'b', 'c');
  const tail = start(home, ['tail', '--from', 'start', '--json']);
  await tail.printed(/is c/);
  await whileStopped(tail, async () => {
    await daemon.kill('SIGKILL');
    rmSync(home.paths.data, { recursive: true });
    await startDaemon(home);
    await createSessions(home, 'x', 'y');
  });
  await tail.printed(/is y/);
  const { stdout, stderr } = await interrupt(tail);
  expect(jsonLines(stdout).map(({ seq, sessionId }) => [seq, sessionId])).toEqual([
    [1, 'ses_a'],
    [2, 'ses_b'],
    [3, 'ses_c'],
    [1, 'ses_x'],
    [2, 'ses_y'],
  ]);
  const { storeId, head } = await (await clientOf(home)).call('daemon/status', {});
  expect(jsonLines(stderr)).toEqual([
    { lost: { reason: 'closed', seq: 3 } },
    { gap: { reason: 'StoreChanged', behind: 3, seq: 0, cursor: expect.stringContaining(`${storeId}.0.`) } },
    { cursor: head },
  ]);
});

test('[P3] a tail that was away for too long says which events are gone, and goes on with what is kept', async () => {
  const home = cliHome();
  let daemon = await startDaemon(home);
  await createSessions(home, 'a');
  const tail = start(home, ['tail', '--from', 'start', '--json']);
  await tail.printed(/is a/);
  await daemon.kill('SIGKILL');
  await tail.told(/"lost"/);
  await whileStopped(tail, async () => {
    keepEvents(home, { maxEvents: 3 });
    daemon = await startDaemon(home);
    await createSessions(home, ...range(2, 10).map((each) => `s${each}`));
  });
  await tail.printed(/is s10/);
  const { stdout, stderr } = await interrupt(tail);
  expect(seqs(stdout)).toEqual([1, 8, 9, 10]);
  expect(jsonLines(stderr)[1]).toEqual({
    gap: { reason: 'CursorExpired', behind: 1, seq: 7, cursor: expect.stringContaining('.7.') },
  });
});

test('[P7] a tail that stalled until retention passed it says which events are gone', async () => {
  const home = cliHome();
  keepEvents(home, { maxEvents: 5 });
  await startDaemon(home);
  await createSessions(home, 'a');
  const tail = start(home, ['tail', '--from', 'start', '--json']);
  await tail.printed(/is a/);
  const client = await clientOf(home);
  await whileStopped(tail, async () => {
    await putTexts(client, 'ses_a', 60, 100_000);
    await client.call('session/update', { sessionId: 'ses_a', title: 'the last' });
    await client.call('store/compact', {}); // cuts off what is not kept
  });
  await tail.printed(/the last/);
  const { stdout, stderr } = await interrupt(tail);
  const printed = seqs(stdout) as number[];
  const [{ gap }, ...rest] = jsonLines(stderr) as [{ gap: { behind: number; seq: number } }];
  expect(gap).toMatchObject({ reason: 'CursorExpired', seq: 58 });
  expect(gap.behind).toBeLessThan(58);
  expect(printed).toEqual([...range(1, gap.behind), ...range(59, 63)]);
  expect(rest).toEqual([{ cursor: expect.stringContaining('.63.') }]);
});

test('of an op in pieces that a killed daemon has sent in part, each event is printed once', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  await createSessions(home, 'a');
  const tail = start(home, ['tail', '--from', 'start', '--json']);
  await tail.printed(/is a/);
  const client = await clientOf(home);
  // Its reader takes nothing more for now: of some hundred pieces it has taken a few when the daemon is killed.
  tail.child.stdout!.pause();
  const part = { type: 'text', text: 'y'.repeat(7_000) } as const;
  const model = { providerId: 'p', modelId: 'm' };
  const parts = range(1, 900).map(() => part);
  await client.call('turn/start', { sessionId: 'ses_a', agent: 'g', model, parts });
  await untilUnread(client);
  await daemon.kill('SIGKILL');
  tail.child.stdout!.resume();
  await tail.told(/"lost"/);
  const { lost } = jsonLines(tail.stderr())[0] as { lost: { seq: number } };
  await startDaemon(home);
  await createSessions(home, 'b');
  await tail.printed(/is b/);
  const { stdout } = await interrupt(tail);
  const all = seqs(stdout) as number[];
  expect(all).toEqual(range(1, all.length));
  // More than one piece.
  expect(lost.seq).toBeGreaterThan(2 * 40);
  expect(lost.seq).toBeLessThan(all.length - 1);
});
