// What would be masked in a session if it were shared (`share --dry-run`).
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { MaskFinding } from '../../protocol/outbox.ts';
import type { Journal } from '../store/journal.ts';
import type { Reader } from '../store/reader.ts';
import { snapshotPieces } from './outbox-snapshot.ts';

export type SharePreviewDeps = {
  journal: Journal;
  openReader(): Reader;
  /** The secrets in items as they would be sent. */
  find(items: readonly string[], signal: AbortSignal): Promise<MaskFinding[]>;
};

const pieceBytes = 256 * 1024;
const maxFindings = 1_000;

export class SharePreview {
  readonly #deps: SharePreviewDeps;

  constructor(deps: SharePreviewDeps) {
    this.#deps = deps;
  }

  /** `more`: there are others. Throws NotFound. */
  async of(sessionId: string, signal: AbortSignal): Promise<{ items: MaskFinding[]; more: boolean }> {
    const { journal, openReader, find } = this.#deps;
    const items: MaskFinding[] = [];
    const reader = openReader();
    let isThere = false;
    try {
      const of = { sessionId, id: 'preview', seq: journal.head.seq, maxBytes: pieceBytes, streamed: false };
      for (const { item } of snapshotPieces(reader.lists, of)) {
        isThere = true;
        items.push(...(await find([item], signal)));
        if (items.length > maxFindings) break;
      }
    } finally {
      reader.close();
    }
    if (isThere) return { items: items.slice(0, maxFindings), more: items.length > maxFindings };
    throw new RefusedError(refuse('NotFound', `there is no session ${sessionId}`, { what: 'session', id: sessionId }));
  }
}
