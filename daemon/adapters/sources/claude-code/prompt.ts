// The title that a user's text suggests, past what Claude Code wraps around words and commands.
import { type Fields, isFields, type Json } from '../../kit/json.ts';
import { foldTitle } from '../../kit/title.ts';
import { isSynthetic } from './message.ts';

/** What Claude Code wraps around text that no person typed as a prompt. */
const wrapper =
  /^(?:<(?:command-|local-command-|bash-|user-memory-|task-notification|teammate-message|tick>|fork-boilerplate)|Caveat: The messages below|\[Request interrupted|This session is being continued from a previous conversation)/;
/** What Claude Code writes in the user's name without a mark on the line: what came of a command, and of a turn. */
const written =
  /^\s*(?:<(?:local-command-(?:stdout|stderr|caveat)|bash-(?:stdout|stderr)|task-notification)>|\[Request interrupted by user(?: for tool use)?\]\s*$)/;
/** Context put before the words of the user, in the same text. */
const preface = /^\s*<(system-reminder|ide_[a-z_]+)>[\s\S]*?<\/\1>/;

/** Whether no person typed this block of a user's line, although the line does not say so. */
export function isWritten(block: Json): boolean {
  return isFields(block) && typeof block.text === 'string' && written.test(block.text);
}

type Found = { rank: 'prompt' | 'command'; title: string };

/** The title that a user's line suggests: that of its first text which is a prompt, else of one that is a command. */
export function findPromptTitle(line: Fields): Found | undefined {
  if (!isFields(line.message) || isSynthetic(line)) return undefined;
  const { content } = line.message;
  const blocks = Array.isArray(content) ? content : [{ type: 'text', text: content as Json }];
  let best: Found | undefined;
  for (const block of blocks) {
    if (!isFields(block) || block.type !== 'text' || typeof block.text !== 'string') continue;
    const found = titleOfPrompt(block.text);
    if (found?.rank === 'prompt') return found;
    best ??= found;
  }
  return best;
}

/** The title that a user's text suggests: as a prompt, as a slash command, or not at all. */
export function titleOfPrompt(text: string): Found | undefined {
  let words = text;
  for (let match = preface.exec(words); match; match = preface.exec(words)) words = words.slice(match[0].length);
  words = words.trimStart();
  // `[^<]*` takes the blanks too: two patterns that both match them would try every way to share a long run of them.
  const command = /^<command-/.test(words) && /<command-name>([^<]*)<\/command-name>/.exec(words)?.[1]?.trim();
  if (command) {
    const args = /<command-args>([^<]*)<\/command-args>/.exec(words)?.[1]?.trim() ?? '';
    // With words of the user it says as much as a prompt; without, anything that comes later says more.
    return { rank: args === '' ? 'command' : 'prompt', title: foldTitle(`${command} ${args}`) };
  }
  if (wrapper.test(words) || /^<system-reminder>/.test(words)) return undefined;
  const title = foldTitle(words);
  return title === '' ? undefined : { rank: 'prompt', title };
}
