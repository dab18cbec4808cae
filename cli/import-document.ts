// A json export cut into documents that fit the daemon's frame. Each holds the session and the next of its records, in their
// order: a record comes behind all that it names. Cut the same way each time, so that sending again completes.

/** The lists of a document, in the order in which their records must be there. */
const lists = ['turns', 'blockers', 'artifacts', 'messages'] as const;

/** What is no export of a session, one that is cut off or damaged, or one that cannot be sent. For a person. */
export class ImportError extends Error {
  readonly reason: 'noExport' | 'damaged' | 'tooLarge';
  constructor(reason: ImportError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A frame of 8 MiB less what goes around a document. In bytes, as JSON text in a JSON string. */
const maxBytes = 8 * 1024 * 1024 - 4096;

type Piece = { item: unknown; size: number };

/** The documents to send one after the other, at least one. Throws ImportError. */
export function importDocuments(text: string, limit = maxBytes): string[] {
  const whole = parse(text);
  const { turns: _turns, blockers: _blockers, artifacts: _artifacts, messages: _messages, ...header } = whole;
  const documents: string[] = [];
  const around = lists.reduce((sum, list) => sum + embeddedBytes({ [list]: [] }), 0);
  const room = limit - embeddedBytes(header) - around;
  let held: Record<string, unknown[]> = {};
  let bytes = 0;
  const cut = () => {
    documents.push(JSON.stringify({ ...header, ...held }));
    held = {};
    bytes = 0;
  };
  for (const list of lists) {
    for (const { item, size } of piecesOf(listOf(whole, list), list, room)) {
      if (bytes + size > room) cut();
      const items = held[list] ?? [];
      items.push(item);
      held[list] = items;
      bytes += size;
    }
  }
  if (bytes > 0 || documents.length === 0) cut();
  return documents;
}

/** Each of the items; of a message that is too large its parts in turn, with the message before each of them. */
function* piecesOf(items: unknown[], path: string, room: number): Generator<Piece, void, void> {
  for (const [index, item] of items.entries()) {
    const size = embeddedBytes(item) + 1;
    const { parts, ...rest } = (item ?? {}) as { parts?: unknown };
    if (size <= room) {
      yield { item, size };
    } else if (Array.isArray(parts) && parts.length > 1) {
      const single = parts.map((part) => ({ ...rest, parts: [part] }));
      yield* piecesOf(single, `${path}.${index}.parts`, room);
    } else {
      throw new ImportError(
        'tooLarge',
        `${path}.${index} is too large: ${size} bytes, and the daemon takes ${room} at once`,
      );
    }
  }
}

function parse(text: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const reason = text.trimStart().startsWith('{') ? 'damaged' : 'noExport';
    throw new ImportError(reason, `it is not JSON: ${(error as Error).message}`);
  }
  const isDocument = typeof document === 'object' && document !== null && 'session' in document;
  if (isDocument) return document as Record<string, unknown>;
  throw new ImportError('noExport', 'it is no session that was exported as json');
}

function listOf(document: Record<string, unknown>, list: string): unknown[] {
  const items = document[list] ?? [];
  if (!Array.isArray(items)) throw new ImportError('noExport', `${list} must be a list`);
  return items;
}

function embeddedBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(JSON.stringify(value)));
}
