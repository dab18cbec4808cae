// How each agent resumes one of its own sessions. What comes from a transcript is checked before it becomes an argument:
// an id that begins with a dash would be an option.
import type { Session } from '../protocol/schema.ts';
import { shellCommand, shellQuote } from './shell-quote.ts';

/** The command as words, and the folder to run it in: agents look for a session in the folder it was begun in. */
export type ResumeCommand = { directory: string | null; command: string[] };

type Origin = { externalId: string; path: string | undefined };

const commands: Record<string, (origin: Origin) => string[]> = {
  'claude-code': ({ externalId }) => ['claude', '--resume', externalId],
  codex: ({ externalId }) => ['codex', 'resume', externalId],
  opencode: ({ externalId }) => ['opencode', '--session', externalId],
  gemini: ({ externalId }) => ['gemini', '--resume', externalId],
  copilot: ({ externalId }) => ['copilot', '--resume', externalId],
  qwen: ({ externalId }) => ['qwen', '--resume', externalId],
  pi: ({ externalId, path }) => ['pi', '--session', path ?? externalId],
};

/** The command; or why there is none. */
export function findResumeCommand({
  origin,
  directory,
}: Pick<Session, 'origin' | 'directory'>): ResumeCommand | { none: 'noAgent' | 'unknownAgent' | 'badId' } {
  if (origin === null) return { none: 'noAgent' };
  const commandOf = Object.hasOwn(commands, origin.source) ? commands[origin.source] : undefined;
  if (!commandOf) return { none: 'unknownAgent' };
  const { externalId, path } = origin;
  const command = commandOf({ externalId, path });
  const word = command.at(-1)!;
  // A file name may hold anything, but it begins with a slash.
  const isSafe = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$/.test(word) || (word === path && path.startsWith('/'));
  if (!isSafe) return { none: 'badId' };
  return { directory: directory?.startsWith('/') ? directory : null, command };
}

type Child = Pick<Session, 'parentId' | 'origin' | 'metadata'>;

/** Agents of which a session with a parent may be a fork of it: one of its own, which is resumed like any other. */
const forks: Record<string, (child: Child) => boolean> = {
  codex: ({ metadata: { forkedFrom, agentRole, agentNickname } }) =>
    forkedFrom !== undefined && agentRole === undefined && agentNickname === undefined,
  pi: () => true,
  qwen: () => true,
};

/** Whether a session was begun by another one's tool; only that one can be resumed. */
export function isSubagent(session: Child): boolean {
  const source = session.origin?.source ?? '';
  return session.parentId !== null && !(Object.hasOwn(forks, source) && forks[source]!(session));
}

/** How Claude Code resumes the parent of a subagent, by where the transcripts of both lie. */
export function findParentCommand({
  origin,
  directory,
}: Pick<Session, 'origin' | 'directory'>): { command: ResumeCommand; transcript: string } | undefined {
  const folder = /^(\/.*\/([^/]+))\/subagents\/[^/]+$/.exec(origin?.path ?? '');
  if (origin?.source !== 'claude-code' || !folder) return undefined;
  const command = findResumeCommand({ origin: { source: origin.source, externalId: folder[2]! }, directory });
  return 'none' in command ? undefined : { command, transcript: `${folder[1]}.jsonl` };
}

/** `cd DIR && claude --resume ID`, quoted for a shell. */
export function resumeLine({ directory, command }: ResumeCommand): string {
  return directory === null ? shellCommand(command) : `cd ${shellQuote(directory)} && ${shellCommand(command)}`;
}
