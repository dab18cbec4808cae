// What a format of session/export makes of the pieces of a session, which come one after another in this order. The texts
// joined are the export, so that it can be read in pages and held by nobody whole.
import type { Session } from '../../../protocol/schema.ts';

/** The lists of a session, in the order in which they are exported: what others point to comes first. */
export const exportLists = ['turns', 'blockers', 'artifacts', 'messages'] as const;
export type ExportList = (typeof exportLists)[number];

export interface ExportFormat {
  /** The lists it shows; of the others nothing is read. */
  lists: readonly ExportList[];
  begin(session: Session): string;
  /** `json`: the record as JSON text; of a message with its parts. */
  item(list: ExportList, json: string, isFirst: boolean): string;
  /** Before the first and behind the last item of a list, also of an empty one. */
  openList(list: ExportList): string;
  closeList(list: ExportList): string;
  end(): string;
}
