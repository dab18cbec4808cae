// What a line says of its session: where it runs, its own id, whose subagent it is.
import type { Facts } from '../../kit/facts.ts';
import { type Fields, findText } from '../../kit/json.ts';
import { isRandomId, keyIn, splitKey } from '../../kit/session-key.ts';

export const agent = 'claude-code';

/** A session's key is its file's stem, a subagent's `<key of its parent>/agent-<id>` or, until that is told, `agent-<id>`. */
export function isSubagent(sessionKey: string): boolean {
  return sessionKey.includes('/') || sessionKey.startsWith('agent-');
}

export function factsOf(sessionKey: string, line: Fields): Facts {
  const sessionId = findText(line, 'sessionId');
  const [name, folder] = splitKey(sessionKey);
  const directory = findText(line, 'cwd');
  if (!isSubagent(sessionKey)) return { directory, externalId: isRandomId(name) ? name : sessionId };
  const slash = sessionKey.indexOf('/');
  // The ids of subagents are short, and begin anew in each session.
  const parentKey = slash > 0 ? sessionKey.slice(0, slash) : sessionId && keyIn(folder, sessionId);
  return {
    directory,
    sessionKey: slash < 0 && parentKey !== undefined ? `${parentKey}/${name}` : undefined,
    externalId: findText(line, 'agentId') ?? /(?:.*\/)?(?:agent-)?(.*)$/.exec(name)?.[1],
    parentKey,
  };
}
