// A whole daemon in this process that reads the transcripts of a test's home, and what its tests ask of it.
import type { Source } from '../../daemon/adapters/adapter.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import type { Client } from '../../protocol/client.ts';
import { daemonInProcess } from './daemon.ts';
import { readEverything, takenIn } from './everything.ts';
import type { Home } from './home.ts';

/** Started, with all that lies there now taken in. */
export async function watching(home: Home, source: Source = claudeCodeSource(home.claude)) {
  const { daemon, connect } = daemonInProcess(home, { sources: [source] });
  await daemon.start();
  const client = connect();
  await takenIn(client);
  return { client, stop: () => daemon.stop() };
}

/** Every text there is, session by session; other parts by their type. */
export async function texts(client: Client): Promise<string[]> {
  const held = [...(await readEverything(client)).values()];
  const parts = held.flatMap(({ items }) => items.flatMap((item) => item.parts));
  return parts.map((part) => (part.type === 'text' ? part.text : `(${part.type})`));
}

export async function head(client: Client): Promise<string> {
  return (await client.call('daemon/status', {})).head;
}
