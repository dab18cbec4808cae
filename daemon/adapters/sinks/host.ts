// A sessiond as a sink and as a host of shares (PROTOCOL.md 7), however it is asked. What its answers mean stands here alone.
import { capabilityMethods } from '../../../protocol/capability-methods.ts';
import { parseCursor } from '../../../protocol/cursor.ts';
import type { ErrorKind, WireError } from '../../../protocol/errors.ts';
import { jsonRpcCodes } from '../../../protocol/errors.ts';
import type { Method } from '../../../protocol/method.ts';
import type { GuestOp, GuestResult } from '../../../protocol/outbox.ts';
import { outboxMethods } from '../../../protocol/outbox-methods.ts';
import type { AskedOfHost, Delivered, Outgoing, ShareHost, Sink } from '../adapter.ts';
import { HostError } from '../adapter.ts';
import type { Asked, Asker, Host } from './asker.ts';
import { plain, retryAfterOf } from './asker.ts';

const asking = {
  'replica/append': outboxMethods['replica/append'],
  'guest/take': outboxMethods['guest/take'],
  'guest/ack': outboxMethods['guest/ack'],
  'capability/attenuate': capabilityMethods['capability/attenuate'],
  'capability/revoke': capabilityMethods['capability/revoke'],
} as const satisfies Record<string, Method>;

type Asking = keyof typeof asking;
type ResultOf<M extends Asking> = (typeof asking)[M]['result']['_output'];
type Answered<M extends Asking> = Exclude<Asked, { kind: 'result' }> | { kind: 'result'; result: ResultOf<M> };

/** The host could not do it now; the same may be taken later. */
const passing: readonly ErrorKind[] = ['Overloaded', 'ShuttingDown', 'StoreUnavailable', 'LimitExceeded'];
/** As many results as guest/ack takes. */
const maxResults = 1_000;

export class HostSink implements Sink, ShareHost {
  readonly host: ShareHost = this;
  readonly #asker: Asker;
  readonly #token: string;
  readonly #url: string;

  constructor(asker: Asker, { token, url }: Host) {
    this.#asker = asker;
    this.#token = token;
    this.#url = url;
  }

  async deliver(outgoing: Outgoing, signal: AbortSignal): Promise<Delivered> {
    const { items, ...rest } = outgoing;
    const params = `${JSON.stringify(rest).slice(0, -1)},"items":${items}}`;
    const asked = await this.#ask('replica/append', params, signal);
    switch (asked.kind) {
      case 'result':
        return deliveredOf(asked.result, (JSON.parse(items) as unknown[]).length, this.#url);
      case 'unanswered':
        return { kind: 'retry', reason: asked.reason, atLeastMs: asked.atLeastMs };
      case 'refused':
        return { kind: asked.status === 413 ? 'tooLarge' : 'refused', reason: asked.reason };
      case 'error':
        return asked.error.data?.kind === 'VersionConflict'
          ? this.#behind(outgoing, signal)
          : failedOf(asked.error, this.#url);
    }
  }

  async attenuate({ label, rights, sessions, ops, expiresAt }: AskedOfHost, signal: AbortSignal) {
    const scope = { rights, sessions, ...(ops && { ops }), ...(expiresAt !== null && { expiresAt }) };
    const params = { token: this.#token, label, ...scope };
    const { capability, token } = await this.#get('capability/attenuate', params, signal);
    return { capabilityId: capability.id, token };
  }

  async revoke(capabilityId: string, signal: AbortSignal): Promise<void> {
    const params = JSON.stringify({ capabilityId, mode: 'revoke' });
    const asked = await this.#ask('capability/revoke', params, signal);
    // With what is acted with, all that was made out of it is over.
    if (asked.kind === 'error' && isOver(asked.error)) return;
    take(asked, this.#url);
  }

  async takeGuestOps(origin: string, waitMs: number, signal: AbortSignal): Promise<GuestOp[]> {
    return (await this.#get('guest/take', { origin, waitMs }, signal, waitMs)).items;
  }

  async ackGuestOps(origin: string, results: readonly GuestResult[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < results.length; from += maxResults) {
      await this.#get('guest/ack', { origin, results: results.slice(from, from + maxResults) }, signal);
    }
  }

  async close(): Promise<void> {}

  /** Another cursor is held than was expected: asks for it. */
  async #behind({ origin, batchId }: Outgoing, signal: AbortSignal): Promise<Delivered> {
    // Under an id of its own: under that of the batch there are items.
    const params = JSON.stringify({ origin, batchId: `held-${batchId}`.slice(0, 128), items: [] });
    const asked = await this.#ask('replica/append', params, signal);
    if (asked.kind === 'result') return { kind: 'behind', held: heldOf(asked.result.cursor), sessions: [] };
    if (asked.kind === 'unanswered') return { kind: 'retry', reason: asked.reason, atLeastMs: asked.atLeastMs };
    return asked.kind === 'error' ? failedOf(asked.error, this.#url) : { kind: 'refused', reason: asked.reason };
  }

  async #get<M extends Asking>(method: M, params: object, signal: AbortSignal, waitMs = 0): Promise<ResultOf<M>> {
    return take(await this.#ask(method, JSON.stringify(params), signal, waitMs), this.#url);
  }

  async #ask<M extends Asking>(method: M, params: string, signal: AbortSignal, waitMs = 0): Promise<Answered<M>> {
    const asked = await this.#asker.ask(method, params, signal, waitMs);
    if (asked.kind !== 'result') return asked;
    const parsed = asking[method].result.safeParse(asked.result);
    if (parsed.success) return { kind: 'result', result: parsed.data as ResultOf<M> };
    return { kind: 'unanswered', reason: `what ${this.#url} answered to ${method} is nothing that a sessiond answers` };
  }
}

/** What was asked for, or HostError. */
function take<M extends Asking>(asked: Answered<M>, url: string): ResultOf<M> {
  if (asked.kind === 'result') return asked.result;
  if (asked.kind === 'unanswered') throw new HostError(asked.reason, false, asked.atLeastMs);
  if (asked.kind === 'refused') throw new HostError(asked.reason, true);
  const failed = failedOf(asked.error, url);
  throw new HostError(failed.reason, failed.kind === 'refused', failed.kind === 'retry' ? failed.atLeastMs : undefined);
}

function deliveredOf(result: ResultOf<'replica/append'>, count: number, url: string): Delivered {
  const { cursor, applied, duplicates, rejected } = result;
  if (applied.length + duplicates.length + rejected.length !== count) {
    return { kind: 'retry', reason: `${url} did not tell what became of all that it was sent` };
  }
  const postponed = rejected.find(({ kind }) => passing.includes(kind as ErrorKind));
  if (postponed) return failedOf(postponed, url);
  const missing = rejected.filter(({ kind }) => kind === 'VersionConflict');
  if (missing.length === 0) {
    const notTaken = rejected.map(({ opId, kind, message }) => ({ opId, reason: plain(`${kind}: ${message}`) }));
    return { kind: 'acked', rejected: notTaken, held: cursor };
  }
  const sessions = new Set(missing.map(({ data }) => String(data.sessionId)));
  return { kind: 'behind', held: heldOf(cursor), sessions: [...sessions] };
}

/** A cursor before the first is of a host that holds nothing. */
function heldOf(cursor: string): string | undefined {
  return (parseCursor(cursor)?.seq ?? 0) > 0 ? cursor : undefined;
}

type Failed = Extract<Delivered, { kind: 'retry' | 'refused' }>;

/** What an error of the host's own means: whether the same may be taken later, else what somebody must do. */
function failedOf({ code, message, data }: WireError, url: string): Failed {
  const kind = data?.kind as ErrorKind | undefined;
  const reason = `${url}: ${plain(message)}`;
  if ((kind && passing.includes(kind)) || code === jsonRpcCodes.internalError) {
    return { kind: 'retry', reason, atLeastMs: retryAfterOf(data) };
  }
  if (kind === 'Unauthorized') {
    return { kind: 'refused', reason: `${reason}: have another token made there (sessiond grant)` };
  }
  if (kind === 'Forbidden') return { kind: 'refused', reason: `${reason}: its token must allow more` };
  if (code === jsonRpcCodes.methodNotFound) {
    return { kind: 'refused', reason: `${reason}: that sessiond is older than this, and must be replaced by a newer` };
  }
  return { kind: 'refused', reason };
}

/** The host itself says that nobody can act with it any more. A door that refuses (a proxy, say) says nothing of that. */
function isOver({ data }: WireError): boolean {
  return data?.kind === 'NotFound' || data?.kind === 'Unauthorized';
}
