// show ID: one session as a readable transcript, page by page: a long session is never held whole.
import type { Command } from 'commander';
import type { Client } from '../../protocol/client.ts';
import type { Result } from '../../protocol/methods.ts';
import type { Session, Turn } from '../../protocol/schema.ts';
import { withDaemon } from '../connect.ts';
import type { Context } from '../context.ts';
import { wholeNumber } from '../option-values.ts';
import type { Output } from '../output.ts';
import { paged } from '../pager.ts';
import { pages } from '../pages.ts';
import { safeJson } from '../render/clean.ts';
import { badEndLines, openLines } from '../render/open.ts';
import { countOf } from '../render/quantity.ts';
import { localDate } from '../render/time.ts';
import { countHidden, headerLines, messageLines } from '../render/transcript.ts';
import { loadWidths } from '../render/width.ts';
import { resolveSession } from '../resolve.ts';
import { isSubagent } from '../resume-command.ts';

type Items = Result<'message/list'>['items'];
/** What is under way, asked behind the messages: reading a long session takes a while. */
type Open = () => Promise<Result<'session/get'>>;
/** How the last turn stands, asked behind the messages too. */
type LastTurn = () => Promise<Turn | undefined>;
type Options = { full?: boolean; last?: number; tools?: boolean; records?: boolean; pager: boolean };

/** After so long without news, a tool without a result will have none. */
const staleMs = 3_600_000;

export function configure(command: Command, context: Context): void {
  const { program } = context;
  command
    .argument('<id>', "the session's id or the agent's own, or the start of it")
    .option('--full', 'what was said and done, whole: long texts, reasoning, what agents put in, subagents, tools')
    .option('--last <N>', 'only the last N messages', wholeNumber('--last', `all of them: ${program} show ID`))
    .option('--tools', 'the input and output of tools, and changes of files, whole')
    .option('--records', 'the records too that sessiond keeps as the agent wrote them')
    .option('--no-pager', 'print it at once, also on a terminal')
    .addHelpText(
      'after',
      `\nOn a terminal it goes through $PAGER, else less. What is folded says which option shows it.\n\n` +
        `Examples:\n  ${program} show ses_4kZq --last 5\n  ${program} show ses_4kZq --full | grep -n TODO\n` +
        `  ${program} show ses_4kZq --json | jq '.messages[].message.role'`,
    )
    .action(async (id: string, options: Options) => {
      await withDaemon(context, async ({ client }) => {
        const session = await resolveSession(context, client, id);
        const messages = () => messagesOf(client, session, options.last);
        const open = () => client.call('session/get', { sessionId: session.id });
        if (context.json) return printJson(context.out, session, messages(), open);
        const last = () => lastTurn(client, session);
        const print = (out: Output) => printText(context, out, session, messages(), open, last, options);
        await (options.pager ? paged(context, print) : print(context.out));
      });
    });
}

/** All messages page by page, or the last of them: read from the end, so that a long session costs no more. */
async function* messagesOf(client: Client, { id }: Session, last: number | undefined): AsyncGenerator<Items> {
  if (last === undefined) {
    yield* pages(client, 'message/list', { sessionId: id });
    return;
  }
  const newest: Items = [];
  const params = { sessionId: id, order: 'desc', limit: Math.min(last, 1000) } as const;
  for await (const items of pages(client, 'message/list', params)) {
    newest.push(...items.slice(0, last - newest.length));
    if (newest.length >= last) break;
  }
  yield newest.reverse();
}

/** The turn that was started last; undefined in a session without turns. */
async function lastTurn(client: Client, { id }: Session): Promise<Turn | undefined> {
  let last: Turn | undefined;
  for await (const turns of pages(client, 'turn/list', { sessionId: id, limit: 1000 })) last = turns.at(-1) ?? last;
  return last;
}

async function printText(
  { home, now }: Context,
  out: Output,
  session: Session,
  messages: AsyncIterable<Items>,
  open: Open,
  findLastTurn: LastTurn,
  { full = false, tools = false, records = false, last }: Options,
): Promise<void> {
  const { style, width } = out;
  const stale = session.status === 'idle' && now() - session.updatedAt > staleMs;
  const sidechains = !isSubagent(session);
  const options = { width, style, home, full, tools, records, stale, sidechains, now: now() };
  if (width !== Number.POSITIVE_INFINITY) await loadWidths();
  await out.lines(headerLines(session, options));
  const earlier = last === undefined ? 0 : session.messageCount - last;
  if (earlier > 0) await out.lines(['', style.dim(`+ ${countOf(earlier, 'earlier message')} (without --last)`)]);
  let day = '';
  let hidden = 0;
  for await (const items of messages) {
    for (const { message, parts } of items) {
      const today = localDate(message.createdAt);
      await out.lines(['', ...messageLines(message, parts, today !== day, options)]);
      day = today;
      hidden += countHidden(parts, options);
    }
  }
  if (hidden > 0) await out.lines(['', style.dim(`+ ${countOf(hidden, 'other record')} (--records)`)]);
  const { turns, blockers } = await open();
  const ended = await findLastTurn();
  const at = { width, style, now: now() };
  const lines = [...(ended ? badEndLines(ended, at) : []), ...openLines(turns, blockers, at)];
  if (lines.length > 0) await out.lines(['', ...lines]);
}

async function printJson(out: Output, session: Session, messages: AsyncIterable<Items>, open: Open): Promise<void> {
  await out.write(`{"session":${safeJson(session)},"messages":[`);
  let separator = '\n';
  for await (const items of messages) {
    if (items.length === 0) continue;
    await out.write(separator + items.map((item) => safeJson(item)).join(',\n'));
    separator = ',\n';
  }
  const { turns, blockers } = await open();
  await out.line(`\n],"turns":${safeJson(turns)},"blockers":${safeJson(blockers)}}`);
}
