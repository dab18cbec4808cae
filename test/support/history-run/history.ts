// What a run leaves behind, for the checker: plain values, so that it can be written to a file and read back.
import type { SnapshotItem } from '../../../protocol/methods.ts';
import type { Artifact, Blocker, Event, Message, Part, Session, Turn } from '../../../protocol/schema.ts';
import type { WireDialect } from '../wire.ts';

/** How a reader is told: in a dialect of the socket, in the frames of a WebSocket, or as Server-Sent Events. */
export type Dialect = WireDialect | 'webSocket' | 'sse';

export type Filter = { sessions?: string[]; directory?: string; agents?: string[]; types?: string[] };

export type SubscribeParams = {
  from?: string;
  filter?: Filter;
  snapshot?: 'onGap' | 'always' | 'never';
  name?: string;
  deltas?: boolean;
  maxBatch?: number;
  bookmarkMs?: number;
};

/** What a daemon said of itself: `earliest` and `head` never go back, so two of these are the bounds of what lay between. */
export type Bounds = { earliest: string; head: string };

export type WireFailure = { code: number; message: string; data?: Record<string, unknown> };

export type Started = { subscription: string; mode: string; reason?: string; cursor: string; head: string };

/**
 * What came on a subscription, in its order. `n` counts all that happened in the run, in the order in which it was seen;
 * `bytes`: of the whole frame; over SSE, of its data. `id`: the one that it came with, over SSE.
 */
export type Entry = { n: number; at: number; id?: string } & (
  | { kind: 'batch'; bytes: number; prev: string; events: Event[]; cursor?: string; more?: boolean }
  | { kind: 'snapshot'; bytes: number; items: SnapshotItem[]; done: boolean; cursor?: string }
  | { kind: 'caughtUp'; prev: string; cursor: string }
  | { kind: 'bookmark'; prev: string; cursor: string; head: string }
  | { kind: 'reset'; reason: string; earliest: string; head: string }
  | { kind: 'ended'; reason: string }
  | { kind: 'unknown'; method: string }
  /** The reply to events/sync; `asked`: when; `atLeast`: the newest seq that anybody had been told then. */
  | { kind: 'sync'; asked: number; cursor: string; atLeast: number }
  /** What the reader itself did on the subscription, as it was asked for. */
  | { kind: 'unsubscribe' }
  | { kind: 'stall' }
);

/** The place that it tells, if it tells one. */
export function cursorOf(entry: Entry): string | undefined {
  return 'cursor' in entry ? entry.cursor : undefined;
}

/** One subscription, or the try to get one. */
export type Stream = {
  who: string;
  /** Which of the daemon's lives it was in. */
  life: number;
  dialect: Dialect;
  n: number;
  /** Over SSE `from` is the `lastEventId` where there is one. */
  params: SubscribeParams;
  /** Of an SSE reader that went on by itself: what it said. */
  lastEventId?: string;
  /** Undefined where the connection ended before. */
  before?: Bounds;
  after?: Bounds;
  /** Undefined where the connection ended before the answer. `id`, `status`: over SSE, what it came with. */
  answer?: { n: number; result: Started; id?: string } | { n: number; error: WireFailure; status?: number };
  /** Whether it goes on with the view that the subscriber's stream before it had, or with an empty one. */
  continues: boolean;
  entries: Entry[];
  /** Who ended the connection under it, if anybody did before the run was over. */
  end: 'open' | 'lost' | 'closed';
};

/** events/ack, by whom it was asked. `n`: when it was asked; `answered`: when the reply came, if it came. */
export type Ack = {
  n: number;
  who: string;
  name: string;
  cursor: string;
  isHolder: boolean;
  answered?: number;
  result?: { cursor: string };
  error?: WireFailure;
};

/** One events/read. */
export type Read = {
  who: string;
  life: number;
  params: { after: string; filter?: Filter; limit?: number; waitMs?: number };
  before: Bounds;
  answer?: { events: Event[]; cursor: string; more: boolean };
  error?: WireFailure;
};

/** What became of an op. `seq` and `version` as its reply told; `life`: that acknowledged it. */
export type Outcome = {
  n: number;
  opId: string;
  type: string;
  /** Of session/create: what it made. */
  sessionId?: string;
  life: number;
  seq: number | null;
  version: number;
  /** Of the reply, where its seq was that of this op. */
  cursor?: string;
};

export type Life = {
  pid: number;
  startedAt: number;
  endedAt?: number;
  /** `io`: by itself, after an error of the disk. */
  end?: 'SIGKILL' | 'SIGTERM' | 'io';
  /** Its disk failed: what writes may be refused. */
  suffered?: boolean;
  /** As it stood before anybody wrote to it. */
  bounds: Bounds;
  /** The whole journal then. */
  audit: Event[];
};

export type Listed = {
  session: Session;
  turns: Turn[];
  blockers: Blocker[];
  artifacts: Artifact[];
  messages: { message: Message; parts: Part[] }[];
};

export type RunPlan = {
  /** `keepAll`: nothing may be expired. `lag`: named subscribers keep what they have not acknowledged. */
  retention: 'keepAll' | 'lag' | 'smallest' | 'small';
  maxEvents?: number;
  maxLagEvents?: number;
};

export type History = {
  seed: number;
  plan: RunPlan;
  lives: Life[];
  /** What each session was created with. */
  created: Record<string, { directory: string | null; agent: string | null }>;
  outcomes: Outcome[];
  /** Op ids that were refused for good. */
  rejected: { opId: string; kind: string }[];
  /** Applied ops that were sent once more at the end. */
  again: { opId: string; seq: number | null; version: number; how: 'applied' | 'duplicate' | 'rejected' }[];
  streams: Stream[];
  acks: Ack[];
  reads: Read[];
  /** Missing where the run failed before its end. */
  final?: { bounds: Bounds; events: Event[]; tables: Listed[] };
  failure?: string;
};
