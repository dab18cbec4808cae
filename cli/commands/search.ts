// search QUERY…: full text over all sessions, the best places first.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import { RpcError } from '../../protocol/errors.ts';
import type { SearchHit } from '../../protocol/methods.ts';
import { unknownAgentText } from '../agents.ts';
import type { Connected } from '../connect.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { CliError, exitCodes } from '../exit.ts';
import { emptyLines, noticeReading } from '../list.ts';
import { wholeNumber } from '../option-values.ts';
import { cleanStart, safeJson } from '../render/clean.ts';
import { grouped } from '../render/quantity.ts';
import { searchLines } from '../render/search.ts';
import { wrap } from '../render/width.ts';
import { filterWords, insideOf } from '../session-filter.ts';
import { shellQuote } from '../shell-quote.ts';

const usualLimit = 20;
const pageSize = 100;
/** What the daemon takes, in UTF-16 units. */
const longestQuery = 1000;

type Options = { agent?: string; dir?: string; limit?: number };
type Asked = Options & { query: string };
type Found = { items: SearchHit[]; hasMore: boolean; cursor: string };

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<words...>', 'what to look for: all of the words')
    .option('--agent <NAME>', 'only in sessions of this agent, for example claude-code')
    .option('--dir <PATH>', 'only in sessions in this folder and below')
    .option('--limit <N>', `at most N places, else ${usualLimit}`, wholeNumber('--limit'))
    .addHelpText(
      'after',
      `\nWhat was said is searched, reasoning, and what went into tools and came out of them. "a phrase" stands as it is\n` +
        `written, begin* is the start of a word; large and small letters and accents are the same. All words must stand\n` +
        `in one text. A text that is still being streamed is found when its turn has ended. Titles, punctuation and emoji\n` +
        `are not searched, archived sessions are. --limit 100 shows more places. The exit code is 0 also where nothing\n` +
        `is found.\n\n` +
        `Examples:\n  ${program} search login redirect --dir .\n  ${program} search '"connection refused"' --agent codex\n` +
        `  ${program} search 'migrat*' --json | jq -r '.[].session.id' | sort -u`,
    )
    .action(async (words: string[], options: Options) => {
      const asked = { ...options, query: words.join(' ') };
      check(context, asked.query);
      await withDaemon(context, (connected) => search(context, connected, asked));
    });
}

function check({ commandLine }: Context, query: string): void {
  // As the daemon knows words: letters, numbers, and signs of private use.
  if (!/[\p{L}\p{N}\p{Co}]/u.test(query)) {
    const message = 'there is no word to search for; punctuation and emoji are not searched';
    throw new CliError(exitCodes.usage, message, `give a word, or the start of one: ${commandLine(`search 'begin*'`)}`);
  }
  if (query.length > longestQuery) {
    const message = `what to look for has ${grouped(query.length)} characters, and may have ${grouped(longestQuery)}`;
    throw new CliError(exitCodes.usage, message, 'search for fewer words');
  }
}

async function search(context: Context, { client, server }: Connected, asked: Asked): Promise<void> {
  const { out, err, json, commandLine } = context;
  const found = await read(client, asked);
  if (json) {
    await out.line(found.items.length === 0 ? '[]' : `[\n${found.items.map((hit) => safeJson(hit)).join(',\n')}\n]`);
  } else if (found.items.length === 0) {
    await out.lines((await nothingLines(context, client, asked)).flatMap((line) => wrap(line, out.width)));
  } else {
    const { width, style } = out;
    await out.lines(await searchLines(found.items, { width, style, now: context.now(), home: context.home }));
  }
  if (!json && found.items.length > 0) {
    const { limit = usualLimit, query, ...filter } = asked;
    const more = `more match: ${commandLine(`search${filterWords(filter)} --limit ${limit * 5} -- ${shellQuote(query)}`)}`;
    const next = [...(found.hasMore ? [more] : []), ...(out.isTerminal ? [`read one: ${commandLine('show ID')}`] : [])];
    await err.lines(next.flatMap((line) => wrap(line, err.width)).map(err.style.dim));
  }
  if (seqOf(found.cursor) < seqOf(server.head)) {
    const text = 'the search index is still being made; what was found is not complete yet';
    await (json ? err.json({ indexing: true }) : err.line(err.style.yellow(text)));
  }
  await noticeReading(context, client, (await client.call('source/list', {})).items);
}

/** The best places, as many as are wanted; of a folder those in it and below are picked here. */
async function read(client: Client, { query, agent, dir, limit = usualLimit }: Asked): Promise<Found> {
  const isInside = dir === undefined ? () => true : insideOf(dir);
  const items: SearchHit[] = [];
  let pageToken: string | undefined;
  for (;;) {
    const params = {
      query,
      ...(agent !== undefined && { agent }),
      ...(pageToken !== undefined && { pageToken }),
      limit: dir === undefined ? Math.min(limit - items.length, 1000) : pageSize,
    };
    const page = await client.call('session/search', params).catch(asUsage);
    const inside = page.items.filter(({ session }) => isInside(session));
    const taken = inside.slice(0, limit - items.length);
    items.push(...taken);
    pageToken = page.nextPageToken;
    const hasMore = pageToken !== undefined || taken.length < inside.length;
    if (pageToken === undefined || items.length >= limit) return { items, hasMore, cursor: page.cursor };
  }
}

/** More starts of words than the daemon looks for at once. */
function asUsage(error: unknown): never {
  const { what, limit } = error instanceof RpcError ? error.data : {};
  if (what === 'prefixes of a search') {
    throw new CliError(exitCodes.usage, `more than ${limit} words end in *`, 'write some of them out');
  }
  if (what === 'times the same word in a search') {
    throw new CliError(
      exitCodes.usage,
      `the same word stands there more than ${limit} times`,
      'leave some of them out',
    );
  }
  throw error;
}

async function nothingLines(context: Context, client: Client, { query, agent, dir }: Asked): Promise<string[]> {
  const { sessions } = await client.call('daemon/status', {});
  if (sessions === 0) return emptyLines(context, (await client.call('source/list', {})).items);
  const unknown = agent === undefined ? undefined : await unknownAgentText(client, agent);
  if (unknown !== undefined) return [`N${unknown.slice(1)}`];
  const words = cleanStart(query, 200);
  const filter = filterWords({ agent, dir });
  return [
    `Nothing matches ${words}${filter === '' ? '' : ` (${filter.trim()})`}.`,
    `All words must stand in one text: try fewer${filter === '' ? '' : ', or without the options'}, or the start of one, ` +
      context.commandLine(`search 'begin*'`),
    `Titles are not searched: ${context.commandLine('ls --all')}`,
  ];
}

function seqOf(cursor: string): number {
  return Number(cursor.split('.')[1]);
}
