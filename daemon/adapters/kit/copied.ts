// Lines that a fork copied: Claude Code (`/branch`) and Qwen Code stamp each of them with the session that it is from.
import { boundedText } from './facts.ts';
import { type Fields, findFields, findText } from './json.ts';

/** The session that this line was first written in, by the agent's own id; undefined for one that is no copy. */
export function findCopied(line: Fields): string | undefined {
  const sessionId = boundedText(findText(findFields(line, 'forkedFrom') ?? {}, 'sessionId'));
  return sessionId === findText(line, 'sessionId') ? undefined : sessionId;
}
