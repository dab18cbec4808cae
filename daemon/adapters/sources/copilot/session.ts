// What the first event says of its session.
import type { Facts, Model } from '../../kit/facts.ts';
import { type Fields, findFields, findText } from '../../kit/json.ts';

export const agent = 'copilot';

export function factsOf(start: Fields): Facts {
  const context = findFields(start, 'context') ?? {};
  const metadata: Fields = {};
  for (const [holder, name] of [
    [start, 'copilotVersion'],
    [context, 'gitRoot'],
    [context, 'branch'],
    [context, 'repository'],
  ] as const) {
    const value = findText(holder, name);
    if (value !== undefined) metadata[name] = value;
  }
  return {
    directory: findText(context, 'cwd'),
    externalId: findText(start, 'sessionId'),
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
}

/** Whoever makes the model, it is Copilot that is asked. */
export function modelOf(modelId: string | null | undefined): Model | undefined {
  return modelId ? { providerId: 'github-copilot', modelId } : undefined;
}
