// What a session_meta says of its session: where it runs, its own id, whose subagent or fork it is.
import type { Facts } from '../../kit/facts.ts';
import { type Fields, findFields, findText, type Json } from '../../kit/json.ts';

export const agent = 'codex';

/** The facts of a rollout's own session_meta: the first. Those of the threads it was forked from may follow it. */
export function factsOf(sessionKey: string, meta: Fields): Facts {
  const parentKey = findParentKey(meta);
  return {
    directory: findText(meta, 'cwd'),
    externalId: findText(meta, 'id'),
    parentKey: parentKey === sessionKey ? undefined : parentKey,
    metadata: metadataOf(meta),
  };
}

function findParentKey(meta: Fields): string | undefined {
  const named = findText(meta, 'parent_thread_id') ?? findText(meta, 'forked_from_id') ?? findSpawner(meta);
  return named?.toLowerCase();
}

/** Versions before `parent_thread_id` name the parent in `source` only. */
function findSpawner(meta: Fields): string | undefined {
  const subagent = findFields(findFields(meta, 'source') ?? {}, 'subagent');
  const spawn = subagent && findFields(subagent, 'thread_spawn');
  return spawn && findText(spawn, 'parent_thread_id');
}

function metadataOf(meta: Fields): { [name: string]: Json } {
  const git = findFields(meta, 'git') ?? {};
  const source = meta.source;
  const named: { [name: string]: Json | undefined } = {
    cliVersion: meta.cli_version,
    originator: meta.originator,
    source: typeof source === 'string' ? source : undefined,
    threadSource: meta.thread_source,
    forkedFrom: meta.forked_from_id,
    agentNickname: meta.agent_nickname,
    agentRole: meta.agent_role,
    gitBranch: git.branch,
    gitCommit: git.commit_hash,
  };
  const metadata: { [name: string]: Json } = {};
  for (const [name, value] of Object.entries(named)) {
    if (typeof value === 'string' && value !== '' && value.length <= 200) metadata[name] = value;
  }
  return metadata;
}
