// What only a terminal gets, with a terminal that is faked: the progress bar, the short list, widths, colours.
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { configure as configureLs } from '../../cli/commands/ls.ts';
import { followFirstRead } from '../../cli/first-read.ts';
import { Output, OutputClosedError } from '../../cli/output.ts';
import type { Client } from '../../protocol/client.ts';
import type { SourceStatus } from '../../protocol/methods.ts';
import { startDaemon } from '../support/daemon.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome } from './run-cli.ts';

test('ls on a terminal shows the newest 50 and how to see the others, coloured and cut to its width', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const ops = Array.from({ length: 60 }, (_, index) => ({
    opId: `o${index}`,
    type: 'session/create' as const,
    params: { sessionId: `ses_n${index}`, title: `${index} ${'漢字 '.repeat(40)}` },
  }));
  await client.call('ops/append', { ops });
  const { context, out } = fakeTerminal(home);
  const command = new Command();
  configureLs(command, context);
  await command.parseAsync([], { from: 'user' });
  const lines = out.text.trimEnd().split('\n');
  expect(lines).toHaveLength(53);
  expect(lines.at(-1)).toContain('10 more: sessiond ls --all');
  const { default: stringWidth } = await import('string-width');
  for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(80);
  expect(lines[2]).toContain('\x1b[36m');
});

/** A client that answers source/list with these, one after another, the last for ever. */
function scripted(states: Partial<SourceStatus>[]): Client {
  const idle = { name: 's', kind: 's', path: '/p', files: 4, filesDone: 0, bytesBehind: 0, sessions: 0, badRecords: 0 };
  let at = 0;
  const call = async () => {
    const state = states[Math.min(at, states.length - 1)];
    at += 1;
    return { items: [{ ...idle, state: 'reading', lastError: null, ...state }], cursor: 'c.0.t' };
  };
  return { call } as unknown as Client;
}

const reads: Partial<SourceStatus>[] = [
  { filesDone: 0, bytesBehind: 1000 },
  { filesDone: 2, bytesBehind: 500 },
  { filesDone: 4, state: 'watching' },
];

test('the first read draws a bar on a terminal and takes it away when it is over', async () => {
  const { context, out, err } = fakeTerminal(cliHome());
  const { sources } = await followFirstRead(context, scripted(reads));
  expect(sources[0]).toMatchObject({ state: 'watching', filesDone: 4 });
  const drawn = err.text.split('\r\x1b[K');
  expect(drawn[1]).toMatch(/^\[-+\] reading transcripts: 0 of 4 files, 1\.0 kB to go$/);
  expect(drawn[2]).toMatch(/^\[#+-+\] reading transcripts: 2 of 4 files, 500 B to go$/);
  expect(drawn.at(-1)).toBe('');
  expect(out.text).toBe('');
});

test('the bar never goes back: while files are still being found, that is said in its place', async () => {
  const { context, err } = fakeTerminal(cliHome());
  const { hadNews } = await followFirstRead(
    context,
    scripted([
      { files: 0 },
      { files: 4, filesDone: 2, bytesBehind: 500 },
      { files: 4, filesDone: 3, bytesBehind: 100 },
      { files: 9, filesDone: 3, bytesBehind: 9000 },
      { files: 9, filesDone: 4, bytesBehind: 8000 },
      { files: 9, filesDone: 5, bytesBehind: 8500 },
      { files: 9, filesDone: 9, state: 'watching' },
    ]),
  );
  expect(hadNews).toBe(true);
  const drawn = err.text.split('\r\x1b[K').slice(1, -1);
  expect(drawn[1]).toBe('finding transcripts: 4 files so far');
  for (const at of [3, 5]) expect(drawn[at]).toBe('finding transcripts: 9 files so far');
  const full = (bar: string) => bar.split('#').length - 1;
  expect(full(drawn[2]!)).toBeGreaterThan(10);
  expect(full(drawn[4]!)).toBe(full(drawn[2]!));
  expect(await followFirstRead(context, scripted([{ state: 'watching' }]))).toMatchObject({ hadNews: false });
});

test('with --json nothing is drawn', async () => {
  const { context, err } = fakeTerminal(cliHome(), { json: true });
  await followFirstRead(context, scripted(reads));
  expect(err.text).toBe('');
});

test('a read that does not move for 30 s keeps nobody waiting', async () => {
  let now = 0;
  const { context } = fakeTerminal(cliHome(), {
    now: () => {
      now += 20_000;
      return now;
    },
  });
  const { sources } = await followFirstRead(context, scripted([{ filesDone: 1 }]));
  expect(sources[0]).toMatchObject({ state: 'reading', filesDone: 1 });
});

test('a write tells a closed reader from a failing disk', async () => {
  const failing = (code: string) =>
    new Output(
      new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) }),
      {},
    );
  for (const code of ['EPIPE', 'EIO', 'ECONNRESET']) {
    await expect(failing(code).write('x')).rejects.toBeInstanceOf(OutputClosedError);
  }
  await expect(failing('ENOSPC').write('x')).rejects.toMatchObject({ code: 'ENOSPC' });
});
