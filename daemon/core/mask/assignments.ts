// Values that are secret because of the name they are given to: in code, settings, environments, JSON, arguments.
import { isLikelySecret } from './likely.ts';
import type { Found, Rule } from './rule.ts';
import { matchesOf } from './rule.ts';

const password = 'pass(?:word|wd|phrase|code)|pwd|(?<=[_-])pass|(?<![a-z])pw';
const other =
  'secret|token|credentials?|authorization|(?<![a-z])_?auth|(?:api|access|auth|private|secret|encryption|signing|master|account|license|shared|storage|service|deploy|webhook|admin)[_-]?key';
/** What may follow, and the value is still the secret itself. */
const suffix = String.raw`(?:s|[_-]?(?:key|base|value|secret|token|password|plain|raw|prod|production|staging|dev|live|new|old|current|\d{1,2}))`;
const name = `(?:(${password})|${other})(?:${suffix}){0,3}`;
const quote = String.raw`\\{0,16}["'\u0060]`;
const between = [
  String.raw`[ \t]{0,16}(?::[ \t]{0,4}[A-Za-z]{1,20}[ \t]{0,4}=|=>|:=|\?\?=|={1,3}|:)[ \t]{0,16}`,
  // {"name": "A_TOKEN", "value": "…"}, also as YAML
  String.raw`,?(?:\s|\\{1,16}[nrt]){0,40}(?:${quote})?value(?:${quote})?[ \t]{0,4}:[ \t]{0,4}`,
].join('|');

const isSecretName = new RegExp(`(?:${name})$`, 'i');
const assigned = new RegExp(String.raw`${name}(?:${quote})?\]?(?:${between})`, 'gi');
/** An argument and the next one, in a command or a list of them. */
const argument = new RegExp(
  String.raw`(?<![\w-])--?[A-Za-z-]{0,24}${name}(?:${quote},\s{0,40}(?=${quote})|[ \t]{1,4}(?!-))`,
  'gi',
);

const opening = /(\\{0,16})(["'`])/y;
const bare = /[^\s"'`\\,;<>(){}[\]&|]+/y;
/** In an environment, where nothing follows on the line. */
const wide = /[^\s"'`\\]+/y;
/** In an environment anything may be a key. */
const environmentKey = /(?<=[A-Z0-9]_)KEY(?:_[A-Z0-9]{1,16})?=/g;
const longestName = 80;

export const assignments: Rule = (text) => [
  ...matchesOf(assigned, text).flatMap((match) => valueAt(text, match, false)),
  ...matchesOf(argument, text).flatMap((match) => valueAt(text, match, true)),
  ...matchesOf(environmentKey, text).flatMap((match) => valueAt(text, match, false)),
];

/** Whether a value that stands alone is secret, `name` being what it is called. */
export function isSecretOf(name: string, value: string): boolean {
  const found = isSecretName.exec(name.slice(-longestName));
  if (/\s/.test(value) || (!found && !/[A-Z0-9]_KEY$/.test(name))) return false;
  return isLikelySecret(value, found?.[1] !== undefined, true);
}

function valueAt(text: string, match: RegExpExecArray, isArgument: boolean): Found[] {
  const from = match.index + match[0].length;
  const isPassword = match[1] !== undefined;
  opening.lastIndex = from;
  const opened = opening.exec(text);
  const isQuoted = opened !== null;
  const start = isQuoted ? from + opened[0].length : from;
  const isSet = isQuoted || isArgument || isSetting(text, match);
  const value = isQuoted ? quoted(text, start, opened[1]!.length, opened[2]!) : unquoted(text, match, start);
  if (value === undefined || !isLikelySecret(value, isPassword, isSet)) return [];
  return [{ start, end: start + value.length, rule: 'assignment' }];
}

/** Up to the quote that was opened with so many backslashes; undefined where there is a space in it. */
function quoted(text: string, start: number, escapes: number, mark: string): string | undefined {
  let backslashes = 0;
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at]!;
    if (letter === '\\') backslashes += 1;
    else {
      if (letter === mark && backslashes <= escapes) return text.slice(start, at - backslashes);
      if (letter <= ' ') return letter === '\n' || letter === '\r' ? text.slice(start, at) : undefined;
      backslashes = 0;
    }
  }
  return text.slice(start);
}

function unquoted(text: string, match: RegExpExecArray, start: number): string | undefined {
  const pattern = isEnvironment(text, match) ? wide : bare;
  pattern.lastIndex = start;
  const value = pattern.exec(text)?.[0];
  // A call, or a place in something.
  return value !== undefined && pattern === bare && /[([]/.test(text[start + value.length] ?? '') ? undefined : value;
}

function isEnvironment(text: string, match: RegExpExecArray): boolean {
  return /^[A-Z0-9_]+=$/.test(match[0]) && !/[a-z]/.test(text.slice(nameBegin(text, match.index), match.index));
}

/** `NAME=value` of an environment, `?name=value` of a URL, `name: value` that is all of its line. */
function isSetting(text: string, match: RegExpExecArray): boolean {
  if (isEnvironment(text, match)) return true;
  const before = text[nameBegin(text, match.index) - 1] ?? '\n';
  if (match[0].endsWith('=')) return before === '?' || before === '&';
  if (!/:[ \t]*$/.test(match[0]) || !/[\s\\nrt]/.test(before)) return false;
  bare.lastIndex = match.index + match[0].length;
  const end = bare.lastIndex + (bare.exec(text)?.[0].length ?? 0);
  return end === text.length || /^(?:\r?\n|\\{1,16}[nr])/.test(text.slice(end, end + 18));
}

/** Where the name begins of which the end is at `to`. */
function nameBegin(text: string, to: number): number {
  let at = to;
  while (at > 0 && to - at < longestName && /[\w.-]/.test(text[at - 1]!)) at -= 1;
  return text[at - 1] === '\\' && /[nrt]/.test(text[at]!) ? at + 1 : at;
}
