// What the tests of tail share. What a tail tells is read as JSON lines of its stderr.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';
import type { Run, Running } from './run-cli.ts';
import { clientOf } from './run-cli.ts';

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The seqs of the events printed. */
export const seqs = (text: string) => jsonLines(text).map(({ seq }) => seq as number);

export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Creates a session titled `is NAME` for each, one event each. */
export async function createSessions(home: Home, ...names: string[]): Promise<void> {
  const client = await clientOf(home);
  for (const name of names) await client.call('session/create', { sessionId: `ses_${name}`, title: `is ${name}` });
  client.close();
}

/** Puts so many texts into a session, each an op of its own. */
export async function putTexts(client: Client, sessionId: string, count: number, units: number): Promise<void> {
  const messageId = `msg_${sessionId.slice(4)}`;
  await client.call('message/put', { sessionId, messageId, role: 'user' });
  for (let each = 0; each < count; each += 1) {
    await client.call('part/put', { sessionId, messageId, part: { type: 'text', text: 'x'.repeat(units) } });
  }
}

/** Sets what the daemon that is started next keeps of the journal. */
export function keepEvents(home: Home, rule: Record<string, number>): void {
  mkdirSync(dirname(home.paths.config), { recursive: true, mode: 0o700 });
  const lines = Object.entries(rule).map(([key, value]) => `${key} = ${value}\n`);
  writeFileSync(home.paths.config, `[retention]\n${lines.join('')}`);
}

/** What `work` does is done before the tail does anything more. */
export async function whileStopped(tail: Running, work: () => Promise<unknown>): Promise<void> {
  tail.child.kill('SIGSTOP');
  try {
    await work();
  } finally {
    tail.child.kill('SIGCONT');
  }
}

/** Ctrl-C. */
export function interrupt(tail: Running): Promise<Run> {
  tail.child.kill('SIGINT');
  return tail.ended;
}

/** Resolves once `isSo` holds; each look is a call of its own to the daemon. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const wait = async () => {
    while (!(await isSo()));
  };
  await within(what, wait());
}

/** Resolves once the daemon holds more for a reader than the socket takes, and look after look the same. */
export async function untilUnread(client: Client): Promise<void> {
  let [last, same] = ['', 0];
  await until('a reader to read no more', async () => {
    const { connections } = await client.call('daemon/status', {});
    const stalled = connections.find(({ bufferedBytes }) => bufferedBytes > 0);
    const now = JSON.stringify([stalled?.lag, stalled?.bufferedBytes]);
    same = stalled && now === last ? same + 1 : 0;
    last = now;
    return same >= 100;
  });
}
