// What a transcript tells of its session, bounded: it is remembered between two reads, and shown wherever the session is.
import type { OpParams } from '../../../protocol/schema.ts';
import type { Json } from './json.ts';

export type Model = NonNullable<OpParams['session/create']['model']>;

/** What a session is made with, as far as the lines up to its first message tell. */
export type Facts = {
  directory?: string | undefined;
  /** The session's key, where the content tells it and not the path alone. */
  sessionKey?: string | undefined;
  /** The agent's own session id; without one the name that its session key has. */
  externalId?: string | undefined;
  /** The session key of the parent: of a subagent, or of what this was forked from. */
  parentKey?: string | undefined;
  model?: Model | undefined;
  metadata?: { [name: string]: Json } | undefined;
};

/** The longest path that Linux takes. */
const maxDirectoryUnits = 4096;
const maxFactUnits = 512;

/** The facts without those that are too long to be true: an agent's own names are short. */
export function boundedFacts({ directory, sessionKey, externalId, parentKey, model, metadata }: Facts): Facts {
  const isSmall = ([, value]: [string, Json]) => JSON.stringify(value).length <= maxFactUnits;
  return {
    directory: boundedText(directory, maxDirectoryUnits),
    sessionKey: boundedText(sessionKey),
    externalId: boundedText(externalId),
    parentKey: boundedText(parentKey),
    model: boundedModel(model),
    metadata: metadata && Object.fromEntries(Object.entries(metadata).filter(isSmall)),
  };
}

/** The model, if its names are none that are too long. */
export function boundedModel(model: Model | undefined): Model | undefined {
  const names = model === undefined ? [] : [model.providerId, model.modelId, model.variant ?? ''];
  return names.some((name) => name.length > maxFactUnits) ? undefined : model;
}

/** The text, unless it is too long for a fact. */
export function boundedText(text: string | undefined, max = maxFactUnits): string | undefined {
  return text === undefined || text.length > max ? undefined : text;
}
