// session/export as json: every record whole, a line each, so that session/import makes an equal session of it.
import type { ExportFormat } from './format.ts';
import { exportLists } from './format.ts';

/** Says what the document is; raised when an older sessiond could not read it any more. */
export const exportHeader = { format: 'sessiond/session', formatVersion: 1 } as const;

export const jsonExport: ExportFormat = {
  lists: exportLists,
  begin: (session) => `${JSON.stringify({ ...exportHeader, session }).slice(0, -1)}`,
  openList: (list) => `,\n"${list}":[`,
  item: (_list, json, isFirst) => `${isFirst ? '' : ','}\n${json}`,
  closeList: () => ']',
  end: () => '}\n',
};
