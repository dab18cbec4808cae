// What opencode's own record of a session says of it.
import type { Model } from '../../kit/facts.ts';
import { type Fields, findFields, findText, isFields, type Json, parseJson } from '../../kit/json.ts';
import { foldTitle } from '../../kit/title.ts';

export const agent = 'opencode';

/** What opencode calls a session until its model has named it. */
const defaultTitle = /^(?:New|Child) session - \d{4}-\d\d-\d\dT[\d:.]+Z$/;

export function findTitle(info: Fields): string | undefined {
  const title = foldTitle(findText(info, 'title') ?? '');
  return title === '' || defaultTitle.test(title) ? undefined : title;
}

/** A model as a session, a user's message or an answer names it. */
export function findModel(value: Json | undefined): Model | undefined {
  if (!isFields(value)) return undefined;
  const providerId = findText(value, 'providerID');
  const modelId = findText(value, 'modelID') ?? findText(value, 'id');
  if (providerId === undefined || modelId === undefined) return undefined;
  const variant = findText(value, 'variant');
  return { providerId, modelId, ...(variant === undefined || variant === 'default' ? {} : { variant }) };
}

/** The small facts. A share can be withdrawn: then it is told as null. */
export function factsOf(info: Fields): Fields {
  const facts: Fields = { share: findText(findFields(info, 'share') ?? {}, 'url') ?? null };
  for (const name of ['version', 'slug', 'projectID', 'agent']) {
    const value = findText(info, name);
    if (value !== undefined) facts[name] = value;
  }
  return facts;
}

const columns = { title: 'title', directory: 'directory', version: 'version', slug: 'slug', agent: 'agent' } as const;

/** A row of the table `session` in the form of the document and of the events. */
export function infoOfRow(row: Fields): Fields {
  const info: Fields = {};
  const take = (name: string, value: Json | undefined) => {
    if (value !== undefined && value !== null) info[name] = value;
  };
  for (const [name, column] of Object.entries(columns)) take(name, row[column]);
  take('projectID', row.project_id);
  take('parentID', row.parent_id);
  take('model', parseJson(findText(row, 'model') ?? ''));
  take('share', row.share_url ? { url: row.share_url } : undefined);
  const { time_created = null, time_updated = null, time_archived = null } = row;
  return { ...info, time: { created: time_created, updated: time_updated, archived: time_archived } };
}
