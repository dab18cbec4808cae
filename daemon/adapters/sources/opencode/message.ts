// opencode's record of a message -> what is put of it. All that has no field of its own stays: small in the metadata, else
// whole in a `data` part.
import type { Usage } from '../../../../protocol/schema.ts';
import type { Transcript } from '../../adapter.ts';
import type { MessageContent } from '../../kit/conversation.ts';
import type { Model } from '../../kit/facts.ts';
import { countOf, type Fields, findFields, isFields, type Json, timeOf } from '../../kit/json.ts';
import { believable } from '../../kit/time.ts';
import { agent, findModel } from './session.ts';

const named = new Set(['id', 'sessionID', 'role', 'time', 'tokens', 'cost', 'error', 'modelID', 'providerID']);
const maxMetadataUnits = 500;
/** What the store takes of dollars. */
const maxUsd = 1e9;

/** `model`: the one that answered. `large`: what is too large for the metadata. */
export function messageOf(
  info: Fields,
  role: 'user' | 'assistant',
  transcript: Transcript,
): { put: MessageContent; model?: Model | undefined; large?: Fields | undefined } {
  const time = findFields(info, 'time') ?? {};
  const { metadata, large } = othersOf(info);
  const completed = timeOf(time.completed);
  if (completed !== undefined) metadata.completedAt = completed;
  const put: MessageContent = { role, agent: role === 'user' ? null : agent, metadata };
  const createdAt = believable(timeOf(time.created), transcript);
  if (createdAt !== undefined) put.createdAt = createdAt;
  if (role === 'user') return { put, large };
  const model = findModel(info) ?? findModel(info.model);
  if (model !== undefined) put.model = model;
  const usage = usageOf(info);
  if (usage !== undefined) put.usage = usage;
  const error = errorOf(info.error);
  if (error !== undefined) put.error = error;
  return { put, model, large };
}

/** Tokens and cost of an answer or of a step. opencode counts what was read from the cache apart from the input. */
export function usageOf(fields: Fields): Usage | undefined {
  const tokens = findFields(fields, 'tokens');
  if (tokens === undefined) return undefined;
  const cache = findFields(tokens, 'cache') ?? {};
  const { cost } = fields;
  return {
    input: countOf(tokens.input),
    output: countOf(tokens.output),
    reasoning: countOf(tokens.reasoning),
    cacheRead: countOf(cache.read),
    cacheWrite: countOf(cache.write),
    ...(typeof cost === 'number' && cost >= 0 && cost <= maxUsd ? { costUsd: cost } : {}),
  };
}

function errorOf(error: Json | undefined): Json | undefined {
  if (error === undefined || error === null) return undefined;
  const { name = 'UnknownError', data = {}, ...rest } = isFields(error) ? error : { data: error };
  return { kind: name, ...(isFields(data) ? data : { data }), ...rest };
}

function othersOf(info: Fields): { metadata: Fields; large?: Fields | undefined } {
  const others = Object.entries(info).filter(([name]) => !named.has(name));
  // A `__proto__` is no name for the metadata, whose fields are assigned.
  const isSmall = ([name, value]: [string, Json]) =>
    name !== '__proto__' && JSON.stringify(value).length <= maxMetadataUnits;
  const large = others.filter((field) => !isSmall(field));
  return {
    metadata: Object.fromEntries(others.filter(isSmall)),
    large: large.length === 0 ? undefined : Object.fromEntries(large),
  };
}
