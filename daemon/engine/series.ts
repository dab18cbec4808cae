// session/fork and session/import: series of ops, each of a bounded size. The caller's op id stands for the whole: it is
// applied with the first op, which fixes what the others do, and theirs derive from it. So a series that was cut off goes
// on where it stands when it is sent again, and nothing is there twice.
import { hash } from 'node:crypto';
import type { Refusal } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/errors.ts';
import type { Message, Part } from '../../protocol/schema.ts';
import { holds } from '../core/capability.ts';
import type { AddedRecord } from '../core/ops/record.ts';
import { addSession, isFree } from '../core/ops/record.ts';
import type { Records } from '../core/records.ts';
import type { Lists } from '../store/lists.ts';
import { contentDigest } from './content-digest.ts';
import type { ExportDocument } from './export-document.ts';
import { parseExport } from './export-document.ts';
import type { Author } from './op-applier.ts';
import type { SeriesRunDeps } from './series-run.ts';
import { importedInto, Marks, marker, SeriesRun } from './series-run.ts';
import type { AppendedOne, Step } from './writer.ts';

export type SeriesDeps = SeriesRunDeps & { lists: Lists };

export type ForkParams = {
  opId: string;
  sessionId: string;
  atMessageId?: string | undefined;
  newSessionId?: string | undefined;
  title?: string | null | undefined;
};
export type ImportParams = { opId: string; text: string; sessionId?: string | undefined };

const pageMessages = 16;

export class Series {
  readonly #deps: SeriesDeps;
  readonly #marks: Marks;

  constructor(deps: SeriesDeps) {
    this.#deps = deps;
    this.#marks = new Marks(deps.ledger);
  }

  /** Copies the messages of a session, up to and with `atMessageId`, into a new one. Rejects with RefusedError. */
  async forkSession(author: Author, { opId, ...params }: ForkParams): Promise<AppendedOne> {
    const { writer, lists, records } = this.#deps;
    const { sessionId, atMessageId, newSessionId, title } = params;
    const digest = contentDigest({ type: 'session/fork', params });
    const name = { opId, method: 'session/fork', sessionId };
    const first = await writer.appendSeries(author, name, [
      {
        opId,
        digest,
        decide: (context) => {
          const source = records.findSession(sessionId);
          if (!source) return notFound('session', sessionId);
          const last = atMessageId === undefined ? lists.lastMessage(sessionId) : records.findMessage(atMessageId);
          if (atMessageId !== undefined && last?.sessionId !== sessionId) return notFound('message', atMessageId);
          const forkedFrom = { sessionId, messageId: last?.id ?? null };
          const { now, occurredAt = now, actorId } = context;
          const decision = addSession(records, {
            ...source,
            id: newSessionId ?? context.newId('ses'),
            parentId: null,
            origin: null,
            title: title === undefined ? source.title && `${source.title} (fork)` : title,
            metadata: { ...source.metadata, forkedFrom },
            actorId,
            createdAt: occurredAt,
            updatedAt: occurredAt,
            archivedAt: null,
          });
          // Kept with the op id: a session that has gone on since is still forked where it was.
          if ('ids' in decision) decision.ids.throughIndex = String(last?.messageIndex ?? -1);
          return decision;
        },
      },
    ]);
    const { sessionId: target, throughIndex } = first.ids as { sessionId: string; throughIndex: string };
    const series = new SeriesRun(this.#deps, this.#marks, author, name, target, first);
    const ended = series.ended();
    if (ended) return ended;
    const rename = (id: string) => derivedId(target, id);
    let after: string | undefined;
    do {
      const page = lists.readMessages(sessionId, 'asc', pageMessages, after);
      if (!page) return series.cutOff(notFound('session', sessionId));
      for (const text of page.items) {
        const { message, parts } = JSON.parse(text) as { message: Message; parts: Part[] };
        if (message.messageIndex > Number(throughIndex)) return series.end();
        const messageId = rename(message.id);
        // Its tokens were spent once, in the session it was copied from.
        const copy: Message = { ...message, id: messageId, turnId: null, usage: null };
        await series.add({ kind: 'message', record: copy }, text.length);
        for (const part of parts) {
          const record = { ...part, id: rename(part.id), messageId };
          await series.add({ kind: 'part', record }, 0);
        }
      }
      after = page.next;
    } while (after !== undefined);
    return series.end();
  }

  /**
   * Makes the session that session/export gave as json. With its own ids where all are free, else with new ones. `sessionId`:
   * the session that the import of an earlier text made, of which this holds more. Rejects with RefusedError.
   */
  async importSession(author: Author, { opId, ...params }: ImportParams): Promise<AppendedOne> {
    const { writer, records } = this.#deps;
    const { text, sessionId: into } = params;
    const { session, added } = writtenBy(author, parseExport(text));
    const digest = contentDigest({ type: 'session/import', params });
    const keepsIds = () => isFree(records, session.id) && added.every((each) => isNew(records, each));
    const name = { opId, method: 'session/import', sessionId: into ?? null };
    const first = await writer.appendSeries(author, name, [
      {
        opId,
        digest,
        occurredAt: session.updatedAt,
        decide: () => {
          const forbidden = forbiddenAnswer(author, added);
          if (forbidden) return forbidden;
          if (into !== undefined) {
            // Not any session: what is added as it was goes past the rules of ops.
            if (!this.#marks.find(author, importedInto(into))) return notFound('import into session', into);
            return { events: [], ids: { sessionId: into }, silent: true };
          }
          if (keepsIds()) return addSession(records, session);
          // A copy beside the original is not what its agent would resume.
          const id = derivedId(`${author.principal}\n${opId}`, session.id);
          return addSession(records, { ...session, id, origin: null });
        },
      },
    ]);
    const target = first.ids.sessionId!;
    const marked = { events: [], ids: { sessionId: target }, silent: true as const };
    const mark: Step = { opId: importedInto(target), digest: undefined, decide: () => marked };
    await writer.appendSeries(marker(author), name, [mark]);
    const rename = target === session.id ? (id: string) => id : (id: string) => derivedId(target, id);
    const series = new SeriesRun(this.#deps, this.#marks, author, name, target, first, session.updatedAt);
    const ended = series.ended();
    if (ended) return ended;
    for (const each of added) await series.add(renamed(each, rename), JSON.stringify(each.record).length);
    return series.end();
  }
}

/** What somebody imports with a capability they wrote themselves: the text names whom it pleases. */
function writtenBy({ grant, actorId }: Author, document: ExportDocument): ExportDocument {
  if (!grant) return document;
  const session = { ...document.session, actorId };
  const added = document.added.map(({ kind, record }) => {
    return { kind, record: { ...record, actorId, ...(kind === 'blocker' && { resolvedBy: actorId }) } } as AddedRecord;
  });
  return { session, added };
}

/** An answer that is imported stands as one that was given. */
function forbiddenAnswer({ grant }: Author, added: AddedRecord[]): Refusal | undefined {
  const answers = added.some(({ kind, record }) => kind === 'blocker' && /answered|rejected/.test(record.state));
  if (!grant || !answers || holds(grant.capability, 'answer')) return undefined;
  return refuse('Forbidden', 'the capability does not allow to import blockers that are resolved', { right: 'answer' });
}

function isNew(records: Records, added: AddedRecord): boolean {
  return added.kind === 'artifact' || isFree(records, added.record.id);
}

/** The record with all ids in it renamed. */
function renamed(added: AddedRecord, rename: (id: string) => string): AddedRecord {
  const maybe = (id: string | null) => (id === null ? null : rename(id));
  switch (added.kind) {
    case 'turn': {
      const { record } = added;
      const userMessageId = rename(record.userMessageId);
      const assistantMessageId = maybe(record.assistantMessageId);
      return { kind: 'turn', record: { ...record, id: rename(record.id), userMessageId, assistantMessageId } };
    }
    case 'message':
    case 'blocker': {
      const { record } = added;
      return { ...added, record: { ...record, id: rename(record.id), turnId: maybe(record.turnId) } } as AddedRecord;
    }
    case 'part': {
      const { record } = added;
      return { kind: 'part', record: { ...record, id: rename(record.id), messageId: rename(record.messageId) } };
    }
    case 'artifact':
      return added;
  }
}

/** An id of the same kind, the same whenever it is made of the same. */
function derivedId(within: string, id: string): string {
  return `${id.slice(0, 4)}${hash('sha256', `${within}\n${id}`, 'base64url').slice(0, 22)}`;
}

function notFound(what: string, id: string) {
  return refuse('NotFound', `there is no ${what} ${id}`, { what, id });
}
