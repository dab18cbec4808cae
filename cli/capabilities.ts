// Capabilities as a person names them, and as the daemon lists them.
import type { Capability } from '../protocol/capability.ts';
import type { Client } from '../protocol/client.ts';
import type { Context } from './context.ts';
import { pages } from './pages.ts';
import { resolveListed } from './resolve-listed.ts';

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

/** The one whose id this is, or begins with this. Fails as resolveListed does. */
export function resolveCapability({ commandLine }: Context, all: Capability[], given: string): Capability {
  return resolveListed(all, given, {
    prefix: 'cap_',
    hint: `what was handed out: ${commandLine('caps --all')}`,
    none: 'the id of nothing that was handed out starts with',
    several: 'capabilities',
    textOf: ({ label }) => label,
  });
}
