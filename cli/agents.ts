// Which agents there are, for completion and for whoever names one that is not there.
import type { Client } from '../protocol/client.ts';
import { sessionPages } from './pages.ts';
import { cleanStart } from './render/clean.ts';

/** All agents that a session is of, sorted. Reads the whole list: for when something is wrong, or somebody waits for it. */
export async function agentsOf(client: Client): Promise<string[]> {
  const agents = new Set<string>();
  for await (const sessions of sessionPages(client, { limit: 1000 })) {
    for (const { agent } of sessions) if (agent !== null) agents.add(agent);
  }
  return [...agents].sort();
}

/** Why nothing is of this agent, when it is none of those that there are; else undefined. */
export async function unknownAgentText(client: Client, agent: string): Promise<string | undefined> {
  const agents = await agentsOf(client);
  if (agents.length === 0 || agents.includes(agent)) return undefined;
  const names = agents.map((name) => cleanStart(name, 60));
  return `no session is of the agent ${cleanStart(agent, 60)}; there are: ${names.join(', ')}`;
}
