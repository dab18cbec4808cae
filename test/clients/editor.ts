// Plays the guide's snippets for editors, each as it stands there and in the real editor, which tells on stderr what waits.
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, watch, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import { dist } from '../support/build.ts';
import { afterTest, connectTo, startDaemon, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';
import type { Home } from '../support/home.ts';

/** Longer than what comes at once. */
const long = '🙂'.repeat(100_000);

/**
 * Expects that an editor whose snippet subscribes as `name` tells once what is asked, also while it or the daemon was away, and
 * nothing else but `aside`. `tell`: how it tells a request.
 */
export async function playEditor(name: string, command: string[], aside = '', tell = plainly): Promise<void> {
  const home = testHome();
  const asked = putOnPath(home);
  // What asked for the socket finds no daemon there yet.
  const first = new Editor(home, command);
  await within('the editor to ask for the socket', asked, () => first.aside);
  let daemon = await startDaemon(home);
  let client = await connectTo(home);
  await hasRead(client, name);
  await client.call('session/create', { sessionId: 'ses_a' });
  const blockerId = await ask(client, 'the first 𝄞?');
  await first.tells(tell(question('the first 𝄞?')));
  // Its end is an event too, which tells nothing that waits.
  await client.call('blocker/answer', { sessionId: 'ses_a', blockerId, answer: { answers: [['yes']] } });
  await hasRead(client, name);
  await first.end();

  await ask(client, 'missed "🙂"?', long);
  const request = { permission: 'Bash', patterns: ['rm -rf build', 'ls'] };
  await client.call('blocker/ask', { sessionId: 'ses_a', kind: 'permission', request });
  const second = new Editor(home, command);
  await hasRead(client, name);
  await daemon.kill('SIGKILL');
  daemon = await startDaemon(home);
  client = await connectTo(home);
  await ask(client, 'while it was away?');
  await second.tells(tell(question('while it was away?')));
  await second.end();

  expect(first.told).toEqual([tell(question('the first 𝄞?'))]);
  const missed = [question('missed "🙂"?', long), request, question('while it was away?')];
  expect(second.told).toEqual(missed.map(tell));
  expect(first.aside).toBe('');
  expect(second.aside).toBe(aside);
}

type Request = ReturnType<typeof question> | { permission: string; patterns: string[] };

function question(text: string, description = '') {
  return { questions: [{ question: text, header: 'h', options: [{ label: 'yes', description }] }] };
}

function plainly(request: Request): string {
  return 'questions' in request ? request.questions[0]!.question : [request.permission, ...request.patterns].join(' ');
}

/** Resolves with the blocker's id. */
async function ask(client: Client, text: string, description?: string): Promise<string> {
  const asked = { sessionId: 'ses_a', kind: 'question' as const, request: question(text, description) };
  return (await client.call('blocker/ask', asked)).ids.blockerId!;
}

/** Resolves when the subscriber `name` is there and has acknowledged all that there is. */
async function hasRead(client: Client, name: string): Promise<void> {
  let items: { name: string; connectionId: string | null; lag: number }[] = [];
  const isSo = async () => {
    do ({ items } = await client.call('subscriber/list', {}));
    while (!items.some((each) => each.name === name && each.connectionId !== null && each.lag === 0));
  };
  await within(`${name} to have read all`, isSo(), () => items);
}

/** What a user has installed: a command `sessiond`, which an editor asks for the socket. Resolves when that was answered. */
async function putOnPath(home: Home): Promise<void> {
  const folder = join(home.folder, 'bin');
  mkdirSync(folder);
  const script = `#!/bin/sh\n'${process.execPath}' '${join(dist, 'cli.js')}' "$@"\ntouch '${folder}/asked'\n`;
  writeFileSync(join(folder, 'sessiond'), script, { mode: 0o755 });
  home.env.PATH = `${folder}${delimiter}${home.env.PATH}`;
  const watcher = watch(folder);
  afterTest(() => watcher.close());
  await once(watcher, 'change');
}

class Editor {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stderr = '';
  #isClosed = false;
  #wake = () => {};

  constructor(home: Home, [file, ...args]: string[]) {
    const stdio: StdioOptions = ['ignore', 'ignore', 'pipe'];
    // A group of its own: what it starts ends with it.
    this.#child = spawn(file!, args, { env: home.env, cwd: home.folder, detached: true, stdio });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#wake();
    });
    this.#closed = once(this.#child, 'close').finally(() => {
      this.#isClosed = true;
    });
    this.#closed.catch(() => {});
    afterTest(() => this.end());
  }

  /** What waits, as it told that, in order. */
  get told(): string[] {
    return [...this.#stderr.matchAll(waiting)].map((match) => match[1]!);
  }

  /** What else it told. */
  get aside(): string {
    return this.#stderr.replace(waiting, '').trim();
  }

  async tells(what: string): Promise<void> {
    const isTold = async () => {
      while (!this.told.includes(what)) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await within(`the editor to tell ${what}`, isTold(), () => this.#stderr);
  }

  async end(): Promise<void> {
    if (!this.#isClosed && this.#child.pid) process.kill(-this.#child.pid, 'SIGKILL');
    await within('the editor to end', this.#closed, () => this.#stderr);
  }
}

const waiting = /(.+?) \(sessiond answer blk_[\w-]+\)/g;
