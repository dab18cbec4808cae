// What bounds a connection, whatever its client does. Each can be set to 1 in a test, to force the rare path.
export type Limits = {
  /** To the Unix socket at a time, also those who say nothing; no more than half of the files that the process may have open. */
  maxConnections: number;
  maxFrameBytes: number;
  /** Bytes of frames that have not come whole, over all connections to the Unix socket; those of up to 64 KiB come beside it. */
  maxUnfinishedBytes: number;
  /** Entries of a JSON-RPC batch. */
  maxRpcBatch: number;
  /** Text in the reply to one batch, in UTF-16 units; beyond it the reads of the batch are refused. */
  maxReplyUnits: number;
  /** All of that reply, also of what took a while: beyond it one error is the answer. Below what V8 can hold (2^29 - 24). */
  maxBatchReplyUnits: number;
  /** Requests of one connection under way; beyond it nothing more is read from it. As many may wait beside them. */
  maxInFlight: number;
  /** Text of the requests under way, in UTF-16 units; beyond it too. */
  maxInFlightUnits: number;
  /** The same over all connections; beyond it Overloaded is the answer to all but the only small request of a connection. */
  maxAllInFlight: number;
  maxAllInFlightUnits: number;
  /** Bytes waiting for a reader that does not read; beyond it no request of its is taken. */
  maxBufferedBytes: number;
  /** Events of one notification, where the subscriber names none. */
  maxBatch: number;
  /** Text of one notification or page; one larger op is still sent whole. */
  maxBatchBytes: number;
  maxSubscriptions: number;
  /** Text of the filters of a connection's subscriptions, in UTF-16 units: they are kept as long as these. */
  maxFilterUnits: number;
  /** How long a search waits for the index to have what was written before it; then it shows an older position. */
  searchWaitMs: number;
  /** How often a stream over HTTP shows whoever is in between that it is there, and a WebSocket is asked for a sign of life. */
  commentMs: number;
  /** Times that it is asked before it is taken for dead. */
  maxPings: number;
  /** Times that a stream over HTTP may be found as unread as before, until it is ended. */
  maxStalls: number;
  /** Bodies of requests, and answers to them that are not read yet, at a time, in bytes; of one who asks, a quarter of it. */
  maxBodyBytes: number;
  /** Bytes that somebody who came over TCP may send before it is known who they are. */
  maxGreetingBytes: number;
  /** How long somebody who came over TCP may take to say who they are. */
  greetingMs: number;
  /** What HTTP over TCP takes: bytes of a request's header, how long that and all of it may take, connections at a time. */
  maxHeaderBytes: number;
  headerMs: number;
  requestMs: number;
  maxTcpConnections: number;
  /** Named subscribers of a principal: each may hold the journal back. */
  maxNames: number;
  /**
   * Ops of guests that wait for their home, and their text, in UTF-16 units: of one session, of all that came of one capability
   * of the owner's, and in all.
   */
  maxSessionGuestOps: number;
  maxSessionGuestUnits: number;
  maxHomeGuestOps: number;
  maxHomeGuestUnits: number;
  maxGuestOps: number;
  maxGuestUnits: number;
  /** How long a guest waits to be told what became of their ops. */
  guestWaitMs: number;
};

export const defaultLimits: Limits = {
  maxConnections: 4_096,
  maxFrameBytes: 8 * 1024 * 1024,
  maxUnfinishedBytes: 256 * 1024 * 1024,
  maxRpcBatch: 1_000,
  maxReplyUnits: 16 * 1024 * 1024,
  maxBatchReplyUnits: 2 ** 28,
  maxInFlight: 1_024,
  maxInFlightUnits: 16 * 1024 * 1024,
  maxAllInFlight: 16_384,
  maxAllInFlightUnits: 256 * 1024 * 1024,
  maxBufferedBytes: 1024 * 1024,
  maxBatch: 200,
  maxBatchBytes: 256 * 1024,
  maxSubscriptions: 1_000,
  maxFilterUnits: 4 * 1024 * 1024,
  searchWaitMs: 5_000,
  commentMs: 15_000,
  maxPings: 2,
  maxStalls: 8,
  maxBodyBytes: 64 * 1024 * 1024,
  maxGreetingBytes: 16 * 1024,
  greetingMs: 10_000,
  maxHeaderBytes: 16 * 1024,
  headerMs: 10_000,
  requestMs: 60_000,
  maxTcpConnections: 512,
  maxNames: 1_000,
  maxSessionGuestOps: 1_000,
  maxSessionGuestUnits: 4 * 1024 * 1024,
  maxHomeGuestOps: 5_000,
  maxHomeGuestUnits: 16 * 1024 * 1024,
  maxGuestOps: 10_000,
  maxGuestUnits: 64 * 1024 * 1024,
  guestWaitMs: 10_000,
};
