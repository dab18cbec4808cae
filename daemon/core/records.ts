// What decide() may ask of the current records: synchronous, read-only, and as of all ops applied before this one.
import type { Artifact, Blocker, Message, Part, Session, Turn } from '../../protocol/schema.ts';

export interface Records {
  /** Undefined also for a deleted session: to everyone it is NotFound. */
  findSession(id: string): Session | undefined;
  findMessage(id: string): Message | undefined;
  /** With all text streamed so far. */
  findPart(id: string): Part | undefined;
  /** The part without its streamed text, and the UTF-16 lengths held; a delta's cost must not grow with the text. */
  findPartLengths(id: string): PartLengths | undefined;
  /** What a part holds of a text from `offset` on, at most `length` units; its cost does not grow with the rest of it. */
  findText(partId: string, field: 'text' | 'output', offset: number, length: number): string;
  findTurn(id: string): Turn | undefined;
  /** In the order of their session. */
  messagesOfTurn(turnId: string): Message[];
  /** Parts of the turn's messages that are not settled: with streamed text, or of a tool still pending or running. */
  unsettledPartsOfTurn(turnId: string): Part[];
  pendingBlockersOfTurn(turnId: string): Blocker[];
  findBlocker(id: string): Blocker | undefined;
  findArtifact(sessionId: string, kind: string, key: string): Artifact | undefined;
  /** Whether an id was ever used, also by a record since deleted. */
  isTaken(id: string): boolean;
  nextMessageIndex(sessionId: string): number;
  nextPartIndex(messageId: string): number;
}

export type PartLengths = {
  sessionId: string;
  messageId: string;
  textUnits: number | null;
  outputUnits: number | null;
};
