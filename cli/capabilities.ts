// Capabilities as a person names them, and as the daemon lists them.
import type { Capability } from '../protocol/capability.ts';
import type { Client } from '../protocol/client.ts';
import { candidateLines } from './candidates.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { pages } from './pages.ts';
import { cleanStart } from './render/clean.ts';
import { matching } from './resolve.ts';

const prefix = 'cap_';

/** All that the caller may know of, the oldest first, those that are over too. */
export async function allCapabilities(client: Client): Promise<Capability[]> {
  const all: Capability[] = [];
  for await (const items of pages(client, 'capability/list', { limit: 1000 })) all.push(...items);
  return all;
}

/** Those that were made out of it, and out of these; `all` has parents before their children. */
export function madeOutOf(all: Capability[], id: string): Capability[] {
  const family = new Set([id]);
  return all.filter((each) => {
    if (each.parentId === null || !family.has(each.parentId)) return false;
    family.add(each.id);
    return true;
  });
}

/**
 * The one whose id this is, or begins with this; `cap_` may be left out. Fails as not found (5), or with the candidates as
 * ambiguous (2).
 */
export function resolveCapability({ commandLine }: Context, all: Capability[], given: string): Capability {
  const start = given.startsWith(prefix) ? given : prefix + given;
  // Nothing, as of a variable that is not set, must not name the only one there is.
  if (!/^cap_[A-Za-z0-9_-]{1,64}$/.test(start)) {
    const hint = `what was handed out: ${commandLine('caps --all')}`;
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not an id`, hint);
  }
  const exact = all.find(({ id }) => id === start);
  if (exact) return exact;
  const found = matching(all, start);
  const [only] = found;
  if (!only) {
    const message = `the id of nothing that was handed out starts with ${cleanStart(given, 100)}`;
    throw new CliError(exitCodes.notFound, message, `what was handed out: ${commandLine('caps --all')}`);
  }
  if (found.length > 1) {
    const lines = candidateLines(found, ({ label }) => label);
    const message = `${found.length} capabilities have ids that start with ${cleanStart(given, 100)}:`;
    throw new CliError(exitCodes.usage, [message, ...lines].join('\n'), 'give more of the id');
  }
  return only;
}
