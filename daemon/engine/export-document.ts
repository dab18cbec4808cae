// The document that session/export gives as json, read back. It may come from anybody: all of it is checked before the
// first op is applied.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';
import type { Session as SessionRecord } from '../../protocol/schema.ts';
import { Artifact, Blocker, Message, Part, Session, Turn } from '../../protocol/schema.ts';
import { unfitText } from '../../protocol/unfit-text.ts';
import { exportHeader } from '../core/export/json.ts';
import type { AddedRecord } from '../core/ops/record.ts';

export type ExportDocument = { session: SessionRecord; added: AddedRecord[] };

/** Throws RefusedError (-32602) naming what is wrong and where. */
export function parseExport(text: string): ExportDocument {
  const document = parseJson(text);
  const fault = unfitText(document);
  if (fault !== undefined) throw unfit('text', fault);
  const { format, formatVersion } = exportHeader;
  if (!isObject(document) || document.format !== format) {
    throw unfit('text', `it is not a session that 'session/export' gave as json: its "format" must be "${format}"`);
  }
  if (document.formatVersion !== formatVersion) {
    throw unfit('text.formatVersion', `this sessiond reads version ${formatVersion}, not ${document.formatVersion}`);
  }
  const session = check(Session, document.session, 'session') as SessionRecord;
  const added: AddedRecord[] = [];
  const each = (list: string, take: (item: unknown, path: string) => void) => {
    const items = document[list] ?? [];
    if (!Array.isArray(items)) throw unfit(`text.${list}`, 'it must be a list');
    for (const [index, item] of items.entries()) take(item, `${list}.${index}`);
  };
  each('turns', (item, path) => added.push({ kind: 'turn', record: check(Turn, item, path) }));
  each('blockers', (item, path) => added.push({ kind: 'blocker', record: check(Blocker, item, path) }));
  each('artifacts', (item, path) => added.push({ kind: 'artifact', record: check(Artifact, item, path) }));
  each('messages', (item, path) => {
    const { message, parts = [] } = isObject(item) ? item : {};
    added.push({ kind: 'message', record: check(Message, message, `${path}.message`) });
    if (!Array.isArray(parts)) throw unfit(`text.${path}.parts`, 'it must be a list');
    for (const [index, part] of parts.entries()) {
      const record = check(Part, part, `${path}.parts.${index}`);
      if (record.messageId !== (message as { id?: string }).id) {
        throw unfit(`text.${path}.parts.${index}.messageId`, 'it must be that of the message it stands under');
      }
      added.push({ kind: 'part', record });
    }
  });
  const ids = new Set<string>();
  for (const { kind, record } of added) {
    const id = kind === 'artifact' ? JSON.stringify([record.kind, record.key]) : record.id;
    if (ids.has(id)) throw unfit('text', `it holds two records of one id, ${id}`);
    ids.add(id);
  }
  const own = added.find(({ record }) => record.sessionId !== session.id);
  if (own) throw unfit('text', `it holds a ${own.kind} of another session, ${own.record.sessionId}`);
  return { session, added };
}

type Schema<T> = { safeParse(value: unknown): { success: true; data: T } | { success: false; error: Failure } };
type Failure = { issues: readonly { path: readonly PropertyKey[]; message: string }[] };

function check<T>(schema: Schema<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw unfit(['text', path, ...issue.path.map(String)].join('.'), issue.message);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unfit('text', 'it is not JSON; is it all of the export?');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unfit(member: string, what: string): RefusedError {
  return new RefusedError(refuseParams(`${member}: ${what}`, { member }));
}
