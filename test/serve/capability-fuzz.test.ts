// Random grants, attenuations, revocations, expiries and calls of every method, against a model that knows the rules and not
// the code: nothing is allowed that the model forbids, nothing is refused that it allows, and no byte of a hidden session's
// records ever leaves (PROTOCOL.md 6). By hand, for more: SESSIOND_FUZZ_STEPS=20000 npx vitest run test/serve/capability-fuzz.test.ts
import { expect, test } from 'vitest';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { rights } from '../../protocol/capability.ts';
import type { MethodName } from '../../protocol/methods.ts';
import { methods } from '../../protocol/methods.ts';
import type { Holding, ModelScope, Verdict } from '../support/capability-model.ts';
import { CapabilityModel } from '../support/capability-model.ts';
import { daemonInProcess, testHome } from '../support/daemon.ts';
import { Dice } from '../support/history-run/dice.ts';
import { wireOver } from '../support/web-socket-wire.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { wireInMemory, wireTo } from '../support/wire.ts';

const steps = Number(process.env.SESSIOND_FUZZ_STEPS ?? 1_500);
const sessions = ['ses_a', 'ses_b', 'ses_c'];
const short = (sessionId: string) => sessionId.slice(4);
/** Stands in every record of a session, and in no id. */
const marker = (sessionId: string) => `marker-of-${short(sessionId)}-records`;

/** Called for what is not there. */
const isMissing: string[] = ['events/unsubscribe', 'events/sync', 'events/ack', 'subscriber/remove', 'source/remove'];

type Actor = { wire: Wire; holding: Holding };

class Fuzz {
  readonly dice: Dice;
  readonly model = new CapabilityModel(1_000_000);
  readonly tokens = new Map<string, string>();
  readonly counts = new Map<string, number>();
  readonly actors: Actor[] = [];
  owner!: Wire;
  connect!: () => Promise<Wire>;
  head = '';
  #made = 0;

  constructor(seed: number) {
    this.dice = new Dice(seed, 'capabilities');
  }

  async setUp(): Promise<void> {
    const home = testHome();
    const quiet = { info() {}, warn() {}, error() {} };
    const runtime = { ...systemRuntime(quiet), now: () => this.model.now };
    const { daemon } = daemonInProcess(home, { runtime });
    await daemon.start();
    let made = 0;
    this.connect = async () => {
      made += 1;
      const { socket } = home.paths;
      const overWebSocket = async () => (await wireOver(`ws+unix:${socket}:/ws`)).wire;
      const dialects = [
        () => wireInMemory(daemon),
        () => wireTo(socket),
        () => wireTo(socket, 'header'),
        overWebSocket,
      ];
      return dialects[made % dialects.length]!();
    };
    this.owner = await this.connect();
    for (const sessionId of sessions) await this.#fill(sessionId);
    this.head = (await this.#ok('daemon/status', {})).head;
  }

  async #fill(sessionId: string): Promise<void> {
    const [id, text] = [short(sessionId), marker(sessionId)];
    await this.#ok('session/create', { sessionId, title: text, directory: `/${text}`, agent: text });
    await this.#ok('message/put', { sessionId, messageId: `msg_${id}`, role: 'user', metadata: { text } });
    const usage = { input: 1, output: 1, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
    const spent = { role: 'assistant', agent: text, model: { providerId: text, modelId: 'm' }, usage };
    await this.#ok('message/put', { sessionId, ...spent });
    const part = { type: 'text', text: `words ${text}` };
    await this.#ok('part/put', { sessionId, messageId: `msg_${id}`, partId: `prt_${id}`, part });
    const turn = {
      turnId: `trn_${id}`,
      agent: text,
      model: { providerId: 'p', modelId: 'm' },
      parts: [],
      leaseMs: 86_400_000,
    };
    await this.#ok('turn/start', { sessionId, ...turn });
    await this.#ok('artifact/put', { sessionId, kind: 'k', key: 'k', data: text });
    await this.#ask(sessionId);
  }

  /** A question that waits; each answer takes a new one. */
  async #ask(sessionId: string): Promise<string> {
    this.#made += 1;
    const blockerId = `blk_${short(sessionId)}_${this.#made}`;
    const options = ['yes', 'no'].map((label) => ({ label, description: marker(sessionId) }));
    const request = { questions: [{ question: marker(sessionId), header: 'h', options, multiple: false }] };
    await this.#ok('blocker/ask', { sessionId, blockerId, kind: 'question', request });
    return blockerId;
  }

  async #ok(method: string, params: object): Promise<Anything> {
    const { result, error } = await this.owner.call(method, params);
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  pickScope(): ModelScope & { given: object } {
    const { dice } = this;
    const some = <T>(from: readonly T[]) => from.filter(() => dice.chance(0.6));
    const given = {
      rights: [...new Set(['read', ...some(rights)].slice(dice.int(0, 1)))],
      sessions: dice.chance(0.3) ? ('*' as const) : [...new Set([dice.pick(sessions), ...some(sessions)])],
      ...(dice.chance(0.3) ? { ops: [dice.pick(['part/*', 'part/put', 'session/update', 'blocker/*'])] } : {}),
      expiresAt: dice.chance(0.3) ? this.model.now + dice.int(1, 400) : null,
    };
    if (given.rights.length === 0) given.rights = ['read'];
    return { ...given, given };
  }

  /** Adds what was made to the model, and somebody who acts with it. */
  async #add({ capability, token }: Anything, parent: string | null, scope: ModelScope): Promise<void> {
    const { rights: held, sessions: seen, ops, expiresAt } = scope;
    expect(capability).toMatchObject({ parentId: parent, expiresAt });
    this.model.add(capability.id, parent, { rights: held, sessions: seen, ops, expiresAt });
    this.tokens.set(capability.id, token);
    await this.#redeem(await this.connect(), capability.id);
  }

  async #redeem(wire: Wire, id: string): Promise<void> {
    const invalid = this.model.invalid(id);
    const { result, error } = await wire.call('capability/redeem', { token: this.tokens.get(id) });
    if (invalid) {
      expect(error!.data).toEqual({ kind: 'Unauthorized', reason: invalid });
      return;
    }
    expect(result.capability.epoch).toBe(this.model.epochOf(id));
    const seen = sessions.filter((each) => this.model.sees({ id, epoch: 0 }, each));
    expect(result.sessions.map((each: Anything) => each.id).filter((each: string) => sessions.includes(each))).toEqual(
      seen,
    );
    this.actors.push({ wire, holding: { id, epoch: this.model.epochOf(id) } });
    if (this.actors.length > 12) this.actors.splice(0, 1)[0]!.wire.close();
  }

  async grant(): Promise<void> {
    const actor = this.dice.chance(0.4) ? { wire: this.owner, holding: undefined } : this.#pickActor();
    const { holding, wire } = actor;
    const { given, ...scope } = this.pickScope();
    const parent = holding ? this.model.scopeOf(holding.id) : undefined;
    const isFree = !parent || (parent.rights.includes('admin') && parent.sessions === '*');
    if (!isFree && scope.ops === undefined) scope.ops = parent.ops;
    const { result, error } = await wire.call('capability/grant', { label: 'g', ...given });
    const verdict = this.model.judge(holding, 'capability/grant', undefined);
    if (verdict !== 'allowed') return this.#expectVerdict(verdict, error, 'capability/grant');
    if (!this.model.mayGrant(holding, scope)) {
      expect(['Forbidden', 'NotFound']).toContain(error?.data.kind);
      return this.count('grant of more');
    }
    expect(error).toBeUndefined();
    this.count('grant');
    await this.#add(result, holding?.id ?? null, scope);
  }

  async attenuate(): Promise<void> {
    const id = this.#pickId();
    if (!id) return;
    const { given, ...asked } = this.pickScope();
    const parent = this.model.scopeOf(id);
    const scope = { ...asked, ops: asked.ops ?? parent.ops };
    const { wire } = this.#pickActor();
    const { result, error } = await wire.call('capability/attenuate', {
      token: this.tokens.get(id),
      label: 'a',
      ...given,
    });
    const invalid = this.model.invalid(id);
    if (invalid) return this.#expectVerdict(invalid, error, 'capability/attenuate');
    if (!this.model.isWithin(id, scope)) {
      expect(['Forbidden', 'NotFound']).toContain(error?.data.kind);
      return this.count('attenuation to more');
    }
    expect(error).toBeUndefined();
    this.count('attenuation');
    await this.#add(result, id, scope);
  }

  async revoke(): Promise<void> {
    const id = this.#pickId();
    if (!id) return;
    const mode = this.dice.pick(['revoke', 'bumpEpoch', 'bumpEpoch'] as const);
    const { wire, holding } = this.dice.chance(0.5) ? { wire: this.owner, holding: undefined } : this.#pickActor();
    const verdict = this.model.judge(holding, 'capability/revoke', undefined);
    const watched = this.actors.filter(({ holding: each }) => each && this.model.isBelow(each.id, id));
    const valid = watched.filter(({ holding: each }) => !this.model.invalid(each!.id, each!.epoch));
    for (const each of valid) await each.wire.call('events/subscribe', {});
    const { error } = await wire.call('capability/revoke', { capabilityId: id, mode });
    if (verdict !== 'allowed') return this.#expectVerdict(verdict, error, 'capability/revoke');
    if (holding && !this.model.isBelow(id, holding.id))
      return this.#expectVerdict('NotFound', error, 'capability/revoke');
    expect(error).toBeUndefined();
    this.model.revoke(id, mode);
    this.count(mode);
    for (const each of valid) {
      if (!this.model.scopeOf(each.holding!.id).rights.includes('read')) continue;
      // Over a socket the bytes may be read a moment later than those of the reply.
      await each.wire.until('its end', () =>
        each.wire.notifications('events/ended').some(({ params }) => params.reason === 'revoked'),
      );
      this.count('subscription ended');
    }
  }

  async again(): Promise<void> {
    const id = this.#pickId();
    if (id) await this.#redeem(await this.connect(), id);
  }

  /** One call of any method, by anybody. */
  async call(): Promise<void> {
    const { wire, holding } = this.#pickActor();
    const method = this.dice.pick(Object.keys(methods) as MethodName[]);
    const sessionId = this.dice.pick(sessions);
    const made = await this.#paramsOf(method, sessionId);
    if (!made) return;
    const { params, about } = made;
    const verdict = this.#judge(holding, method, about, params);
    // What would end the run, or its records.
    if (
      verdict === 'allowed' &&
      ['daemon/shutdown', 'session/delete', 'message/remove', 'part/remove', 'turn/finish'].includes(method)
    )
      return;
    const { error, result } = await wire.call(method, params);
    if (verdict === 'allowed' && isMissing.includes(method)) expect(error!.data.kind).toBe('NotFound');
    else this.#expectVerdict(verdict, error, method, result);
    if (method !== 'ops/append' || verdict !== 'allowed') return;
    // Each op of a batch for itself.
    const ofOp = this.model.judge(holding, 'session/update', sessionId);
    this.#expectVerdict(ofOp, result.rejected[0] && { data: result.rejected[0] }, 'op of a batch', result);
  }

  /** An answer that is imported is one that is given. */
  #judge(holding: Holding, method: MethodName, about: string | undefined, params: { text?: string }): Verdict {
    const verdict = this.model.judge(holding, method, about);
    if (verdict !== 'allowed' || method !== 'session/import') return verdict;
    if (!/"state":"(answered|rejected)"/.test(params.text!)) return verdict;
    return this.model.judge(holding, 'blocker/answer', undefined);
  }

  /** An op in a session that gives its record the id of one in another session, which its author may know of or not. */
  async foreign(): Promise<void> {
    const { wire, holding } = this.#pickActor();
    const [sessionId, other] = [this.dice.pick(sessions), this.dice.pick(sessions)];
    if (sessionId === other) return;
    const [at, id] = [{ sessionId }, short(other)];
    const model = { providerId: 'p', modelId: 'm' };
    const part = { type: 'text', text: 'x' };
    const request = { permission: 'p', patterns: ['x'] };
    const blockerId = await this.#ask(other);
    const [method, params] = this.dice.pick<[MethodName, object]>([
      ['message/put', { ...at, messageId: `msg_${id}`, role: 'user' }],
      ['part/put', { ...at, messageId: `msg_${short(sessionId)}`, partId: `prt_${id}`, part }],
      ['turn/start', { ...at, turnId: `trn_${id}`, agent: 'g', model, parts: [] }],
      ['turn/start', { ...at, agent: 'g', model, parts: [{ ...part, id: `prt_${id}` }] }],
      ['blocker/ask', { ...at, blockerId, kind: 'permission', request }],
      ['blocker/answer', { ...at, blockerId, answer: { answers: [['yes']] } }],
      ['blocker/reject', { ...at, blockerId }],
    ]);
    const verdict = this.model.judge(holding, method, sessionId);
    const { error } = await wire.call(method, params);
    if (verdict !== 'allowed') return this.#expectVerdict(verdict, error, method);
    expect(['AlreadyExists', 'NotFound'], `${method} ${JSON.stringify(params)}`).toContain(error?.data.kind);
    this.count('foreign id');
  }

  #expectVerdict(verdict: Verdict, error: Anything, method: string, result?: Anything): void {
    const kind = error?.data?.kind;
    this.count(`${method} ${verdict === 'allowed' ? 'allowed' : 'refused'}`);
    const told = `${method}: ${JSON.stringify(error ?? result)?.slice(0, 300)}`;
    if (verdict === 'allowed') expect(['Forbidden', 'Unauthorized', 'NotFound'], told).not.toContain(kind);
    else if (verdict === 'Forbidden' || verdict === 'NotFound') expect(kind, told).toBe(verdict);
    else expect(error?.data, told).toEqual({ kind: 'Unauthorized', reason: verdict });
  }

  /** Params with which the owner would succeed; `about`: the session that the call names, in one way or another. */
  async #paramsOf(method: MethodName, sessionId: string): Promise<{ params: object; about?: string } | undefined> {
    const id = short(sessionId);
    this.#made += 1;
    const at = { sessionId };
    const about = sessionId;
    const text = marker(sessionId);
    switch (method) {
      case 'initialize':
        return { params: { protocolVersion: 1, client: { name: 'f', version: '1' } } };
      case 'ops/append':
        return {
          params: { ops: [{ opId: `op_${this.#made}`, type: 'session/update', params: { ...at, title: text } }] },
        };
      case 'session/create':
        return { params: { title: 'made' } };
      case 'session/update':
        return { params: { ...at, title: text }, about };
      case 'turn/start':
        return {
          params: { ...at, agent: 'g', model: { providerId: 'p', modelId: 'm' }, parts: [], leaseMs: 86_400_000 },
          about,
        };
      case 'turn/heartbeat':
        return { params: { turnId: `trn_${id}`, leaseMs: 86_400_000 }, about };
      case 'turn/finish':
        return { params: { turnId: `trn_${id}`, state: 'completed' }, about };
      case 'message/put':
        return { params: { ...at, role: 'user' }, about };
      case 'message/remove':
        return { params: { ...at, messageId: `msg_${id}` }, about };
      case 'part/put':
        return { params: { ...at, messageId: `msg_${id}`, part: { type: 'text', text } }, about };
      case 'part/delta': {
        const partId = `prt_${id}_${this.#made}`;
        const part = { type: 'text', text: '' };
        await this.#ok('part/put', { ...at, messageId: `msg_${id}`, partId, part });
        return { params: { ...at, partId, field: 'text', offset: 0, text }, about };
      }
      case 'part/remove':
        return { params: { ...at, partId: `prt_${id}` }, about };
      case 'blocker/ask': {
        const request = { permission: 'p', patterns: [text] };
        return { params: { ...at, kind: 'permission', request }, about };
      }
      case 'blocker/answer':
        return { params: { ...at, blockerId: await this.#ask(sessionId), answer: { answers: [['yes']] } }, about };
      case 'blocker/reject':
        return { params: { ...at, blockerId: await this.#ask(sessionId) }, about };
      case 'blocker/wait':
        return { params: { blockerId: await this.#ask(sessionId), timeoutMs: 0 }, about };
      case 'artifact/put':
        return { params: { ...at, kind: 'k', key: `k${this.#made}`, data: text }, about };
      case 'artifact/remove': {
        const key = `k${this.#made}`;
        await this.#ok('artifact/put', { ...at, kind: 'k', key, data: text });
        return { params: { ...at, kind: 'k', key }, about };
      }
      case 'session/fork':
        return { params: at, about };
      case 'session/export':
        return { params: { ...at, format: this.dice.pick(['json', 'markdown', 'html']) }, about };
      case 'session/import':
        return { params: { text: (await this.#ok('session/export', { ...at, format: 'json' })).text } };
      case 'session/delete':
      case 'session/get':
      case 'message/list':
      case 'artifact/list':
        return { params: at, about };
      case 'turn/list':
      case 'blocker/list':
        return this.dice.chance(0.5) ? { params: at, about } : { params: {} };
      case 'session/search':
        return { params: { query: this.dice.pick(['marker', 'words', text]) } };
      case 'events/read':
        return { params: { after: this.head, filter: { sessions: [sessionId] } } };
      case 'events/subscribe': {
        const filter = this.dice.chance(0.5) ? { filter: { sessions: [sessionId] } } : {};
        return { params: { from: 'start', snapshot: this.dice.pick(['always', 'onGap']), ...filter } };
      }
      case 'events/unsubscribe':
      case 'events/sync':
        return { params: { subscription: 'sub_none' } };
      case 'events/ack':
        return { params: { name: 'nobody', cursor: this.head } };
      case 'subscriber/remove':
      case 'source/remove':
        return { params: { name: 'nobody' } };
      case 'source/add':
        return { params: { kind: 'codex', path: '/nonexistent' } };
      case 'store/backup':
        return { params: { path: '/nonexistent/b.db' } };
      case 'session/list':
      case 'session/usage':
      case 'subscriber/list':
      case 'source/list':
      case 'source/rescan':
      case 'daemon/status':
      case 'daemon/shutdown':
      case 'store/check':
      case 'store/compact':
      case 'ping':
      case 'rpc.discover':
      case 'capability/list':
      case 'capability/audit':
        return { params: {} };
      default:
        // They have a step of their own.
        return undefined;
    }
  }

  /** What anybody was ever told, of sessions that they may not know of. */
  expectHidden(): void {
    for (const { wire, holding } of this.actors) {
      const told = JSON.stringify(wire.received);
      for (const sessionId of sessions) {
        if (!this.model.sees(holding, sessionId)) expect(told).not.toContain(marker(sessionId));
      }
    }
  }

  #pickActor(): Actor {
    return this.actors.length > 0 ? this.dice.pick(this.actors) : { wire: this.owner, holding: undefined };
  }

  #pickId(): string | undefined {
    const { ids } = this.model;
    return ids.length > 0 ? this.dice.pick(ids.slice(-20)) : undefined;
  }
}

test('what capabilities allow, refuse and hide is what the model says, whoever calls what in which dialect', async () => {
  const fuzz = new Fuzz(Number(process.env.SESSIOND_FUZZ_SEED ?? 1));
  await fuzz.setUp();
  for (let step = 0; step < steps; step += 1) {
    const kind = fuzz.dice.weighted({ grant: 8, attenuate: 6, revoke: 3, again: 4, time: 4, foreign: 8, call: 67 });
    if (kind === 'time') fuzz.model.now += fuzz.dice.int(1, 60);
    else await fuzz[kind]();
    if (step % 50 === 0) fuzz.expectHidden();
  }
  fuzz.expectHidden();
  for (const what of [
    'grant',
    'grant of more',
    'attenuation',
    'attenuation to more',
    'revoke',
    'bumpEpoch',
    'foreign id',
  ]) {
    expect(fuzz.counts.get(what), what).toBeGreaterThan(0);
  }
  expect(fuzz.counts.get('subscription ended')).toBeGreaterThan(0);
  if (process.env.SHOW)
    console.log(
      [...fuzz.counts]
        .sort()
        .map((e) => e.join(' '))
        .join('; '),
    );
});
