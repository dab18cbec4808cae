// Values that are secret because of the name they are given to: in code, settings, environments, JSON, arguments.
import { isLikelySecret } from './likely.ts';
import type { Found, Rule } from './rule.ts';
import { eachMatch } from './rule.ts';

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

export const assignments: Rule = function* (text) {
  const values = new Values(text);
  for (const pattern of [assigned, argument, environmentKey])
    for (const match of eachMatch(pattern, text)) {
      const found = values.at(match, pattern === argument);
      if (found) yield found;
    }
};

/** Whether a value that stands alone is secret, `name` being what it is called. */
export function isSecretOf(name: string, value: string): boolean {
  const found = isSecretName.exec(name.slice(-longestName));
  if (/\s/.test(value) || (!found && !/[A-Z0-9]_KEY$/.test(name))) return false;
  return isLikelySecret(value, found?.[1] !== undefined, true);
}

/** The values of one text. */
class Values {
  readonly #text: string;
  /** Where values of each kind end that were read: others begin inside of them. */
  readonly #read = new Map<RegExp, { start: number; end: number }>();
  /** The last that was a secret. */
  #secret = { start: 0, end: 0 };

  constructor(text: string) {
    this.#text = text;
  }

  /** The value behind a name, where it is a secret. */
  at(match: RegExpExecArray, isArgument: boolean): Found | undefined {
    const text = this.#text;
    const from = match.index + match[0].length;
    opening.lastIndex = from;
    const opened = opening.exec(text);
    const start = opened ? from + opened[0].length : from;
    if (this.#secret.start <= start && start < this.#secret.end) return undefined;
    const isSet = opened !== null || isArgument || this.#isSetting(match, from);
    const end = opened ? quoteEnd(text, start, opened[1]!.length, opened[2]!) : this.#bareEnd(match, start);
    if (end === undefined || !isLikelySecret(text.slice(start, end), match[1] !== undefined, isSet)) return undefined;
    this.#secret = { start, end };
    return { start, end, rule: 'assignment' };
  }

  #bareEnd(match: RegExpExecArray, start: number): number | undefined {
    const isAlone = isEnvironment(this.#text, match);
    const end = this.#endOf(isAlone ? wide : bare, start);
    // A call, or a place in something.
    return !isAlone && /[([]/.test(this.#text[end] ?? '') ? undefined : end;
  }

  #endOf(pattern: RegExp, start: number): number {
    const read = this.#read.get(pattern);
    if (read && read.start <= start && start < read.end) return read.end;
    pattern.lastIndex = start;
    const end = start + (pattern.exec(this.#text)?.[0].length ?? 0);
    this.#read.set(pattern, { start, end });
    return end;
  }

  /** `NAME=value` of an environment, `?name=value` of a URL, `name: value` that is all of its line. */
  #isSetting(match: RegExpExecArray, from: number): boolean {
    const text = this.#text;
    if (isEnvironment(text, match)) return true;
    const before = text[nameBegin(text, match.index) - 1] ?? '\n';
    if (match[0].endsWith('=')) return before === '?' || before === '&';
    if (!/:[ \t]*$/.test(match[0]) || !/[\s\\nrt]/.test(before)) return false;
    const end = this.#endOf(bare, from);
    return end === text.length || /^(?:\r?\n|\\{1,16}[nr])/.test(text.slice(end, end + 18));
  }
}

/** Where the quote is that was opened with so many backslashes; undefined where there is a space before it. */
function quoteEnd(text: string, start: number, escapes: number, mark: string): number | undefined {
  let backslashes = 0;
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at]!;
    if (letter === '\\') backslashes += 1;
    else {
      if (letter === mark && backslashes <= escapes) return at - backslashes;
      if (letter <= ' ') return letter === '\n' || letter === '\r' ? at : undefined;
      backslashes = 0;
    }
  }
  return text.length;
}

function isEnvironment(text: string, match: RegExpExecArray): boolean {
  return /^[A-Z0-9_]+=$/.test(match[0]) && !/[a-z]/.test(text.slice(nameBegin(text, match.index), match.index));
}

/** Where the name begins of which the end is at `to`. */
function nameBegin(text: string, to: number): number {
  let at = to;
  while (at > 0 && to - at < longestName && /[\w.-]/.test(text[at - 1]!)) at -= 1;
  return text[at - 1] === '\\' && /[nrt]/.test(text[at]!) ? at + 1 : at;
}
