// __complete: what a completion script asks while somebody types: one candidate a line, a tab, what it is. It never starts
// a daemon, keeps nobody waiting and never fails: no candidates are an answer too.
import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { agentsOf } from '../agents.ts';
import { allCapabilities } from '../capabilities.ts';
import type { Asked } from '../completion/model.ts';
import { askable } from '../completion/model.ts';
import { connectIfRunning } from '../connect.ts';
import type { Context } from '../context.ts';
import { readWaiting } from '../outbox.ts';
import { sessionPages } from '../pages.ts';
import { cleanLine, cleanStart, isClean } from '../render/clean.ts';
import { isAgentId } from '../resolve.ts';
import { allShares } from '../shares.ts';

/** Whoever pressed TAB thinks that it hangs when this takes longer. */
const patienceMs = 1500;
const mostSessions = 500;

type Candidate = [name: string, description: string];

export function configure(command: Command, context: Context): void {
  command
    .addArgument(new Argument('<what>', 'what is asked for').choices(askable))
    .argument('[start]', 'what was typed of it')
    .action(async (what: Asked, start = '') => {
      const candidates = await inTime(ask(context, what, start).catch(() => []));
      await context.out.lines(
        candidates.filter(([name]) => name.startsWith(start)).map((pair) => pair.join('\t').trimEnd()),
      );
    });
}

async function ask(context: Context, what: Asked, start: string): Promise<Candidate[]> {
  const connected = await connectIfRunning(context);
  if (!connected) return [];
  try {
    return await candidatesFor[what](connected.client, start);
  } finally {
    connected.client.close();
  }
}

const candidatesFor: Record<Asked, (client: Client, start: string) => Promise<Candidate[]>> = {
  /** The newest that fit; more than these nobody reads in a shell. The agents' own ids only once one is begun. */
  sessions: async (client, start) => {
    const fitting: Candidate[] = [];
    for await (const sessions of sessionPages(client, { limit: 1000 })) {
      for (const { id, origin, title } of sessions) {
        const own = origin?.externalId ?? '';
        const names = start === '' || !isAgentId(own) ? [id] : [id, own];
        for (const name of names)
          if (name.startsWith(start)) fitting.push([cleanLine(name), cleanStart(title ?? '', 60)]);
      }
      if (fitting.length >= mostSessions) break;
    }
    return fitting.slice(0, mostSessions);
  },
  agents: async (client) => (await agentsOf(client)).filter(isAgentId).map((name) => [name, '']),
  folders: async (client) => {
    const folders = new Set<string>();
    for await (const sessions of sessionPages(client, { limit: 1000 })) {
      for (const { directory } of sessions) if (directory !== null && isOneLine(directory)) folders.add(directory);
    }
    return [...folders].slice(0, mostSessions).map((folder) => [folder, '']);
  },
  sources: async (client) => {
    const { items } = await client.call('source/list', {});
    return items.map(({ name, path }) => [cleanLine(name), cleanStart(path, 200)]);
  },
  capabilities: async (client) =>
    (await allCapabilities(client))
      .filter(({ revokedAt }) => revokedAt === null)
      .map(({ id, label }) => [cleanLine(id), cleanStart(label, 60)]),
  sinks: async (client) => {
    const { items } = await client.call('sink/list', {});
    return items.map(({ name, url }) => [cleanLine(name), cleanStart(url, 200)]);
  },
  batches: async (client) =>
    (await readWaiting(client)).batches.map(({ batchId, sink }) => [cleanLine(batchId), cleanLine(sink)]),
  /** A share is taken back by its session too. */
  shares: async (client) => {
    const shares = (await allShares(client)).filter(({ state }) => state !== 'ending');
    const named = shares.map(({ id, title }): Candidate => [cleanLine(id), cleanStart(title ?? '', 60)]);
    const sessions = new Map(shares.map(({ sessionId, title }) => [cleanLine(sessionId), cleanStart(title ?? '', 60)]));
    return [...named, ...sessions];
  },
  methods: async (client) => {
    const { methods } = (await client.call('rpc.discover', {})) as { methods: { name: string; summary?: string }[] };
    return methods.map(({ name, summary }) => [cleanLine(name), cleanLine(summary ?? '')]);
  },
};

function isOneLine(text: string): boolean {
  return isClean(text) && !/[\n\t]/.test(text);
}

function inTime(candidates: Promise<Candidate[]>): Promise<Candidate[]> {
  return new Promise((resolve) => {
    setTimeout(resolve, patienceMs, []);
    candidates.then(resolve);
  });
}
