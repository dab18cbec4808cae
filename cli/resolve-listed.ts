// From what a person types to one of those that a list gives whole: its id, or the start of it.
import { candidateLines } from './candidates.ts';
import { CliError, exitCodes } from './exit.ts';
import { cleanStart } from './render/clean.ts';

export type ListedKind<T> = {
  /** Of its ids; it may be left out. */
  prefix: string;
  /** Where they are listed. */
  hint: string;
  /** Said before an id that none begins with. */
  none: string;
  /** What several of them are called. */
  several: string;
  /** What tells one from another, for a person. */
  textOf(each: T): string;
};

/** Fails as wrong usage (2) where it is no id, as not found (5), or with the candidates as ambiguous (2). */
export function resolveListed<T extends { id: string }>(all: T[], given: string, kind: ListedKind<T>): T {
  const { prefix, hint, none, several, textOf } = kind;
  const start = given.startsWith(prefix) ? given : prefix + given;
  // Nothing, as of a variable that is not set, must not name the only one there is.
  if (!/^[a-z]+_[A-Za-z0-9_-]{1,64}$/.test(start)) {
    throw new CliError(exitCodes.usage, `"${cleanStart(given, 100)}" is not an id`, hint);
  }
  const found = all.filter(({ id }) => id.startsWith(start));
  const only = found.find(({ id }) => id === start) ?? found[0];
  if (!only) throw new CliError(exitCodes.notFound, `${none} ${cleanStart(given, 100)}`, hint);
  if (found.length === 1 || only.id === start) return only;
  const message = `${found.length} ${several} have ids that start with ${cleanStart(given, 100)}:`;
  throw new CliError(exitCodes.usage, [message, ...candidateLines(found, textOf)].join('\n'), 'give more of the id');
}
