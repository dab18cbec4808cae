// Who may ask what: the one place where a call is judged by the capability that its connection acts with (PROTOCOL.md 6). Ops
// are judged where they are applied, in order with revocations; this judges the rest, and has it audited.
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Method, MethodName } from '../../protocol/methods.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Grant } from '../engine/grant.ts';
import { holds, sees } from '../engine/grant.ts';
import type { Reads } from '../engine/reads.ts';
import type { Caller } from './caller.ts';

export type AccessDeps = Pick<Reads, 'lists'> & { capabilities: Pick<Capabilities, 'audit'> };

type Named = { sessionId?: string; blockerId?: string };

export class Access {
  readonly #deps: AccessDeps;
  /** What is being written down once, by where it stands then and what it is. */
  readonly #writing = new WeakMap<Set<string>, Map<string, Promise<void>>>();

  constructor(deps: AccessDeps) {
    this.#deps = deps;
  }

  /**
   * What `act` gives, or throws why the caller may not have it. What takes a while is not handed out where the capability ends
   * meanwhile. Methods without a right are open to all: they are how one comes to hold something.
   */
  run(caller: Caller, name: MethodName, method: Method, params: unknown, act: () => unknown): unknown {
    const { grant } = caller;
    const { kind, right } = method;
    if (!grant || right === null) return act();
    const named = params as Named;
    const refusal = grant.invalid() ?? this.#refusal(grant, name, method, named);
    if (refusal) return this.#refuse(caller, name, named, refusal);
    // Judged and audited with what they change.
    if (kind === 'op' || kind === 'series' || name === 'ops/append' || name === 'replica/append') return act();
    if (kind === 'wait') return this.#handOut(grant, act);
    if (isAuditedOnce(method) && caller.audited.has(name)) return this.#handOut(grant, act);
    return this.#audited(caller, grant, name, method, named, act);
  }

  /** Reads once a connection and method, all else each time; a refusal each time. */
  async #audited(caller: Caller, grant: Grant, name: MethodName, method: Method, named: Named, act: () => unknown) {
    let result: unknown;
    try {
      // What was done is told, also to who is over by it.
      const isRead = method.kind === 'read' && method.right !== 'admin';
      result = await (isRead ? this.#handOut(grant, act) : act());
    } catch (error) {
      if (error instanceof RefusedError) await this.#audit(caller, name, named, error.refusal.refused);
      throw error;
    }
    // What changes capabilities is audited with the change.
    if (method.kind === 'mutation' && method.right === 'share') return result;
    const audit = () => this.#audit(caller, name, named, 'ok');
    await (isAuditedOnce(method) ? this.#once(caller, name, audit) : audit());
    return result;
  }

  /** Who asks while it is being written waits for that; where it could not be written it is tried the next time. */
  async #once({ audited }: Caller, what: string, audit: () => Promise<void>): Promise<void> {
    if (audited.has(what)) return;
    const writing = this.#writing.get(audited) ?? new Map<string, Promise<void>>();
    this.#writing.set(audited, writing);
    const written = writing.get(what) ?? audit().then(() => void audited.add(what));
    writing.set(what, written);
    await written.finally(() => writing.delete(what));
  }

  #handOut(grant: Grant, act: () => unknown): unknown {
    const still = (result: unknown) => {
      const ended = grant.invalid();
      if (ended) throw new RefusedError(ended);
      return result;
    };
    const result = act();
    return result instanceof Promise ? result.then(still) : still(result);
  }

  /** A session that is hidden comes first: what is visible alone can be forbidden. */
  #refusal({ capability }: Grant, name: MethodName, method: Method, named: Named): Refusal | undefined {
    const { sessionId, blockerId } = named;
    const right = method.right!;
    if (method.kind === 'op') return undefined;
    const isHidden = (id: string | undefined) => id !== undefined && !sees(capability, id);
    if (isHidden(sessionId))
      return refuse('NotFound', `there is no session ${sessionId}`, { what: 'session', id: sessionId! });
    const ofBlocker = name === 'blocker/wait' ? this.#sessionOfBlocker(blockerId!) : undefined;
    // One that is not there is answered as one that is hidden, whatever right is missing.
    if (name === 'blocker/wait' && (ofBlocker === undefined || isHidden(ofBlocker))) {
      return refuse('NotFound', `there is no blocker ${blockerId}`, { what: 'blocker', id: blockerId! });
    }
    // They make sessions, or are about all of them.
    const isSeries = method.kind === 'series';
    const needsAll = isSeries || right === 'admin';
    // A series writes sessions, messages and more: not what is narrowed to some ops.
    const isNarrow = (needsAll && capability.sessions !== '*') || (isSeries && capability.ops !== undefined);
    if (holds(capability, right) && !isNarrow) return undefined;
    return refuse('Forbidden', `the capability does not allow ${name}`, { right, ...(sessionId && { sessionId }) });
  }

  #sessionOfBlocker(id: string): string | undefined {
    const blocker = this.#deps.lists.findBlocker(id);
    return blocker && (JSON.parse(blocker) as { sessionId: string }).sessionId;
  }

  async #refuse(caller: Caller, name: MethodName, named: Named, refusal: Refusal): Promise<never> {
    // Whoever goes on asking with what is over is told so, and written down once a method.
    const audit = () => this.#audit(caller, name, named, refusal.refused);
    await (refusal.refused === 'Unauthorized' ? this.#once(caller, `Unauthorized ${name}`, audit) : audit());
    throw new RefusedError(refusal);
  }

  #audit(caller: Caller, method: MethodName, { sessionId }: Named, outcome: string): Promise<void> {
    return this.#deps.capabilities.audit(caller.author, { method, sessionId: sessionId ?? null, outcome });
  }
}

/** Reading is, and asking for what guests have sent, which goes on all the time. */
function isAuditedOnce({ kind, right }: Method): boolean {
  return kind === 'read' && (right === 'read' || right === 'append');
}
