// Who may ask what: the one place where a call is judged by the capability that its connection acts with (PROTOCOL.md 6). Ops
// are judged where they are applied, in order with revocations; this judges the rest, and has it audited.
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import type { Method, MethodName } from '../../protocol/methods.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Grant } from '../engine/grant.ts';
import { holds, sees } from '../engine/grant.ts';
import type { Reads } from '../engine/reads.ts';
import type { Peer } from './peer.ts';

export type AccessDeps = Pick<Reads, 'lists'> & { capabilities: Pick<Capabilities, 'audit'> };

type Named = { sessionId?: string; blockerId?: string };

export class Access {
  readonly #deps: AccessDeps;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
  }

  /**
   * What `act` gives, or throws why the peer may not have it. What takes a while is not handed out where the capability ends
   * meanwhile. Methods without a right are open to all: they are how one comes to hold something.
   */
  run(peer: Peer, name: MethodName, method: Method, params: unknown, act: () => unknown): unknown {
    const { grant } = peer;
    if (!grant || method.right === null) return act();
    const named = params as Named;
    const refusal = grant.invalid() ?? this.#refusal(grant, name, method, named);
    if (refusal) return this.#refuse(peer, name, named, refusal);
    // Judged and audited with what they change.
    const { kind, right } = method;
    const isElsewhere = kind === 'op' || kind === 'series' || name === 'ops/append';
    if (isElsewhere || (kind === 'mutation' && right === 'share')) return act();
    const handOut = (result: unknown) => {
      const ended = grant.invalid();
      if (ended) throw new RefusedError(ended);
      return result;
    };
    const read = () => {
      const result = act();
      return result instanceof Promise ? result.then(handOut) : handOut(result);
    };
    const isOnce = right !== 'admin';
    if (isOnce && peer.audited.has(name)) return read();
    peer.audited.add(name);
    return this.#audit(peer, name, named, 'ok').then(read);
  }

  /** A session that is hidden comes first: what is visible alone can be forbidden. */
  #refusal({ capability }: Grant, name: MethodName, method: Method, named: Named): Refusal | undefined {
    const { sessionId, blockerId } = named;
    const right = method.right!;
    if (method.kind === 'op') return undefined;
    const isHidden = (id: string | undefined) => id !== undefined && !sees(capability, id);
    if (isHidden(sessionId))
      return refuse('NotFound', `there is no session ${sessionId}`, { what: 'session', id: sessionId! });
    if (name === 'blocker/wait' && isHidden(this.#sessionOfBlocker(blockerId!))) {
      return refuse('NotFound', `there is no blocker ${blockerId}`, { what: 'blocker', id: blockerId! });
    }
    // They make sessions, or are about all of them.
    const needsAll = method.kind === 'series' || right === 'admin';
    if (holds(capability, right) && (!needsAll || capability.sessions === '*')) return undefined;
    return refuse('Forbidden', `the capability does not allow ${name}`, { right, ...(sessionId && { sessionId }) });
  }

  #sessionOfBlocker(id: string): string | undefined {
    const blocker = this.#deps.lists.findBlocker(id);
    return blocker && (JSON.parse(blocker) as { sessionId: string }).sessionId;
  }

  async #refuse(peer: Peer, name: MethodName, named: Named, refusal: Refusal): Promise<never> {
    await this.#audit(peer, name, named, refusal.refused);
    throw new RefusedError(refusal);
  }

  #audit(peer: Peer, method: MethodName, { sessionId }: Named, outcome: string): Promise<void> {
    return this.#deps.capabilities.audit(peer.author, { method, sessionId: sessionId ?? null, outcome });
  }
}
