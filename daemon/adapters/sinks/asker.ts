// How another sessiond is asked something over HTTP, and what its answer means for who asked.
import type { WireError } from '../../../protocol/errors.ts';
import type { Answer } from './exchange.ts';
import { exchange } from './exchange.ts';

/** Clock and timer: those of the engine's runtime. */
export type Clock = { now(): number; sleep(ms: number, signal: AbortSignal): Promise<void> };

/** Where a sessiond is and what it is shown. `url` as hostUrlOf gives it. */
export type Host = { url: string; token: string; clock: Clock; timeoutMs?: number | undefined };

/**
 * `error`: the host's own, of its JSON-RPC. `unanswered`: nobody knows whether it was done, or it could not be now. `refused`: of
 * no use to ask again; `status` where it is the door that refuses.
 */
export type Asked =
  | { kind: 'result'; result: unknown }
  | { kind: 'error'; error: WireError }
  | { kind: 'unanswered'; reason: string; atLeastMs?: number | undefined }
  | { kind: 'refused'; reason: string; status?: number | undefined };

export interface Asker {
  /** `params`: JSON text. `waitMs`: how long the host itself may wait before it answers. Ends soon when the signal fires. */
  ask(method: string, params: string, signal: AbortSignal, waitMs?: number): Promise<Asked>;
}

/** No answer of a sessiond to what sinks ask is longer. */
const maxAnswerBytes = 16 * 1024 * 1024;
const defaultTimeoutMs = 60_000;
/** Longer than this a host cannot put anybody off, ms. */
const maxRetryAfterMs = 3_600_000;

type Posted = Answer & { text: string };

/** Sends a body and hands on what `read` makes of the answer, where that is one. */
export async function post(
  { url, token, clock, timeoutMs = defaultTimeoutMs }: Host,
  path: string,
  body: string,
  signal: AbortSignal,
  waitMs: number,
  read: (text: string) => Asked | Promise<Asked>,
): Promise<Asked> {
  const late = new AbortController();
  const over = new AbortController();
  const ms = timeoutMs + waitMs;
  clock.sleep(ms, over.signal).then(
    () => late.abort(),
    () => {},
  );
  try {
    const { status, headers, text } = await exchange(
      `${url}${path}`,
      {
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.any([signal, late.signal]),
      },
      maxAnswerBytes,
    );
    if (text === undefined) return { kind: 'unanswered', reason: `${url} answered more than ${maxAnswerBytes} bytes` };
    if (status === 200) return await read(text);
    const said = unauthorizedIn(status, text);
    return said ? { kind: 'error', error: said } : refusalOf({ status, headers, text }, url, clock);
  } catch (error) {
    if (signal.aborted) return { kind: 'unanswered', reason: 'it was stopped' };
    if (late.signal.aborted) return { kind: 'unanswered', reason: `${url} did not answer within ${ms / 1_000} s` };
    return { kind: 'unanswered', reason: `${url}: ${causeOf(error)}` };
  } finally {
    over.abort();
  }
}

/** What a sessiond says of a token, and not a door before it. */
function unauthorizedIn(status: number, text: string): WireError | undefined {
  const error = status === 401 ? errorIn(text) : {};
  return isWireError(error) && error.data?.kind === 'Unauthorized' ? error : undefined;
}

/** One without a message has a code. */
function causeOf(error: unknown): string {
  const { code, message } = error as Error & { code?: string };
  return plain(message || code || 'no answer');
}

/** What another status than 200 means. */
function refusalOf({ status, headers, text }: Posted, url: string, clock: Clock): Asked {
  const error = errorIn(text);
  // A sessiond says there what it says with 200 elsewhere.
  if (error.code !== undefined) return { kind: 'error', error };
  const said = error.message ? `: ${plain(error.message)}` : '';
  const refused = (reason: string): Asked => ({ kind: 'refused', reason, status });
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const atLeastMs = retryAfterMs(headers['retry-after'], clock);
    return { kind: 'unanswered', reason: `${url} answered ${status}${said}`, atLeastMs };
  }
  if (status >= 300 && status < 400) {
    const to = plain(headers.location ?? 'nowhere');
    return refused(`${url} redirects to ${to}, which is not followed with a token: give the address that it is to be`);
  }
  switch (status) {
    case 401:
      return refused(`${url} does not take the token${said}: have another made there (sessiond grant)`);
    case 403:
      return refused(`${url} refuses to be asked by this name${said}`);
    case 404:
    case 405:
    case 410:
    case 426:
      return refused(
        `there is no sessiond at ${url} (${status}): give the address of one that listens ([http] listen)`,
      );
    case 413:
      return refused(`${url} takes no batch as large as this${said}: raise the limit of whatever stands before it`);
    default:
      return refused(`${url} answered ${status}${said}`);
  }
}

function errorIn(text: string): WireError | { code?: undefined; message?: string } {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return { message: error };
    return isWireError(error) ? error : {};
  } catch {
    return {};
  }
}

export function isWireError(error: unknown): error is WireError {
  const { code, message } = (error ?? {}) as Partial<WireError>;
  return typeof code === 'number' && typeof message === 'string';
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfterMs(header: string | undefined, clock: Clock): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - clock.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), maxRetryAfterMs);
}

/** What the host asks for in the data of an error. */
export function retryAfterOf(data: unknown): number | undefined {
  const ms = (data as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs;
  return typeof ms === 'number' && ms >= 0 ? Math.min(ms, maxRetryAfterMs) : undefined;
}

/** Text of the other side as it may stand in a message: on one line, and not long. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').slice(0, 300);
}
