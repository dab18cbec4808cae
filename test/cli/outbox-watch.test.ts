// outbox --watch: what it tells of what waits, by the real command over its real daemon.
import { expect, test } from 'vitest';
import { homeWith } from './capability-support.ts';
import { addTo, fakeHost, sinkOf, until } from './outbox-support.ts';
import { endDaemon, run, shownProgram, start } from './run-cli.ts';
import { interrupt, jsonLines } from './tail-support.ts';

test('outbox --watch tells each try, and what became of it; Ctrl-C ends it with 0', async () => {
  let isUp = false;
  const url = await fakeHost(() => (isUp ? { rejected: [] } : { status: 503 }));
  const home = await homeWith('a');
  const watch = start(home, ['outbox', '--watch']);
  await watch.printed(/^Nothing is sent anywhere\.\n.*\nwatching \(Ctrl-C ends\)\n/);
  await addTo(home, 'other', url);
  await watch.printed(
    /^\d\d:\d\d:\d\d {2}other {2}bat_\S+ {2}\d+ ops, waiting, tried .*, next try .*: .* answered 503\n/m,
  );
  await watch.printed(/^\S+ {2}other {2}failing, \d+ events behind\n/m);
  isUp = true;
  await watch.printed(/^\S+ {2}other {2}bat_\S+ {2}arrived\n/m);
  await watch.printed(/^\S+ {2}other {2}active, has everything\n/m);
  await run(home, ['sink', 'rm', 'other']);
  await watch.printed(/^\S+ {2}other {2}removed\n/m);
  expect(await interrupt(watch)).toMatchObject({ code: 0, stderr: '' });
});

test('outbox --watch --json prints a batch a line: when it is tried, when it arrived, when it was given up', async () => {
  let answer: { status: number } | { rejected: [] } = { status: 503 };
  const url = await fakeHost(() => answer);
  const home = await homeWith('a');
  await addTo(home, 'other', url);
  answer = { status: 404 };
  const watch = start(home, ['outbox', '--watch', '--json', '--sink', 'other']);
  await watch.printed(/"state":"failed"/);
  const { batchId } = jsonLines(watch.stdout()).at(-1) as { batchId: string };
  await run(home, ['outbox', 'discard', batchId]);
  await watch.printed(/"discarded":true/);
  await run(home, ['rename', 'a', 'another']);
  await run(home, ['sink', 'resume', 'other']);
  await watch.printed(/"discarded":true\}\n.*"state":"failed"/);
  answer = { rejected: [] };
  await run(home, ['sink', 'resume', 'other']);
  await watch.printed(/"state":"acked"/);
  const lines = jsonLines((await interrupt(watch)).stdout);
  expect(lines.find(({ discarded }) => discarded === true)).toMatchObject({ batchId });
  expect(lines.at(-1)).toMatchObject({ state: 'acked', sink: 'other' });
});

test('outbox --watch tells that a sink moved on also where its batch came and went between two looks', async () => {
  const home = await homeWith('a');
  await run(home, ['sink', 'add', 'arch', 'arch.jsonl']);
  await until(
    'all to arrive',
    () => sinkOf(home, 'arch'),
    ({ lag }) => lag === 0,
  );
  const watch = start(home, ['outbox', '--watch']);
  await watch.printed(/^Nothing waits for arch\.\nwatching/);
  await run(home, ['rename', 'a', 'another']);
  await watch.printed(/^\d\S+ {2}arch {2}active, has everything\n/m);
});

test('outbox --watch ends with 3 when the daemon does', async () => {
  const home = await homeWith('a');
  const watch = start(home, ['outbox', '--watch']);
  await watch.printed(/watching/);
  await endDaemon(home);
  expect(await watch.ended).toMatchObject({
    code: 3,
    stderr: `error: the daemon has ended\nhint: start it again: ${shownProgram} start\n`,
  });
});
