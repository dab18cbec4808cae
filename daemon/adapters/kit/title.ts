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

/** One line, whitespace folded; a longer one is cut between characters, with an ellipsis. Escapes stay: the printer strips them. */
export function foldTitle(text: string): string {
  const line = text.trimStart().slice(0, 4000).replace(/\s+/g, ' ').trim();
  if (line.length <= maxTitleUnits) return line.toWellFormed();
  const last = line.charCodeAt(maxTitleUnits - 2);
  const cutsPair = last >= 0xd800 && last <= 0xdbff;
  return `${line.slice(0, cutsPair ? maxTitleUnits - 2 : maxTitleUnits - 1).trimEnd()}…`.toWellFormed();
}
