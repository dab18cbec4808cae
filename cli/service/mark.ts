// The mark in a file that `service install` wrote: a comment that tells what the service runs, and by which it is known
// whether the file is still as it was written.

/** `sum`: of the whole file with this left empty. */
export type Mark = { version: string; node: string; bundle: string; sum: string };

const words = 'sessiond service install wrote this: ';

/** On one line; `--` would end a comment of XML. */
export function markText({ version, node, bundle, sum }: Mark): string {
  return words + JSON.stringify({ version, node, bundle, sum }).replaceAll('--', '-\\u002d');
}

/** Undefined in a file that somebody else wrote. */
export function readMark(text: string): Mark | undefined {
  const [, json] = new RegExp(`${words}(\\{.*\\})`).exec(text) ?? [];
  try {
    const mark = JSON.parse(json ?? '') as Partial<Record<keyof Mark, unknown>>;
    const { version, node, bundle, sum } = mark;
    const told = [version, node, bundle, sum];
    return told.every((value) => typeof value === 'string') ? (mark as Mark) : undefined;
  } catch {
    return undefined;
  }
}
