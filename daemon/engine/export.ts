// session/export: a session as one text, in pages. Each page is one synchronous read of a bounded size.
import type { Session } from '../../protocol/schema.ts';
import type { ExportFormat, ExportList } from '../core/export/format.ts';
import { htmlExport } from '../core/export/html.ts';
import { jsonExport } from '../core/export/json.ts';
import { markdownExport } from '../core/export/markdown.ts';
import type { Lists, Page } from '../store/lists.ts';

export const exportFormats: Record<'json' | 'markdown' | 'html', ExportFormat> = {
  json: jsonExport,
  markdown: markdownExport,
  html: htmlExport,
};

/** Where a page begins: in which list, and behind which item of it (null: before the first). */
export type ExportPlace = [list: number, after: string | null];
export type ExportPage = { text: string; next: ExportPlace | undefined };

const maxPageBytes = 256 * 1024;
const itemsAtOnce = 16;

/** One page; undefined when there is no such session. The first page is that of `place` undefined. */
export function exportPage(
  lists: Lists,
  sessionId: string,
  format: ExportFormat,
  place: ExportPlace | undefined,
): ExportPage | undefined {
  const record = lists.findSession(sessionId);
  if (record === undefined) return undefined;
  let text = place ? '' : format.begin(JSON.parse(record) as Session);
  const [firstList, firstAfter] = place ?? [0, null];
  for (let at = firstList; at < format.lists.length; at += 1) {
    const list = format.lists[at]!;
    let after = at === firstList ? firstAfter : null;
    if (after === null) text += format.openList(list);
    for (;;) {
      const page = readList(lists, sessionId, list, itemsAtOnce, after ?? undefined);
      if (!page) return undefined;
      for (const [index, item] of page.items.entries()) text += format.item(list, item, after === null && index === 0);
      if (page.next === undefined) break;
      after = page.next;
      if (Buffer.byteLength(text) >= maxPageBytes) return { text, next: [at, after] };
    }
    text += format.closeList(list);
  }
  return { text: text + format.end(), next: undefined };
}

/** A page of one of the lists of a session; undefined when there is no such session. */
function readList(
  lists: Lists,
  sessionId: string,
  list: ExportList,
  limit: number,
  after: string | undefined,
): Page | undefined {
  switch (list) {
    case 'turns':
      return lists.readRows('turn', { sessionId }, limit, after);
    case 'blockers':
      return lists.readRows('blocker', { sessionId }, limit, after);
    case 'artifacts':
      return lists.readArtifacts(sessionId, undefined, limit, after);
    case 'messages':
      return lists.readMessages(sessionId, 'asc', limit, after);
  }
}
