// Source and Sink: the two small interfaces between the daemon and other programs' formats. An adapter is pure with
// respect to the store: it turns what it reads into puts, and the engine decides, dedupes and commits (engine/intake.ts).
import type { Right } from '../../protocol/capability.ts';
import type { GuestOp, GuestResult } from '../../protocol/outbox.ts';
import type { OpParams, Part } from '../../protocol/schema.ts';

/** The op types that a source may make. Sources open no turns (PROTOCOL.md 3). */
export type SourceOpType = 'session/create' | 'session/update' | 'message/put' | 'part/put';

/**
 * One put of a source. `key` names the record it stands for, unique for the agent's session: the op id is made from
 * (agent, session, key). The engine keeps, for ever, a digest of what each key last put: the same again changes nothing,
 * another content replaces it. Keys must not depend on byte offsets, which a rewrite moves.
 */
export type SourceOp = {
  [T in SourceOpType]: {
    key: string;
    type: T;
    params: OpParams[T];
    occurredAt: number;
  };
}[SourceOpType];

/** One complete line of a transcript, without its line end. `offset` is where it begins in the file. */
export type SourceLine = { text: string; offset: number };

/** What is read: a file, or a stream of a database, and whose. */
export type Transcript = {
  path: string;
  /** The agent's own name for the session, or for the record when a file holds but one (see Source.identify). */
  sessionKey: string;
  /** When the file last changed: for records that carry no time. It must not go into a record, only into `occurredAt`. */
  mtimeMs: number;
  /** When it is read. What a record tells must not lie far behind this; it must not go into a record either. */
  readAtMs: number;
};

export type ReadResult = {
  ops: SourceOp[];
  /**
   * The session whose keys `ops` and `Held` speak of, where the content tells it and not the path. The transcript has this
   * key from then on; with its first ops it is settled.
   */
  sessionKey?: string;
  /** What to remember with the file's position, in the same transaction; handed back with the next lines. Plain JSON. */
  state: unknown;
  /** Records that could not be understood. Each must still be kept whole, in a `data` part. */
  badRecords: number;
  /**
   * Set when nothing can be made of this yet (a transcript that has no message so far, a part whose message is not there):
   * the position stays where it was, and the same comes again, with more behind it. Ignored when `mustTake` was given.
   */
  wait?: true;
};

/** What a source may ask of the record while it reads: as of before this read. What the read itself made, it knows. */
export type Held = {
  /** The part as the store holds it. */
  findPart(partId: string): Part | undefined;
  /** Whether a record with this key was ever put for this session (by default the transcript's). */
  hasKey(key: string, sessionKey?: string): boolean;
};

/** How a file is read: line by line as it grows, whole each time it changes, or as a SQLite database. */
export type Place =
  | { reading: 'lines'; sessionKey: string; compressed?: 'zstd' }
  /** `order`: for files of one record each: they are read in the order of these texts, not the newest first. */
  | { reading: 'document'; sessionKey: string; order?: string }
  /** `path`: the database that the file belongs to; its write-ahead log changes and it does not. */
  | { reading: 'database'; path: string };

/** A database opened for one look, read-only; nothing of it is held between two looks. */
export interface SourceDatabase {
  /** The streams in it, and the number of the last record of each. */
  streams(): { sessionKey: string; head: number }[];
  /** Records of a stream behind `after` (from -1), in order, at most `limit`. `next` is the number of the last one. */
  read(sessionKey: string, after: number, limit: number): { records: unknown[]; next: number };
  close(): void;
}

/** A place that an agent writes its transcripts to. Contract suite: test/contract/source.ts. */
export interface Source {
  /** The agent. Stable; the op ids of everything taken in carry it. For example `claude-code`. */
  readonly kind: string;
  /** The folder it reads, absolute. It need not exist yet. */
  readonly path: string;
  /** To be raised when the same lines give other puts than before: transcripts are then read anew. */
  readonly version: number;
  /** Whether a file below `path` is a transcript, of which session, and how it is read. Pure; looks at the path only. */
  identify(path: string): Place | undefined;
  /** Whether there can be transcripts in this folder or below: what is not entered is neither listed nor watched. */
  enters(folder: string): boolean;
  /**
   * Turns complete lines into puts, in file order. Pure: the same lines, state and records give the same ops. Never
   * throws for what a line holds. `mustTake`: make something of these lines also when no message came yet.
   */
  read(transcript: Transcript, lines: SourceLine[], state: unknown, held: Held, mustTake: boolean): ReadResult;
  /** The same for a file that is read whole. Undefined where the source has none. */
  readDocument?(transcript: Transcript, text: string, held: Held): ReadResult;
  /** Opens a database for one look. Throws when it cannot be read now: it is tried again later. */
  openDatabase?(path: string): SourceDatabase;
  /** The same as `read` for records of a database's stream. */
  readRecords?(transcript: Transcript, records: unknown[], state: unknown, held: Held): ReadResult;
}

/**
 * What is sent, the same each time until it is acknowledged. `items`: the text of the JSON list of ReplicaItem
 * (protocol/outbox.ts). `expectedCursor`: what the other side said last that it holds. `through`: how far the items go.
 */
export type Outgoing = {
  origin: string;
  batchId: string;
  expectedCursor?: string | undefined;
  through: string;
  items: string;
};

/** An op that the other side does not take, and never will. */
export type NotTaken = { opId: string; reason: string };

/**
 * How a delivery ended. `acked`: it is on the other side's disk, but for what it does not take; `held`: the cursor that it says
 * that it holds, where it says one. `retry`: nobody knows whether it
 * arrived; it is sent again, no earlier than the other side asked for. `refused`: sending it again is of no use; somebody must
 * look. `tooLarge`: the same, for what is as large as this. `behind`: the other side does not hold what comes before this batch (it was put back, say); `held` is the cursor of the
 * origin's that it holds, undefined where it holds none; `sessions` those in which something is missing before the batch.
 */
export type Delivered =
  | { kind: 'acked'; rejected: readonly NotTaken[]; held?: string | undefined }
  | { kind: 'retry'; reason: string; atLeastMs?: number | undefined }
  | { kind: 'refused'; reason: string }
  | { kind: 'tooLarge'; reason: string }
  | { kind: 'behind'; held: string | undefined; sessions: readonly string[] };

/** A place that events go out to. Contract suite: test/contract/sink.ts. */
export interface Sink {
  /**
   * Delivers one batch. Called for one batch at a time, and for the same batch again after `retry`, a throw, or a restart:
   * what arrived before must change nothing. Must end soon when the signal fires. A throw counts as `retry`.
   */
  deliver(outgoing: Outgoing, signal: AbortSignal): Promise<Delivered>;
  /** Where the other side is a sessiond: what else it is asked. */
  readonly host?: ShareHost;
  /** Lets go of what it holds. Nothing is asked of it after that. */
  close(): Promise<void>;
}

/** What a host did not do. `refused`: asking again is of no use. Else nobody knows whether it was done, and it is asked again. */
export class HostError extends Error {
  readonly refused: boolean;
  readonly atLeastMs: number | undefined;

  constructor(message: string, refused: boolean, atLeastMs?: number) {
    super(message);
    this.refused = refused;
    this.atLeastMs = atLeastMs;
  }
}

/** Another sessiond that holds replicas (PROTOCOL.md 7). All of it throws HostError. */
export interface ShareHost {
  /** Makes a capability out of the one that is acted with. */
  attenuate(asked: AskedOfHost, signal: AbortSignal): Promise<{ capabilityId: string; token: string }>;
  /** Takes a capability back, with all that came of it. Done also where it is over or unknown there. */
  revoke(capabilityId: string, signal: AbortSignal): Promise<void>;
  /** What guests did there; waits up to `waitMs` for the first. */
  takeGuestOps(origin: string, waitMs: number, signal: AbortSignal): Promise<GuestOp[]>;
  /** Tells what became of them; done again it changes nothing. */
  ackGuestOps(origin: string, results: readonly GuestResult[], signal: AbortSignal): Promise<void>;
}

export type AskedOfHost = {
  label: string;
  rights: readonly Right[];
  sessions: readonly string[];
  /** Op types; without it all that the rights allow. */
  ops?: readonly string[];
  expiresAt: number | null;
};
