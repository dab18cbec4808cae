// The error table of PROTOCOL.md 1: kind -> code, and the data that goes beside the kind. Both sides read it from here.

/** The codes of JSON-RPC 2.0 itself; they carry no kind. */
export const jsonRpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
} as const;

/** kind -> code. A code is never given to another kind, also not after its kind is gone. */
export const errorCodes = {
  NotFound: -32001,
  Forbidden: -32002,
  Unauthorized: -32003,
  UnsupportedVersion: -32004,
  FrameTooLarge: -32005,
  Overloaded: -32006,
  ShuttingDown: -32007,
  CursorExpired: -32010,
  StoreChanged: -32011,
  CursorInFuture: -32012,
  Diverged: -32013,
  OpIdReused: -32020,
  VersionConflict: -32021,
  DependencyMissing: -32022,
  InvalidTransition: -32023,
  AlreadyResolved: -32024,
  DeltaGap: -32025,
  BatchAborted: -32026,
  LimitExceeded: -32027,
  AlreadyExists: -32028,
  StoreUnavailable: -32030,
} as const;

export type ErrorKind = keyof typeof errorCodes;

/** The data beside `kind`, for each kind. */
export type ErrorData = {
  NotFound: { what: string; id: string };
  Forbidden: { right: string; sessionId?: string };
  Unauthorized: { reason: 'unknown' | 'revoked' | 'expired' | 'staleEpoch' };
  UnsupportedVersion: { supported: number[] };
  FrameTooLarge: { limit: number };
  Overloaded: { retryAfterMs: number };
  ShuttingDown: Record<never, never>;
  CursorExpired: { earliest: string; head: string };
  StoreChanged: { storeId: string; head: string };
  CursorInFuture: { head: string };
  Diverged: { head: string };
  OpIdReused: { opId: string };
  VersionConflict: { sessionId: string; expected: number; actual: number };
  DependencyMissing: { opId: string; missing: string[] };
  InvalidTransition: { from: string; to: string };
  AlreadyResolved: { resolution: unknown; resolvedBy: string | null; state: string };
  DeltaGap: { partId: string; expected: number };
  BatchAborted: { opId: string; cause: WireError };
  LimitExceeded: { limit: number; what: string };
  AlreadyExists: { what: string; id: string };
  StoreUnavailable: { reason: 'full' | 'readOnly' | 'io' };
};

/** An error as it stands on the wire. */
export type WireError = { code: number; message: string; data?: Record<string, unknown> };

/** A refusal that a rule foresees: a value, not an exception. Mapped to the wire once, in serve/connection.ts. */
export type Refusal =
  | { [K in ErrorKind]: { refused: K; message: string; data: ErrorData[K] } }[ErrorKind]
  | { refused: 'InvalidParams'; message: string; data: Record<string, unknown> }
  | { refused: 'MethodNotFound'; message: string; data: Record<string, unknown> };

/** Makes a refusal; `message` is for a person and says what to do next where that is known. */
export function refuse<K extends ErrorKind>(kind: K, message: string, data: ErrorData[K]): Refusal {
  return { refused: kind, message, data } as Refusal;
}

/** Makes the refusal of params that fit their schema but not each other or the record they are for (-32602). */
export function refuseParams(message: string, data: Record<string, unknown> = {}): Refusal {
  return { refused: 'InvalidParams', message, data };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value;
}

/** A refusal as a JSON-RPC error object. */
export function toWireError(refusal: Refusal): WireError {
  if (refusal.refused === 'InvalidParams') {
    return { code: jsonRpcCodes.invalidParams, message: refusal.message, data: refusal.data };
  }
  if (refusal.refused === 'MethodNotFound') return { code: jsonRpcCodes.methodNotFound, message: refusal.message };
  return {
    code: errorCodes[refusal.refused],
    message: refusal.message,
    data: { kind: refusal.refused, ...refusal.data },
  };
}

/** A refusal on its way through code that can only throw. Caught and mapped where the wire begins. */
export class RefusedError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.name = 'RefusedError';
    this.refusal = refusal;
  }
}

/** What a call rejects with at a client: the daemon's own error, `kind` when it has one. */
export class RpcError extends Error {
  readonly code: number;
  readonly kind: ErrorKind | undefined;
  readonly data: Record<string, unknown>;
  constructor(error: WireError) {
    super(error.message);
    this.name = 'RpcError';
    this.code = error.code;
    this.data = error.data ?? {};
    this.kind = this.data.kind as ErrorKind | undefined;
  }
}

/** One op's entry under `rejected` in the result of ops/append. */
export type Rejection = { opId: string; code: number; kind: string; message: string; data: Record<string, unknown> };

/** A refusal as the entry of a batch. */
export function toRejection(opId: string, refusal: Refusal): Rejection {
  const { code, message, data = {} } = toWireError(refusal);
  const { kind = 'InvalidParams', ...rest } = data;
  return { opId, code, kind: kind as string, message, data: { kind, ...rest } };
}
