// What the records around the items say: of a turn, of what went wrong in it, of a patch, of the model.
import { boundedText, type Model } from '../../kit/facts.ts';
import { type Fields, findFields, findText, type Json } from '../../kit/json.ts';
import { shortId } from '../../kit/remember.ts';
import { endOf } from './items.ts';
import { findItem, type Record } from './record.ts';

/** The id of a turn; not the one that a migration gives to a turn that had none, from a line's number. */
export function findTurn(payload: Fields): string | undefined {
  const turn = findText(payload, 'turn_id');
  return turn === undefined || /^rollout-\d+$/.test(turn) ? undefined : shortId(turn);
}

/** The files of a patch that was applied. */
export function findPatch(record: Record): Fields | undefined {
  const item = findItem(record);
  if (record.kind !== 'patch_apply_end' && item?.type !== 'FileChange') return undefined;
  const told = item ?? record.payload;
  return endOf(told, {}, undefined)?.failed === false ? findFields(told, 'changes') : undefined;
}

/** What an event says went wrong in its turn, if anything. */
export function failureOf(kind: string, payload: Fields): Json | undefined {
  if (kind === 'turn_aborted') return { kind: 'TurnAborted', message: shortened(textOf(payload.reason)) };
  const error = kind === 'error' ? payload : kind === 'task_complete' ? findFields(payload, 'error') : undefined;
  if (error === undefined) return undefined;
  const told = findText(error, 'message') ?? findText(findFields(error, 'error') ?? {}, 'message') ?? '';
  const reason = boundedText(findText(error, 'codex_error_info') ?? findText(findFields(error, 'error') ?? {}, 'kind'));
  return { kind: 'Error', message: shortened(told), ...(reason === undefined ? {} : { reason }) };
}

/** The model of a turn_context, with its effort. */
export function findModel(providerId: string, context: Fields): Model | undefined {
  const modelId = findText(context, 'model');
  const variant = findText(context, 'effort');
  return modelId === undefined ? undefined : { providerId, modelId, ...(variant === undefined ? {} : { variant }) };
}

const shortened = (text: string) => text.slice(0, 4000).toWellFormed();

export const textOf = (value: Json | undefined) => (typeof value === 'string' ? value : '');
