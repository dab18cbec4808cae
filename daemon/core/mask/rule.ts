// What finds secrets in a text. Each rule takes time that grows with the text and no faster, whatever the text is: what is
// searched was written by others.

/** A secret in a text: where it begins, and behind which UTF-16 unit it ends. `rule`: what found it, of a-z and `-`. */
export type Found = { start: number; end: number; rule: string };

export type Rule = (text: string) => Iterable<Found>;

/**
 * The secret is the last group of the pattern, and its end; without one it is all that matches. `pattern` has the flag g and
 * matches no empty text.
 */
export function patternRule(rule: string, pattern: RegExp, isSecret: (secret: string) => boolean): Rule {
  return (text) => {
    const matches = matchesOf(pattern, text);
    return matches.flatMap((match) => {
      const secret = match.length > 1 ? match.at(-1)! : match[0];
      const end = match.index + match[0].length;
      return isSecret(secret) ? [{ start: end - secret.length, end, rule }] : [];
    });
  };
}

const noMatches: readonly RegExpExecArray[] = [];

/** As matchAll, which makes a copy of the pattern each time: on short texts that took twenty times as long as the search. */
export function matchesOf(pattern: RegExp, text: string): readonly RegExpExecArray[] {
  pattern.lastIndex = 0;
  let match = pattern.exec(text);
  if (match === null) return noMatches;
  const found: RegExpExecArray[] = [];
  for (; match !== null; match = pattern.exec(text)) found.push(match);
  return found;
}
