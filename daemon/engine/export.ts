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

/**
 * Where a page begins: in which list of its format, and behind which item of it (null: before the first). `last`: the index
 * of the last message there was when the first page was read: what came since would belong to turns that are not there.
 */
export type ExportPlace = [list: ExportList, after: string | null, last: number];
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
  const [beginsIn, firstAfter, last] = place ?? [
    format.lists[0]!,
    null,
    lists.lastMessage(sessionId)?.messageIndex ?? -1,
  ];
  const firstList = format.lists.indexOf(beginsIn);
  for (let at = firstList; at < format.lists.length; at += 1) {
    const list = format.lists[at]!;
    let after = at === firstList ? firstAfter : null;
    if (after === null) text += format.openList(list);
    for (;;) {
      const page = readList(lists, sessionId, list, after ?? undefined, last);
      if (!page) return undefined;
      for (const [index, item] of page.items.entries()) text += format.item(list, item, after === null && index === 0);
      if (page.next === undefined) break;
      after = page.next;
      if (Buffer.byteLength(text) >= maxPageBytes) return { text, next: [list, after, last] };
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
  after: string | undefined,
  last: number,
): Page | undefined {
  const limit = itemsAtOnce;
  switch (list) {
    case 'turns':
      return lists.readRows('turn', { sessionId }, limit, after);
    case 'blockers':
      return lists.readRows('blocker', { sessionId }, limit, after);
    case 'artifacts':
      return lists.readArtifacts(sessionId, undefined, limit, after);
    case 'messages':
      return lists.readMessages(sessionId, 'asc', limit, after, last);
  }
}
