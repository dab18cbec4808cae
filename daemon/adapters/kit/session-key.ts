// What sessions are called apart from each other, across all folders of an agent.

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isRandomId = (name: string) => uuid.test(name);

/**
 * The key of the session with this name in this folder. A random id names its session wherever the file lies, so that one
 * that was moved or archived stays what it is; any other name may be in every folder, and names a session in its own only.
 */
export function keyIn(folder: string, name: string): string {
  return folder === '' || isRandomId(name) ? name : `${name}@${folder}`;
}

/** The name and the folder of a key that `keyIn` made; the folder is '' for any other key. */
export function splitKey(key: string): [name: string, folder: string] {
  const at = key.lastIndexOf('@');
  return at < 0 || key.includes('/', at) ? [key, ''] : [key.slice(0, at), key.slice(at + 1)];
}
