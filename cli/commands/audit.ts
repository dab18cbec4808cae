// audit [ID]: who did what with what was handed out, and what was refused; the newest last, as in a log.
import type { Command } from 'commander';
import type { AuditEntry } from '../../protocol/capability.ts';
import type { Client } from '../../protocol/client.ts';
import { allCapabilities, resolveCapability } from '../capabilities.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { wholeNumber } from '../option-values.ts';
import { pages } from '../pages.ts';
import { auditTable } from '../render/audit.ts';
import { safeJson } from '../render/clean.ts';

const lastByDefault = 100;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('[capability]', 'only of this one: its id as caps shows it, or the start of it')
    .option('--limit <N>', 'the last N entries', wholeNumber('--limit'), lastByDefault)
    .addHelpText(
      'after',
      `\nEvery change and every refusal is in it; what only reads is, once a connection and method. What you do without a\n` +
        `capability is not, but for handing out and taking back. With --json each line is an entry.\n\n` +
        `Examples:\n  ${program} audit\n  ${program} audit cap_4kZq --limit 20\n` +
        `  ${program} audit --json | jq 'select(.outcome != "ok")'`,
    )
    .action(async (given: string | undefined, { limit }: { limit: number }) => {
      const { out, json } = context;
      await withDaemon(context, async ({ client }) => {
        const all = await allCapabilities(client);
        const capabilityId = given === undefined ? undefined : resolveCapability(context, all, given).id;
        const entries = await newest(client, capabilityId, limit);
        if (json) return out.lines(entries.map((entry) => safeJson(entry)));
        if (entries.length === 0) return out.line('Nothing was done with what was handed out.');
        const { width, style } = out;
        await out.lines(await auditTable(entries, all, { width, style }));
      });
    });
}

/** The last so many, the oldest of them first. */
async function newest(client: Client, capabilityId: string | undefined, limit: number): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  const params = { limit: Math.min(limit, 1000), ...(capabilityId !== undefined && { capabilityId }) };
  for await (const items of pages(client, 'capability/audit', params)) {
    entries.push(...items);
    if (entries.length >= limit) break;
  }
  return entries.slice(0, limit).reverse();
}
