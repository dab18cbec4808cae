// artifact/put, artifact/remove: one row a session, kind and key, so that a retried put cannot double anything (P13).
import { refuse } from '../../../protocol/errors.ts';
import type { Artifact } from '../../../protocol/schema.ts';
import type { Decide } from '../decide.ts';
import { happenedAt, sameContent, written } from '../put.ts';
import { sessionOf } from './session.ts';

export const putArtifact: Decide<'artifact/put'> = (records, params, context) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const { kind, key, data } = params;
  const ids = { sessionId: session.id };
  const held = records.findArtifact(session.id, kind, key);
  const at = happenedAt(context);
  const next: Artifact = {
    sessionId: session.id,
    kind,
    key,
    data,
    createdAt: held?.createdAt ?? at,
    updatedAt: at,
    ...written(context),
  };
  if (held && sameContent(held, next)) return { events: [], ids };
  return { events: [{ type: 'artifact/updated', sessionId: session.id, data: next }], ids };
};

export const removeArtifact: Decide<'artifact/remove'> = (records, params) => {
  const session = sessionOf(records, params.sessionId);
  if ('refused' in session) return session;
  const { kind, key } = params;
  if (!records.findArtifact(session.id, kind, key)) {
    const id = `${kind}/${key}`;
    return refuse('NotFound', `there is no artifact ${id} in session ${session.id}`, { what: 'artifact', id });
  }
  const data = { sessionId: session.id, kind, key };
  return { events: [{ type: 'artifact/removed', sessionId: session.id, data }], ids: { sessionId: session.id } };
};
