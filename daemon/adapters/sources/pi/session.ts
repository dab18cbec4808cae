// What a file's name and header say of its session.
import type { Facts, Model } from '../../kit/facts.ts';
import { type Fields, findText, type Json } from '../../kit/json.ts';
import { keyIn } from '../../kit/session-key.ts';

export const agent = 'pi';

/** The key of the session in this file: by the id in its name, behind its time. Undefined for what is no transcript. */
export function sessionKeyOf(path: string): string | undefined {
  const [file = '', folder = ''] = path.split(/[/\\]/).reverse();
  const id = /^[^_]+_(.+)\.jsonl$/.exec(file)?.[1];
  return id === undefined ? undefined : keyIn(folder, id);
}

/** Of the header. Version 1 has the model in it, and names the file that it was branched from in another field. */
export function factsOf(header: Fields): Facts {
  const parent = findText(header, 'parentSession') ?? findText(header, 'branchedFrom');
  const { version } = header;
  return {
    directory: findText(header, 'cwd'),
    externalId: findText(header, 'id'),
    parentKey: parent && sessionKeyOf(parent),
    model: modelOf(header.provider, header.modelId),
    metadata: typeof version === 'number' ? { version } : undefined,
  };
}

export function modelOf(provider: Json | undefined, modelId: Json | undefined): Model | undefined {
  if (typeof modelId !== 'string' || modelId === '') return undefined;
  return { providerId: typeof provider === 'string' ? provider : '', modelId };
}
