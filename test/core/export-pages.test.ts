// The readable exports in pages: however a session is cut, the pages joined are the export.
import { expect, test } from 'vitest';
import type { ExportPlace } from '../../daemon/engine/export.ts';
import { exportFormats, exportPage } from '../../daemon/engine/export.ts';
import type { Lists } from '../../daemon/store/lists.ts';
import type { Exported } from '../support/export-records.ts';
import { blockerOf, exportWhole, messageOf, sessionOf } from '../support/export-records.ts';

/** The fake of Lists, with at most `most` items a page. */
function listsOf({ session, messages, blockers }: Exported, most: number): Lists {
  const page = (records: unknown[], limit: number, after = '0') => {
    const end = Number(after) + Math.min(limit, most);
    const items = records.slice(Number(after), end).map((record) => JSON.stringify(record));
    return { items, next: end < records.length ? String(end) : undefined };
  };
  const lists: Partial<Lists> = {
    findSession: () => JSON.stringify(session),
    lastMessage: () => undefined,
    readMessages: (_session, _order, limit, after) => page(messages, limit, after),
    readRows: (_kind, _query, limit, after) => page(blockers, limit, after),
  };
  return lists as Lists;
}

const exported: Exported = {
  session: sessionOf(),
  messages: Array.from({ length: 60 }, (_, at) =>
    messageOf([{ type: 'text', text: `\`\`\`\n${at} ${'long '.repeat(4000)}` }], { id: `msg_${at}` }),
  ),
  blockers: Array.from({ length: 40 }, (_, at) =>
    blockerOf({ kind: 'permission', request: { permission: `${at} ${'long '.repeat(4000)}` } }),
  ),
};

for (const name of ['markdown', 'html'] as const) {
  test.each([1, 7, 16])(`${name}: pages of %i items and more join to the whole`, (most) => {
    const lists = listsOf(exported, most);
    const pages: string[] = [];
    let place: ExportPlace | undefined;
    do {
      const page = exportPage(lists, 'ses_a', exportFormats[name], place)!;
      pages.push(page.text);
      place = page.next;
    } while (place !== undefined);
    expect(pages.length).toBeGreaterThan(4);
    expect(pages.join('') === exportWhole(exportFormats[name], exported)).toBe(true);
  });

  test(`${name}: a session without messages and questions is a whole document`, () => {
    const empty = { session: sessionOf(), messages: [], blockers: [] };
    expect(exportPage(listsOf(empty, 1), 'ses_a', exportFormats[name], undefined)).toEqual({
      text: exportWhole(exportFormats[name], empty),
      next: undefined,
    });
  });
}
