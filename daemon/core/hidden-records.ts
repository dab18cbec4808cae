// The records of some sessions alone: what decide() is shown of the rest is what it is shown of what does not exist, so that
// a refusal tells nobody which of the two it is (PROTOCOL.md 6: a hidden session is NotFound everywhere).
import type { Records } from './records.ts';

/**
 * `sees`: whether a session is shown. An id that is taken stays taken, whoever asks: one of a hidden record too, which else
 * would be given to another record and come with all that hangs on it.
 */
export function recordsOf(records: Records, sees: (sessionId: string) => boolean): Records {
  const shown = <T extends { sessionId: string }>(record: T | undefined) =>
    record && sees(record.sessionId) ? record : undefined;
  const ofTurn = <T>(turnId: string, read: () => T[]) => (shown(records.findTurn(turnId)) ? read() : []);
  return {
    findSession: (id) => (sees(id) ? records.findSession(id) : undefined),
    findMessage: (id) => shown(records.findMessage(id)),
    findPart: (id) => shown(records.findPart(id)),
    findPartLengths: (id) => shown(records.findPartLengths(id)),
    findText: (partId, ...range) => (shown(records.findPartLengths(partId)) ? records.findText(partId, ...range) : ''),
    findTurn: (id) => shown(records.findTurn(id)),
    messagesOfTurn: (id) => ofTurn(id, () => records.messagesOfTurn(id)),
    unsettledPartsOfTurn: (id) => ofTurn(id, () => records.unsettledPartsOfTurn(id)),
    pendingBlockersOfTurn: (id) => ofTurn(id, () => records.pendingBlockersOfTurn(id)),
    findBlocker: (id) => shown(records.findBlocker(id)),
    findArtifact: (sessionId, kind, key) => (sees(sessionId) ? records.findArtifact(sessionId, kind, key) : undefined),
    isTaken: (id) => records.isTaken(id) || isThere(records, id),
    nextMessageIndex: (sessionId) => records.nextMessageIndex(sessionId),
    nextPartIndex: (messageId) => records.nextPartIndex(messageId),
  };
}

function isThere(records: Records, id: string): boolean {
  const record =
    records.findSession(id) ??
    records.findMessage(id) ??
    records.findPartLengths(id) ??
    records.findTurn(id) ??
    records.findBlocker(id);
  return record !== undefined;
}
