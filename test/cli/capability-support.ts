// What the tests of capabilities share: homes with sessions, and tokens in files of the home's folder, which commands run in.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Params } from '../../protocol/methods.ts';
import { startDaemon } from '../support/daemon.ts';
import type { Home } from '../support/home.ts';
import { clientOf, cliHome, seedSession } from './run-cli.ts';

export async function homeWith(...names: string[]): Promise<Home> {
  const home = cliHome();
  await startDaemon(home);
  for (const name of names) await seedSession(home, `ses_${name}`, `title of ${name}`);
  return home;
}

export const pathOf = (home: Home, name: string) => join(home.folder, name);
export const tokenIn = (home: Home, name: string) => readFileSync(pathOf(home, name), 'utf8').trim();
export const secretOf = (token: string) => token.split('.')[1]!;

/** Puts a token of what is given into a file. */
export async function hold(home: Home, name: string, given: Partial<Params<'capability/grant'>> = {}) {
  const client = await clientOf(home);
  const params = { label: name, rights: ['read' as const], sessions: ['ses_a'], ...given };
  const { capability, token } = await client.call('capability/grant', params);
  client.close();
  writeFileSync(pathOf(home, name), `${token}\n`, { mode: 0o600 });
  return { capability, token };
}
