// session/create, session/update, session/delete (PROTOCOL.md 3).
import { noUsage } from '../../../protocol/derive.ts';
import type { Refusal } from '../../../protocol/errors.ts';
import { refuse } from '../../../protocol/errors.ts';
import type { Json, Session } from '../../../protocol/schema.ts';
import type { Decide } from '../decide.ts';
import { happenedAt, keep, sameContent, written } from '../put.ts';
import type { Records } from '../records.ts';

/** The session an op is for, or the refusal of one that is not there. */
export function sessionOf(records: Records, id: string): Session | Refusal {
  return records.findSession(id) ?? refuse('NotFound', `there is no session ${id}`, { what: 'session', id });
}

export const createSession: Decide<'session/create'> = (records, params, context) => {
  const id = params.sessionId ?? context.newId('ses');
  if (params.sessionId && records.isTaken(id)) {
    return refuse('AlreadyExists', `the session id ${id} is taken`, { what: 'session', id });
  }
  if (params.parentId && !context.fromSource && !records.findSession(params.parentId)) {
    return refuse('NotFound', `there is no parent session ${params.parentId}`, {
      what: 'session',
      id: params.parentId,
    });
  }
  const unfit = metadataTooLarge(params.metadata ?? {});
  if (unfit) return unfit;
  const at = happenedAt(context);
  const session: Session = {
    id,
    parentId: params.parentId ?? null,
    title: params.title ?? null,
    directory: params.directory ?? null,
    agent: params.agent ?? null,
    model: params.model ?? null,
    status: 'idle',
    version: 1,
    origin: params.origin ?? null,
    metadata: params.metadata ?? {},
    usage: noUsage,
    messageCount: 0,
    pendingBlockers: 0,
    ...written(context),
    createdAt: at,
    updatedAt: at,
    archivedAt: null,
  };
  return { events: [{ type: 'session/created', sessionId: id, data: session }], ids: { sessionId: id } };
};

export const updateSession: Decide<'session/update'> = (records, params, context) => {
  const held = sessionOf(records, params.sessionId);
  if ('refused' in held) return held;
  const ids = { sessionId: held.id };
  const next: Session = {
    ...held,
    title: keep(params.title, held.title),
    agent: keep(params.agent, held.agent),
    model: keep(params.model, held.model),
    metadata: params.metadata === null ? {} : mergePatch(held.metadata, params.metadata ?? {}),
    archivedAt:
      params.archived === undefined ? held.archivedAt : params.archived ? (held.archivedAt ?? context.now) : null,
  };
  if (sameContent(held, next)) return { events: [], ids };
  const unfit = params.metadata ? metadataTooLarge(next.metadata) : undefined;
  if (unfit) return unfit;
  const changed = {
    ...next,
    ...written(context),
    version: held.version + 1,
    updatedAt: Math.max(held.updatedAt, happenedAt(context)),
  };
  return { events: [{ type: 'session/updated', sessionId: held.id, data: changed }], ids };
};

export const deleteSession: Decide<'session/delete'> = (records, params) => {
  const held = sessionOf(records, params.sessionId);
  if ('refused' in held) return held;
  const ids = { sessionId: held.id };
  return { events: [{ type: 'session/deleted', sessionId: held.id, data: ids }], ids };
};

/** A session's record is written with each op on it: what it holds beside its own fields is for names, not for content. */
export const maxMetadataUnits = 256 * 1024;

export function metadataTooLarge(metadata: JsonObject): Refusal | undefined {
  if (JSON.stringify(metadata).length <= maxMetadataUnits) return undefined;
  const limit = { limit: maxMetadataUnits, what: 'UTF-16 units of metadata in a session' };
  return refuse('LimitExceeded', 'the metadata of the session is too large: put it into artifacts', limit);
}

type JsonObject = { [key: string]: Json };

/** RFC 7396, for objects: null removes a member, objects merge, anything else replaces. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const next: JsonObject = { ...target };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete next[name];
    else if (isObject(value)) next[name] = mergePatch(isObject(next[name]) ? next[name] : {}, value);
    else next[name] = value;
  }
  return next;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
