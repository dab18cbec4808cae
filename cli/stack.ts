// A stack trace by the lines of the source: the bundle is squeezed into few lines, and its map tells where each came from.
// Node would do so itself with --enable-source-maps, and read the map at each start.
import { readFileSync } from 'node:fs';
import type { SourceMapPayload } from 'node:module';
import { SourceMap } from 'node:module';
import { join } from 'node:path';

/** As cli/launch.ts names it. */
const bundle = 'cli-main.js';

/** The stack with each place in the bundle, of the folder, told as one of its sources; as it is where there is no map. */
export function readableStack(stack: string, folder: string): string {
  let map: SourceMap;
  try {
    map = new SourceMap(JSON.parse(readFileSync(join(folder, `${bundle}.map`), 'utf8')) as SourceMapPayload);
  } catch {
    return stack;
  }
  return stack
    .split('\n')
    .map((line) => {
      const [place, row, column] = /cli-main\.js:(\d+):(\d+)/.exec(line) ?? [];
      if (place === undefined) return line;
      const entry = map.findEntry(Number(row) - 1, Number(column) - 1);
      if (!('originalSource' in entry)) return line;
      const { originalSource, originalLine, originalColumn } = entry;
      return line.replace(place, `${join(folder, originalSource)}:${originalLine + 1}:${originalColumn + 1}`);
    })
    .join('\n');
}
