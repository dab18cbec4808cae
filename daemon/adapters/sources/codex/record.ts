// One line of a rollout as a record: what kind it is, what it holds, and what it is called.
import { hash } from 'node:crypto';
import { type Fields, findFields, findText, isFields, type Json } from '../../kit/json.ts';
import { calls, findPieceText, outputs, piecesOf } from './items.ts';

export type Record = {
  /** The line's own type; `response_item` for an item without a line around it, as the first versions wrote them. */
  type: string;
  /** The type of what it holds, where that has one. */
  kind: string;
  payload: Fields;
  line: Fields;
};

/** The types that hold something always: without it the line breaks its own shape. */
const wrapping = new Set(['session_meta', 'response_item', 'event_msg', 'turn_context']);

/** Undefined for what is no record of any version. */
export function recordOf(line: Fields): Record | undefined {
  const type = findText(line, 'type');
  const payload = findFields(line, 'payload');
  if (type !== undefined && payload) return { type, kind: kindOf(type, payload), payload, line };
  if (type !== undefined && wrapping.has(type)) return undefined;
  if (type !== undefined && isItem(type)) return { type: 'response_item', kind: type, payload: line, line };
  // The first versions: a head without a type, and marks of state.
  if (type === undefined && findText(line, 'record_type')) return { type: 'state', kind: 'state', payload: line, line };
  if (type === undefined && findText(line, 'id') && findText(line, 'timestamp'))
    return { type: 'session_meta', kind: 'session_meta', payload: line, line };
  return type === undefined ? undefined : { type, kind: type, payload: line, line };
}

function kindOf(type: string, payload: Fields): string {
  if (type !== 'response_item' && type !== 'event_msg') return type;
  return findText(payload, 'type') ?? (typeof payload.role === 'string' ? 'message' : type);
}

const isItem = (type: string) => type === 'message' || type === 'reasoning' || calls.has(type) || outputs.has(type);

/** What an event of a legacy file becomes in a migrated one: the two are the same record, and have the same name. */
const twins = new Map([
  ['UserMessage', 'user_message'],
  ['AgentMessage', 'agent_message'],
  ['Reasoning', 'agent_reasoning'],
  ['CommandExecution', 'exec_command_end'],
  ['FileChange', 'patch_apply_end'],
  ['McpToolCall', 'mcp_tool_call_end'],
]);

/** The item that an item_completed is about. */
export function findItem({ type, kind, payload }: Record): Fields | undefined {
  return type === 'event_msg' && kind === 'item_completed' ? findFields(payload, 'item') : undefined;
}

/**
 * What the record's name is made from, when it has no id: its time, which a migration keeps, and what it is. Without a time
 * the text of its line. Records of one millisecond and kind are told apart by their order.
 */
export function aboutOf(record: Record, text: string): string {
  const at = findText(record.line, 'timestamp');
  const itemType = findText(findItem(record) ?? {}, 'type');
  const kind = itemType === undefined ? record.kind : (twins.get(itemType) ?? itemType);
  return at === undefined ? text : JSON.stringify([at, record.type, kind]);
}

/**
 * The name of a response item: its own id, else what it says and when. The same twice is one: of 1,956 items in the samples
 * no two without an id were alike, so that a copy is damage. Undefined for one that has no time either.
 */
export function nameOfItem({ payload, line }: Record): string | undefined {
  const id = findText(payload, 'id');
  if (id !== undefined) return id;
  const at = findText(line, 'timestamp');
  if (at === undefined) return undefined;
  const summary: Json[] = Array.isArray(payload.summary) ? payload.summary : [];
  const texts = [...(piecesOf(payload) ?? []), ...summary].map((piece) => findPieceText(piece) ?? null);
  const { type, role, call_id, name, arguments: given, input, action } = payload;
  const said = [at, type ?? 'message', role, texts, call_id, name, given, input, isFields(action) ? action : null];
  return hash('sha256', JSON.stringify(said), 'base64url').slice(0, 22);
}
