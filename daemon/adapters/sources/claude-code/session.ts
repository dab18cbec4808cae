// What a line says of its session: where it runs, its own id, whose subagent it is.
import type { Facts } from '../../kit/facts.ts';
import { type Fields, findText } from '../../kit/json.ts';

export const agent = 'claude-code';

/** A session's key is its file's stem, a subagent's `<key of its parent>/agent-<id>` or `agent-<id>`. */
export function isSubagent(sessionKey: string): boolean {
  return sessionKey.includes('/') || sessionKey.startsWith('agent-');
}

export function factsOf(sessionKey: string, line: Fields): Facts {
  const directory = findText(line, 'cwd');
  const sessionId = findText(line, 'sessionId');
  return {
    directory,
    externalId: externalIdOf(sessionKey, line, sessionId),
    parentKey: parentKeyOf(sessionKey, sessionId),
  };
}

function parentKeyOf(sessionKey: string, sessionId: string | undefined): string | undefined {
  const slash = sessionKey.indexOf('/');
  const parentKey = slash > 0 ? sessionKey.slice(0, slash) : isSubagent(sessionKey) ? sessionId : undefined;
  return parentKey === sessionKey ? undefined : parentKey;
}

function externalIdOf(sessionKey: string, line: Fields, sessionId: string | undefined): string | undefined {
  const stem = sessionKey.slice(sessionKey.lastIndexOf('/') + 1);
  if (isSubagent(sessionKey)) return findText(line, 'agentId') ?? stem.replace(/^agent-/, '');
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(stem) ? stem : sessionId;
}
