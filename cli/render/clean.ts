// Makes text from the store safe for a terminal. Everything that others wrote (titles, directories, names, ids, texts)
// goes through here before it is printed: what comes out holds no control character but newline and tab, and nothing
// that reorders or hides text. That holds for every piece on its own, so that a sequence cut in two stays harmless.

/**
 * Whole escape sequences, so that their parameters go with them: CSI; OSC, DCS, SOS, PM and APC with their terminator;
 * two-character escapes. Bodies exclude every introducer, which keeps the search linear on hostile input.
 */
const sequences =
  /(?:\x1b\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)|\x1b[\x20-\x2f]*[\x30-\x7e]/g;

/**
 * What is left of C0, DEL and C1; the bidirectional marks, overrides and isolates; invisible characters that hide text
 * or carry some unseen (fillers, joiners of words, tags, annotation, supplementary variation selectors). The joiners
 * U+200C and U+200D stay: scripts and emoji need them.
 */
const unsafe =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|\u17b4|\u17b5|\u180b|\u180c|\u180d|\u180e|\u180f/gu;

/** Text of several lines: newlines and tabs stay, a lone carriage return becomes a newline. */
export function cleanText(text: string): string {
  return text
    .replace(sequences, '')
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(unsafe, '');
}

/** Whether nothing would be taken out of a text of one line. */
export function isClean(text: string): boolean {
  return cleanText(text) === text;
}

/** One line of which nothing is taken out: known at once, without the expressions above, which take longer to be made than `ls` has. */
const simpleLine = /^(?:[!-~]+ )*[!-~]+$/;

/** Text for one line: every run of blanks, newlines and tabs included, becomes one space. */
export function cleanLine(text: string): string {
  return simpleLine.test(text) ? text : cleanText(text).replace(/\s+/g, ' ').trim();
}

/** The start of a text, for a cell or a one-line summary: a title of a megabyte costs no more than a long one. */
export function cleanStart(text: string, maxUnits = 1000): string {
  if (text.length <= maxUnits) return cleanLine(text);
  return `${cleanLine(text.slice(0, maxUnits).toWellFormed())}…`;
}

/** JSON text in which nothing reaches a terminal raw; parsed, it is the same value. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(unsafe, (character) => {
    let escaped = '';
    for (let at = 0; at < character.length; at += 1) {
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
    }
    return escaped;
  });
}
