// A daemon of another version than this command, with the same protocol: they understand each other, and it is told in one
// line on stderr, once.
import type { Context } from './context.ts';
import type { Output } from './output.ts';
import { cleanLine } from './render/clean.ts';

/** What the daemon is, seen from this command; `other` where one of the two names no version that can be compared. */
export type Skew = 'older' | 'newer' | 'other';

const told = new WeakSet<Output>();

/** Undefined where both are the same. */
export function skewOf(daemon: string, command: string): Skew | undefined {
  if (daemon === command) return undefined;
  const order = compareVersions(daemon, command);
  if (order === undefined) return 'other';
  return order === 0 ? undefined : order < 0 ? 'older' : 'newer';
}

/** By the precedence of semver 2.0, below, at or above 0; undefined where one of them is no such version. */
export function compareVersions(one: string, other: string): number | undefined {
  const [a, b] = [parse(one), parse(other)];
  if (!a || !b) return undefined;
  const order = compareWords(a.core, b.core);
  if (order !== 0) return order;
  // A version goes behind its own pre-releases.
  if (a.pre.length === 0 || b.pre.length === 0) return b.pre.length - a.pre.length;
  return compareWords(a.pre, b.pre);
}

/** Tells the two versions once in this process, and what to do; `hint` in place of what is usual. Never rejects. */
export async function noticeSkew(context: Context, daemonVersion: string, hint?: string): Promise<void> {
  const { err, json, program, version } = context;
  const skew = skewOf(daemonVersion, version);
  if (skew === undefined || told.has(err)) return;
  told.add(err);
  const todo = hint ?? hints[skew](program);
  const text = `the daemon is version ${cleanLine(daemonVersion)}, this command is ${version}: ${todo}`;
  const notice = { versionSkew: { daemon: daemonVersion, command: version, skew, hint: todo } };
  await (json ? err.json(notice) : err.line(err.style.yellow(text))).catch(() => {}); // nobody reads stderr
}

const hints: Record<Skew, (program: string) => string> = {
  older: (program) => `to change over, ${program} start`,
  newer: () => 'update this one',
  other: (program) => `to change over, ${program} stop, then ${program} start`,
};

function parse(version: string): { core: string[]; pre: string[] } | undefined {
  const [, core, pre] = /^(\d+\.\d+\.\d+)(?:-([\da-z-]+(?:\.[\da-z-]+)*))?(?:\+[\da-z.-]+)?$/i.exec(version) ?? [];
  return core === undefined ? undefined : { core: core.split('.'), pre: pre?.split('.') ?? [] };
}

/** Word by word: numbers by value and before words, words by their bytes, the shorter list first. */
function compareWords(a: string[], b: string[]): number {
  for (const [at, word] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const isNumber = [word, other].map((each) => /^\d+$/.test(each));
    const order =
      isNumber[0] && isNumber[1]
        ? Number(word) - Number(other)
        : isNumber[0] !== isNumber[1]
          ? Number(isNumber[1]) - Number(isNumber[0])
          : Number(word > other) - Number(word < other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
