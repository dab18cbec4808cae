// What a refusal is as an HTTP status, where it comes instead of a stream.
import type { WireError } from '../../../protocol/errors.ts';
import { jsonRpcCodes } from '../../../protocol/errors.ts';

const statuses: Record<string, number> = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  FrameTooLarge: 413,
  // It will never be there again: a browser's EventSource does not ask any more.
  CursorExpired: 410,
  StoreChanged: 410,
  CursorInFuture: 410,
  Diverged: 410,
  LimitExceeded: 429,
  Overloaded: 503,
  ShuttingDown: 503,
  StoreUnavailable: 503,
};

export function statusOf({ code, data }: WireError): number {
  if (code === jsonRpcCodes.invalidParams) return 400;
  return statuses[String(data?.kind)] ?? 500;
}
