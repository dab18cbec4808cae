// A stack trace by the lines of the source: the bundle is squeezed into few lines, and its map tells where each came from.
// Node would do so itself with --enable-source-maps, and read the map at each start.
import { readFileSync } from 'node:fs';
import type { SourceMapPayload } from 'node:module';
import { SourceMap } from 'node:module';
import { dirname, join } from 'node:path';

/** The stack with each place in `script` told as one of its sources; as it is where there is no map. */
export function readableStack(stack: string, script: string): string {
  let map: SourceMap;
  try {
    map = new SourceMap(JSON.parse(readFileSync(`${script}.map`, 'utf8')) as SourceMapPayload);
  } catch {
    return stack;
  }
  return stack
    .split('\n')
    .map((line) => {
      const [place, row, column] = /:(\d+):(\d+)\)?$/.exec(line) ?? [];
      if (place === undefined || !line.includes(script)) return line;
      const entry = map.findEntry(Number(row) - 1, Number(column) - 1);
      if (!('originalSource' in entry)) return line;
      const { originalSource, originalLine, originalColumn } = entry;
      const source = join(dirname(script), originalSource);
      return line.replace(`${script}${place.replace(')', '')}`, `${source}:${originalLine + 1}:${originalColumn + 1}`);
    })
    .join('\n');
}
