// Source and Sink: the two small interfaces between the daemon and other programs' formats. An adapter is pure with
// respect to the store: it turns what it reads into puts, and the engine decides, dedupes and commits (engine/ingest.ts).
import type { OpParams, Part } from '../../protocol/schema.ts';

/** The op types that a source may make. Sources open no turns (PROTOCOL.md 3). */
export type SourceOpType = 'session/create' | 'session/update' | 'message/put' | 'part/put';

/**
 * One put of a source. `key` names the record it stands for, unique for the agent's session: the op id is made from
 * (agent, session, key). The engine keeps, for ever, a digest of what each key last put: the same again changes nothing,
 * another content replaces it. Keys must not depend on byte offsets, which a rewrite moves.
 */
export type SourceOp = {
  [T in SourceOpType]: { key: string; type: T; params: OpParams[T]; occurredAt: number };
}[SourceOpType];

/** One complete line of a transcript, without its line end. `offset` is where it begins in the file. */
export type SourceLine = { text: string; offset: number };

/** A transcript file, found by the source. `sessionKey` is the agent's own name for the session (see Source.identify). */
export type Transcript = { path: string; sessionKey: string; mtimeMs: number };

export type ReadResult = {
  ops: SourceOp[];
  /** What to remember with the file's position, in the same transaction; handed back with the next lines. */
  state: unknown;
  /** Records in these lines that could not be understood. Each must still be kept whole, in a `data` part. */
  badRecords: number;
  /**
   * Set when nothing can be made of these lines yet (a transcript that has no message so far): the position stays
   * where it was, and the same lines come again, with more behind them. Ignored when `mustTake` was given.
   */
  wait?: true;
};

/** What a source may ask of the record while it reads: as of before this read. What the read itself made, it knows. */
export type Held = {
  /** The part as the store holds it. */
  findPart(partId: string): Part | undefined;
  /** Whether a record with this key was ever put for this session. */
  hasKey(key: string): boolean;
};

/** A place that an agent writes its transcripts to. Contract suite: test/contract/source.ts. */
export interface Source {
  /** Stable; the op ids of everything taken in carry it. For example `claude-code`. */
  readonly kind: string;
  /** The folder it reads, absolute. It need not exist yet. */
  readonly path: string;
  /** Whether a file below `path` is a transcript of this source, and of which session. Pure; looks at the path only. */
  identify(path: string): string | undefined;
  /**
   * Turns complete lines into puts, in file order. Pure: the same lines, state and records give the same ops. Never
   * throws for what a line holds. `mustTake`: make something of these lines also when no message came yet.
   */
  read(transcript: Transcript, lines: SourceLine[], state: unknown, held: Held, mustTake: boolean): ReadResult;
}
