// The title of a session, from what its transcript says: a name that the user gave, one that the model gave, a summary of
// this file, the first real prompt, or failing these the first slash command. The best rank that was seen wins.

const ranks = ['custom', 'ai', 'summary', 'prompt', 'command'] as const;
export type TitleRank = (typeof ranks)[number];
/** The title seen last at each rank (for `prompt` and `command`: the first). */
export type Titles = { [R in TitleRank]?: string };

const maxTitleUnits = 120;

export function bestTitle(titles: Titles): string | null {
  for (const rank of ranks) if (titles[rank]) return titles[rank];
  return null;
}

/** One line, whitespace folded, cut between characters. Escapes stay whole: whoever prints it strips them. */
export function foldTitle(text: string): string {
  const line = text.trimStart().slice(0, 4000).replace(/\s+/g, ' ').trim();
  if (line.length <= maxTitleUnits) return line.toWellFormed();
  const last = line.charCodeAt(maxTitleUnits - 1);
  const cutsPair = last >= 0xd800 && last <= 0xdbff;
  return line.slice(0, cutsPair ? maxTitleUnits - 1 : maxTitleUnits).trimEnd();
}

/** What Claude Code wraps around text that no person typed as a prompt. */
const wrapper =
  /^(?:<(?:command-|local-command-|bash-|user-memory-|task-notification|teammate-message|tick>|fork-boilerplate)|Caveat: The messages below|\[Request interrupted|This session is being continued from a previous conversation)/;
/** Context put before the words of the user, in the same text. */
const preface = /^\s*<(system-reminder|ide_[a-z_]+)>[\s\S]*?<\/\1>/;

/** The title that a user's text suggests: as a prompt, as a slash command, or not at all. */
export function titleOfPrompt(text: string): { rank: 'prompt' | 'command'; title: string } | undefined {
  let words = text;
  for (let match = preface.exec(words); match; match = preface.exec(words)) words = words.slice(match[0].length);
  words = words.trimStart();
  const command = /^<command-/.test(words) && /<command-name>\s*([^<]*)<\/command-name>/.exec(words)?.[1];
  if (command) {
    const args = /<command-args>([^<]*)<\/command-args>/.exec(words)?.[1] ?? '';
    return { rank: 'command', title: foldTitle(`${command.trim()} ${args}`) };
  }
  if (wrapper.test(words) || /^<system-reminder>/.test(words)) return undefined;
  const title = foldTitle(words);
  return title === '' ? undefined : { rank: 'prompt', title };
}
