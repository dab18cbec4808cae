// tail against an output that fails; what it prints is in live.test.ts.
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure } from '../../cli/commands/tail.ts';
import { Output } from '../../cli/output.ts';
import { startDaemon } from '../support/daemon.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome } from './run-cli.ts';

test('the cursor that a tail tells does not cover what could not be printed', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  for (const sessionId of ['ses_a', 'ses_b']) await client.call('session/create', { sessionId });
  const closed = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
  });
  const { context, err } = fakeTerminal(home, { out: new Output(closed, {}) });
  const command = new Command();
  configure(command, context);
  await command.parseAsync(['--from', 'start'], { from: 'user' });
  expect(err.text).toMatch(/resume with: sessiond tail --from \w+\.0\.\w+\n$/);
});
