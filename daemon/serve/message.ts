// The texts of JSON-RPC: what makes a request, and how replies and errors are written. Refusals become wire errors here and
// nowhere else.
import type { JSONRPCRequest, JSONRPCResponse } from 'json-rpc-2.0';
import type { WireError } from '../../protocol/errors.ts';
import { jsonRpcCodes, RefusedError, refuse, toWireError } from '../../protocol/errors.ts';
import { maxDepth, unfitText } from '../../protocol/unfit-text.ts';

/** A result that is JSON text already: stored text is passed on, never parsed and written anew. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The replies of a batch as one text; where it would be longer than `limit`, that instead: the client asked for too much. */
export function joined(replies: string[], limit: number): string {
  if (replies.reduce((sum, text) => sum + text.length + 1, 2) <= limit) return `[${replies.join(',')}]`;
  const refusal = tooMany(limit, 'text in the reply to one batch').refusal;
  return errorText(null, toWireError(refusal));
}

export const parseError: WireError = { code: jsonRpcCodes.parseError, message: 'Parse error' };
export const invalidRequest: WireError = { code: jsonRpcCodes.invalidRequest, message: 'Invalid Request' };

/** Nobody hears it: what was under way for a connection that has ended is over. */
export const gone = refuse('NotFound', 'the connection is gone', { what: 'connection', id: '' });

export function tooMany(limit: number, what: string): RefusedError {
  return new RefusedError(refuse('LimitExceeded', `${what}: the limit is ${limit}`, { limit, what }));
}

/** What a thrown value is on the wire. Unknown errors keep their message to the log: it may tell a path or a secret. */
export function wireErrorOf(error: unknown, onIncident: (error: unknown) => string): WireError {
  if (error instanceof RefusedError) return toWireError(error.refusal);
  const incident = onIncident(error);
  const message = `Internal error: see the log for incident ${incident}`;
  return { code: jsonRpcCodes.internalError, message, data: { incident } };
}

/** Why a message that may hold what no record can is refused; undefined where it holds none. */
export function unfit(message: unknown): WireError | undefined {
  const fault = unfitText(message);
  return fault === undefined ? undefined : { code: jsonRpcCodes.invalidParams, message: fault };
}

export function isRequest(message: unknown): message is JSONRPCRequest {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return false;
  const { jsonrpc, method, params, id } = message as Record<string, unknown>;
  // null for none: some LSP clients send it.
  const fitsParams = params === undefined || typeof params === 'object';
  return jsonrpc === '2.0' && typeof method === 'string' && fitsParams && (id === undefined || isId(id));
}

type Id = string | number | null;

function isId(id: unknown): id is Id {
  return id === null || typeof id === 'string' || typeof id === 'number';
}

export function idOf(message: unknown): Id {
  const id = typeof message === 'object' && message !== null ? (message as { id?: unknown }).id : null;
  return isId(id) ? id : null;
}

export function methodOf(message: unknown): string {
  const method = typeof message === 'object' && message !== null ? (message as { method?: unknown }).method : '';
  return typeof method === 'string' ? method : '';
}

export function errorText(id: Id, error: WireError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

export function responseText(response: JSONRPCResponse): string {
  const { id, error, result } = response;
  if (error) return errorText(id, error);
  const text = result instanceof RawJson ? result.text : JSON.stringify(result ?? null);
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`;
}

/**
 * A cheap look at the raw text: only escapes can hide a lone surrogate from the UTF-8 decoder or spell a member name, and
 * only long numbers can be infinite.
 */
export function mayHoldUnfitText(text: string): boolean {
  return /\\u(?:[dD][89a-fA-F]|00[5-7])|__proto__|\d[eE]\+?\d{3}|\d{309}/.test(text);
}

/** A cheap look at the raw text: brackets in strings count too, so that it errs on the careful side. */
export function mayNestTooDeep(text: string): boolean {
  if (text.length < 2 * maxDepth) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === 0x7b || unit === 0x5b) depth += 1;
    else if (unit === 0x7d || unit === 0x5d) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}
