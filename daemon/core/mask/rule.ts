// What finds secrets in a text. Each rule takes time that grows with the text and no faster, whatever the text is: what is
// searched was written by others.

/** A secret in a text: where it begins, and behind which UTF-16 unit it ends. `rule`: what found it, of a-z and `-`. */
export type Found = { start: number; end: number; rule: string };

export type Rule = ((text: string) => Iterable<Found>) & {
  /** It is given all of a text, however long that is: what it finds may be longer than a window (masking.ts). */
  isForAll?: true;
};

/**
 * The secret is the last group of the pattern, and its end; without one it is all that matches. `pattern` has the flag g and
 * matches no empty text.
 */
export function patternRule(rule: string, pattern: RegExp, isSecret: (secret: string) => boolean): Rule {
  return function* (text) {
    for (const match of eachMatch(pattern, text)) {
      const secret = match.length > 1 ? match.at(-1)! : match[0];
      const end = match.index + match[0].length;
      if (isSecret(secret)) yield { start: end - secret.length, end, rule };
    }
  };
}

/**
 * As matchAll, which makes a copy of the pattern each time: on short texts that took twenty times as long as the search. One at a
 * time: of all of a long text at once there may be more than fit. Until the last was taken nobody else may use the pattern.
 */
export function* eachMatch(pattern: RegExp, text: string): Iterable<RegExpExecArray> {
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) yield match;
}
