// tail against an output that fails, and what it is made of; what it prints is in live.test.ts, its life over daemons that
// go in tail-reconnect.test.ts, and that by a name in tail-name.test.ts.
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { Acknowledger } from '../../cli/acknowledger.ts';
import { configure } from '../../cli/commands/tail.ts';
import { Output } from '../../cli/output.ts';
import { Tail } from '../../cli/tail.ts';
import type { Client } from '../../protocol/client.ts';
import { Backoff } from '../../protocol/reconnect.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { startDaemon } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome } from './run-cli.ts';

test('the cursor that a tail tells does not cover what could not be printed', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  for (const sessionId of ['ses_a', 'ses_b']) await client.call('session/create', { sessionId });
  const tail = (code: string) => {
    const failing = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })),
    });
    const { context, err } = fakeTerminal(home, { out: new Output(failing, {}) });
    const command = new Command();
    configure(command, context);
    return { ended: command.parseAsync(['--from', 'start'], { from: 'user' }), err };
  };
  const full = tail('ENOSPC');
  await expect(full.ended).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(full.err.text).toMatch(/resume with: sessiond tail --from \w+\.0\.\w+\n$/);
  const closed = tail('EPIPE');
  await closed.ended;
  expect(closed.err.text).toBe('');
});

test('a tail that would wait for days before its next try is ended at once', async () => {
  const home = cliHome();
  const daemon = await startDaemon(home);
  const stop = new AbortController();
  const client = await clientOf(home);
  await client.call('session/create', { sessionId: 'ses_a' });
  const told: string[] = [];
  let begin!: () => void;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const tail = new Tail({
    reconnect: () => clientOf(home),
    print: async () => begin(),
    tell: async ({ is }) => {
      told.push(is);
      setImmediate(() => stop.abort()); // the wait has begun then
    },
    stop,
    backoff: new Backoff({ baseMs: 2 ** 31 - 1, maxMs: 2 ** 31 - 1 }, () => 1),
  });
  const ended = tail.follow(client, 'start');
  await within('the event', begun);
  await daemon.kill('SIGKILL');
  expect(await within('the tail to end', ended)).toEqual({ why: 'stopped', owesAck: false });
  expect(told).toEqual(['lost']);
});

/** A client whose events/ack waits until the test settles it. */
function ackingClient() {
  const calls: { cursor: string; settle: (error?: Error) => void }[] = [];
  const call = (_method: string, { cursor }: { cursor: string }) =>
    new Promise<void>((resolve, reject) => {
      calls.push({ cursor, settle: (error) => (error ? reject(error) : resolve()) });
    });
  return { client: { call } as unknown as Client, calls, cursors: () => calls.map(({ cursor }) => cursor) };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('one acknowledgement at a time is under way, and the next is of all that was printed meanwhile', async () => {
  const { client, calls, cursors } = ackingClient();
  const acknowledger = new Acknowledger('n', client);
  for (const cursor of ['1', '2', '3']) acknowledger.printed(cursor);
  expect(cursors()).toEqual(['1']);
  calls[0]!.settle();
  await nextTurn();
  expect(cursors()).toEqual(['1', '3']);
  calls[1]!.settle();
  await nextTurn();
  acknowledger.printed('3');
  acknowledger.printed('4');
  expect(cursors()).toEqual(['1', '3', '4']);
  const finished = acknowledger.finish();
  calls[2]!.settle();
  expect(await finished).toBe(true);
});

test('[P12] what a lost connection did not acknowledge is told to the next, or is owed at the end', async () => {
  const [first, second] = [ackingClient(), ackingClient()];
  const acknowledger = new Acknowledger('n', first.client);
  acknowledger.printed('1');
  first.calls[0]!.settle(new TransportClosedError());
  await nextTurn();
  acknowledger.use(second.client);
  expect(second.cursors()).toEqual(['1']);
  const finished = acknowledger.finish();
  for (const attempt of [0, 1]) {
    second.calls[attempt]!.settle(new TransportClosedError());
    await nextTurn();
  }
  expect(await finished).toBe(false);
  expect(second.cursors()).toEqual(['1', '1']);
});
