// fork: a copy of a session, or of its beginning.
import { expect, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { clientOf, cliHome, run, seedSession } from './run-cli.ts';

test('fork copies a session, and with --at the beginning of it', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_seed', 'the work');
  const client = await clientOf(home);
  const whole = await run(home, ['fork', 'see']);
  expect(whole).toMatchObject({ code: 0, stderr: '' });
  expect(whole.stdout).toMatch(/^forked ses_\S+ {2}the work \(fork\)\n2 messages of ses_seed\n$/);
  for (const at of ['1', 'msg_seed1', 'seed1']) {
    const { code, stdout } = await run(home, ['fork', 'ses_seed', '--at', at, '--title', 'another way', '--json']);
    expect({ at, code }).toEqual({ at, code: 0 });
    const { sessionId, forkedFrom } = JSON.parse(stdout) as { sessionId: string; forkedFrom: string };
    expect(forkedFrom).toBe('ses_seed');
    const { session } = await client.call('session/get', { sessionId });
    expect(session).toMatchObject({ title: 'another way', messageCount: 1 });
  }
});

test('a message or session that there is not exits 5, one that is not told apart 2', async () => {
  const home = cliHome();
  await startDaemon(home);
  await seedSession(home, 'ses_seed', 'the work');
  for (const args of [
    ['ses_none'],
    ['ses_seed', '--at', '3'],
    ['ses_seed', '--at', '0'],
    ['ses_seed', '--at', 'msg_x'],
  ]) {
    expect(await run(home, ['fork', ...args]), args.join(' ')).toMatchObject({ code: 5, stdout: '' });
  }
  const { code, stderr } = await run(home, ['fork', 'ses_seed', '--at', 'msg_seed']);
  expect({ code, stderr }).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('2 messages have ids that start'),
  });
  const client = await clientOf(home);
  expect((await client.call('session/list', {})).items).toHaveLength(1);
});
