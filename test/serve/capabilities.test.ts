// Capabilities over the wire: handed out, redeemed, taken back at once, and what was done with them (PROTOCOL.md 6).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../daemon/engine/runtime.ts';
import { daemonInProcess, startDaemon, testHome } from '../support/daemon.ts';
import type { Anything, Wire } from '../support/wire.ts';
import { request, wireInMemory, wireTo } from '../support/wire.ts';

const ok = async (wire: Wire, method: string, params: object = {}): Promise<Anything> => {
  const { result, error } = await wire.call(method, params);
  if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
};
const refusal = async (wire: Wire, method: string, params: object = {}) =>
  (await wire.call(method, params)).error?.data;

async function setUp() {
  const { daemon } = daemonInProcess(testHome());
  const owner = wireInMemory(daemon);
  for (const id of ['ses_a', 'ses_b']) {
    await ok(owner, 'session/create', { sessionId: id, title: `title of ${id}`, directory: `/${id}` });
    const messageId = `msg_${id.slice(4)}`;
    await ok(owner, 'message/put', { sessionId: id, messageId, role: 'user' });
    await ok(owner, 'part/put', { sessionId: id, messageId, part: { type: 'text', text: `words of ${id}` } });
  }
  const hold = async (given: object) => {
    const { capability, token } = await ok(owner, 'capability/grant', { label: 'x', ...given });
    const wire = wireInMemory(daemon);
    const redeemed = await ok(wire, 'capability/redeem', { token });
    return { wire, token, capability, redeemed };
  };
  return { daemon, owner, hold };
}

describe('a capability', () => {
  it('shows its sessions alone, in every list, stream and count', async () => {
    const { owner, hold } = await setUp();
    const { wire, redeemed } = await hold({ rights: ['read'], sessions: ['ses_a'] });
    expect(redeemed.sessions).toEqual([{ id: 'ses_a', title: 'title of ses_a', version: 3 }]);
    const ids = async (method: string) =>
      (await ok(wire, method)).items.map((each: Anything) => each.id ?? each.session.id);
    expect(await ids('session/list')).toEqual(['ses_a']);
    expect((await ok(wire, 'daemon/status')).sessions).toBe(1);
    const found = (await ok(wire, 'session/search', { query: 'words' })).items;
    expect(found.map(({ session }: Anything) => session.id)).toEqual(['ses_a']);
    const { earliest } = await ok(owner, 'daemon/status');
    const read = await ok(wire, 'events/read', { after: earliest });
    expect(new Set(read.events.map((each: Anything) => each.sessionId))).toEqual(new Set(['ses_a']));
    await ok(wire, 'events/subscribe', { from: 'start', snapshot: 'always' });
    await wire.until('to be caught up', () => wire.notifications('events/caughtUp').length > 0);
    await ok(owner, 'session/update', { sessionId: 'ses_b', title: 'more of ses_b' });
    await ok(owner, 'session/update', { sessionId: 'ses_a', title: 'more of ses_a' });
    await wire.until('its own', () => wire.seqs.length === 1);
    expect(JSON.stringify(wire.received)).not.toContain('ses_b');
  });

  it('cannot tell from the ranks of a search which words hidden sessions hold', async () => {
    const { owner, hold } = await setUp();
    const { wire } = await hold({ rights: ['read'], sessions: ['ses_a'] });
    const ask = async () => (await ok(wire, 'session/search', { query: 'words ses_a' })).items;
    const before = await ask();
    expect(before).toHaveLength(1);
    const part = { type: 'text', text: 'words words ses_a' };
    for (let made = 0; made < 20; made += 1)
      await ok(owner, 'part/put', { sessionId: 'ses_b', messageId: 'msg_b', part });
    expect(await ask()).toEqual(before);
    const mine = { sessionId: 'ses_a', messageId: 'msg_a', part };
    const { ids } = await ok(owner, 'part/put', mine);
    const after = await ask();
    expect(after.map(({ partId }: Anything) => partId)).toEqual([ids.partId, before[0].partId]);
    const first = await ok(wire, 'session/search', { query: 'words ses_a', limit: 1 });
    const second = await ok(wire, 'session/search', { query: 'words ses_a', limit: 1, pageToken: first.nextPageToken });
    expect([...first.items, ...second.items]).toEqual(after);
  });

  it('is told of a hidden session what it is told of none, and of a visible one what it may not', async () => {
    const { hold } = await setUp();
    const { wire } = await hold({ rights: ['read', 'append'], sessions: ['ses_a'], ops: ['part/*'] });
    const asks: [string, object][] = [
      ['session/get', {}],
      ['message/list', {}],
      ['session/export', { format: 'json' }],
      ['session/update', { title: 'x' }],
      ['session/update', { title: 'x', expectedVersion: 1 }],
      ['part/remove', { partId: 'prt_1' }],
    ];
    for (const [method, params] of asks) {
      const of = async (sessionId: string) => {
        const { error } = await wire.call(method, { sessionId, ...params });
        return JSON.stringify(error).replaceAll(sessionId, 'ID');
      };
      expect(await of('ses_b'), method).toBe(await of('ses_none'));
    }
    expect(await refusal(wire, 'session/update', { sessionId: 'ses_a', title: 'x' })).toEqual({
      ...{ kind: 'Forbidden', right: 'append', sessionId: 'ses_a' },
    });
    expect(await refusal(wire, 'session/create', {})).toEqual({ kind: 'Forbidden', right: 'append' });
    expect(await refusal(wire, 'daemon/shutdown')).toEqual({ kind: 'Forbidden', right: 'admin' });
    const part = { type: 'text', text: 'its own' };
    expect((await ok(wire, 'part/put', { sessionId: 'ses_a', messageId: 'msg_a', part })).duplicate).toBe(false);
  });

  it('ends at once when it is revoked, with its subscriptions and all that was made out of it', async () => {
    const { daemon, owner, hold } = await setUp();
    const { wire, token, capability } = await hold({ rights: ['read', 'share'], sessions: '*' });
    const child = await ok(wire, 'capability/attenuate', { token, label: 'less', sessions: ['ses_a'] });
    const below = wireInMemory(daemon);
    await ok(below, 'initialize', { protocolVersion: 1, client: { name: 'c', version: '1' }, token: child.token });
    for (const each of [wire, below]) await ok(each, 'events/subscribe', {});
    const waiting = wire.call('events/read', { after: (await ok(owner, 'daemon/status')).head, waitMs: 60_000 });
    await ok(owner, 'capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    for (const each of [wire, below]) {
      expect(each.notifications('events/ended').map(({ params }) => params.reason)).toEqual(['revoked']);
      expect(await refusal(each, 'session/list')).toEqual({ kind: 'Unauthorized', reason: 'revoked' });
    }
    expect((await waiting).error!.data).toEqual({ kind: 'Unauthorized', reason: 'revoked' });
    for (const each of [token, child.token]) {
      expect(await refusal(below, 'capability/redeem', { token: each })).toEqual({
        kind: 'Unauthorized',
        reason: 'revoked',
      });
    }
  });

  it('is redeemed again after bumpEpoch, and after a restart as who it was', async () => {
    const home = testHome();
    const first = await startDaemon(home);
    const owner = await wireTo(home.paths.socket);
    await ok(owner, 'session/create', { sessionId: 'ses_a' });
    const { token, capability } = await ok(owner, 'capability/grant', {
      label: 'x',
      rights: ['append'],
      sessions: ['ses_a'],
    });
    const wire = await wireTo(home.paths.socket);
    await ok(wire, 'capability/redeem', { token });
    const op = { opId: 'op_1', sessionId: 'ses_a', title: 'once' };
    expect(await ok(wire, 'session/update', op)).toMatchObject({ duplicate: false });
    await ok(owner, 'capability/revoke', { capabilityId: capability.id, mode: 'bumpEpoch' });
    expect(await refusal(wire, 'session/update', op)).toEqual({ kind: 'Unauthorized', reason: 'staleEpoch' });
    expect((await ok(wire, 'capability/redeem', { token })).capability.epoch).toBe(2);
    await first.kill('SIGKILL');
    await startDaemon(home);
    const again = await wireTo(home.paths.socket);
    const redeemed = await ok(again, 'capability/redeem', { token });
    expect(redeemed.capability).toMatchObject({ id: capability.id, epoch: 2 });
    expect(await ok(again, 'session/update', op)).toMatchObject({ duplicate: true });
    expect(await refusal(again, 'session/update', { ...op, opId: 'op_2', capabilityEpoch: 1 })).toMatchObject({
      reason: 'staleEpoch',
    });
  });

  it('ends when its time is over, with its subscriptions and waits, though nobody asks anything', async () => {
    let now = 1_000_000;
    const runtime = { ...systemRuntime({ info() {}, warn() {}, error() {} }), now: () => now };
    const { daemon } = daemonInProcess(testHome(), { runtime });
    await daemon.start();
    const owner = wireInMemory(daemon);
    await ok(owner, 'session/create', { sessionId: 'ses_a' });
    const scope = { rights: ['read'], sessions: ['ses_a'], expiresAt: now + 10 };
    const { token } = await ok(owner, 'capability/grant', { label: 'x', ...scope });
    const wire = wireInMemory(daemon);
    await ok(wire, 'capability/redeem', { token });
    await ok(wire, 'events/subscribe', {});
    const waiting = wire.call('events/read', { after: (await ok(owner, 'daemon/status')).head, waitMs: 60_000 });
    now += 10;
    await wire.until('its end', () => wire.notifications('events/ended').length > 0);
    expect(wire.notifications('events/ended')[0]!.params.reason).toBe('revoked');
    expect((await waiting).error!.data).toEqual({ kind: 'Unauthorized', reason: 'expired' });
    await ok(owner, 'session/update', { sessionId: 'ses_a', title: 'later' });
    expect(await refusal(wire, 'session/list')).toEqual({ kind: 'Unauthorized', reason: 'expired' });
    expect(wire.seqs).toEqual([]);
  });

  it('[P20] has a token of 256 random bits that stands nowhere but in the reply', async () => {
    const home = testHome();
    const daemon = await startDaemon(home);
    const owner = await wireTo(home.paths.socket);
    const tokens: string[] = [];
    for (let made = 0; made < 20; made += 1) {
      const { token } = await ok(owner, 'capability/grant', { label: 'x', rights: ['read'], sessions: '*' });
      tokens.push(token);
      const wire = await wireTo(home.paths.socket);
      await ok(wire, 'capability/redeem', { token });
      const less = await ok(wire, 'capability/attenuate', { token, label: 'y', sessions: ['ses_a'] });
      tokens.push(less.token);
      // Told by what refuses it neither.
      const { error } = await wire.call('capability/redeem', { token: `${token}x` });
      expect(JSON.stringify(error)).not.toContain(token.split('.')[1]);
    }
    const secrets = tokens.map((token) => token.split('.')[1]!);
    expect(new Set(secrets).size).toBe(40);
    for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    const { items } = await ok(owner, 'capability/audit', { limit: 1000 });
    const listed = await ok(owner, 'capability/list', { limit: 1000 });
    await daemon.kill('SIGKILL');
    const files = readdirSync(home.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    expect(files.some((text) => text.includes(tokens[0]!.split('.')[0]!))).toBe(true);
    const everything = [...files, daemon.stderr(), JSON.stringify([items, listed])];
    for (const secret of secrets) {
      const forms = [secret, Buffer.from(secret, 'base64url').toString('latin1')];
      for (const form of forms) expect(everything.some((text) => text.includes(form))).toBe(false);
    }
  });

  it('cannot take the ids of hidden records for its own, and so get at what hangs on them', async () => {
    const { owner, hold } = await setUp();
    const model = { providerId: 'p', modelId: 'm' };
    const request = { questions: [{ question: 'q', header: 'h', options: [{ label: 'a', description: '' }] }] };
    for (const id of ['a', 'b']) {
      const at = { sessionId: `ses_${id}` };
      await ok(owner, 'part/put', {
        ...at,
        messageId: `msg_${id}`,
        partId: `prt_${id}`,
        part: { type: 'text', text: id },
      });
      await ok(owner, 'turn/start', { ...at, turnId: `trn_${id}`, agent: 'g', model, parts: [] });
      await ok(owner, 'blocker/ask', { ...at, blockerId: `blk_${id}`, turnId: `trn_${id}`, kind: 'question', request });
    }
    const { wire } = await hold({ rights: ['read', 'append', 'answer'], sessions: ['ses_a'] });
    const at = { sessionId: 'ses_a' };
    const text = { type: 'text', text: 'x' };
    const held = async () => [
      await ok(owner, 'session/export', { sessionId: 'ses_b', format: 'json' }),
      await ok(owner, 'session/export', { sessionId: 'ses_a', format: 'json' }),
    ];
    const before = (await held()).map(({ text }) => text);
    const asks: [string, object][] = [
      ['message/put', { ...at, messageId: 'msg_b', role: 'user' }],
      ['part/put', { ...at, messageId: 'msg_a', partId: 'prt_b', part: text }],
      ['turn/start', { ...at, turnId: 'trn_b', agent: 'g', model, parts: [] }],
      ['turn/start', { ...at, agent: 'g', model, parts: [{ ...text, id: 'prt_b' }] }],
      ['turn/finish', { turnId: 'trn_a', state: 'completed', parts: [{ ...text, id: 'prt_b' }] }],
      ['blocker/ask', { ...at, blockerId: 'blk_b', kind: 'question', request }],
      ['blocker/answer', { ...at, blockerId: 'blk_b', answer: { answers: [['a']] } }],
      ['blocker/reject', { ...at, blockerId: 'blk_b' }],
    ];
    for (const [method, params] of asks) {
      // What answers nothing that is there is not there.
      const kind = /answer|reject/.test(method) ? 'NotFound' : 'AlreadyExists';
      expect(await refusal(wire, method, params), method).toMatchObject({ kind });
    }
    expect((await held()).map(({ text }) => text)).toEqual(before);
  });

  it('bounds what was asked for with it, also where the connection redeems another behind that', async () => {
    const { daemon, owner, hold } = await setUp();
    const reading = await hold({ rights: ['read'], sessions: ['ses_a'] });
    const wider = await ok(owner, 'capability/grant', { label: 'y', rights: ['append'], sessions: '*' });
    for (const isBatch of [false, true]) {
      const wire = wireInMemory(daemon);
      await ok(wire, 'capability/redeem', { token: reading.token });
      const asked = [
        request(1, 'session/list', {}),
        request(2, 'events/subscribe', { from: 'start' }),
        request(3, 'session/search', { query: 'words' }),
        request(4, 'capability/redeem', { token: wider.token }),
      ];
      if (isBatch) wire.send(asked);
      else wire.send(...asked);
      await wire.until('the answers', () => wire.received.flat().some(({ id }) => id === 3));
      await ok(owner, 'session/update', { sessionId: 'ses_b', title: `title of ses_b ${isBatch}` });
      await wire.call('ping');
      const told = JSON.stringify(wire.received.flat().filter(({ id }) => id !== 4));
      expect(told).toContain('ses_a');
      expect(told).not.toContain('ses_b');
      expect(await refusal(wire, 'session/list')).toMatchObject({ kind: 'Forbidden', right: 'read' });
    }
  });

  it('narrowed to some ops forks and imports nothing, and is made out of another so often at most', async () => {
    const { owner, hold } = await setUp();
    const { wire, token } = await hold({ rights: ['append', 'read'], sessions: '*', ops: ['blocker/answer'] });
    const { text } = await ok(owner, 'session/export', { sessionId: 'ses_a', format: 'json' });
    for (const [method, params] of [
      ['session/fork', { sessionId: 'ses_a' }],
      ['session/import', { text }],
    ] as const) {
      expect(await refusal(wire, method, params)).toMatchObject({ kind: 'Forbidden', right: 'append' });
    }
    let last = token;
    for (let depth = 1; depth < 16; depth += 1)
      last = (await ok(owner, 'capability/attenuate', { token: last, label: 'l' })).token;
    expect(await refusal(owner, 'capability/attenuate', { token: last, label: 'l' })).toMatchObject({
      kind: 'LimitExceeded',
    });
  });

  it('[P7] ends no daemon by what a batch of its calls would answer', async () => {
    const { owner, hold } = await setUp();
    const sessions = Array.from({ length: 1_000 }, (_, at) => `ses_${String(at).padEnd(60, 'x')}`);
    const { wire, token } = await hold({ rights: ['read', 'share'], sessions });
    for (let made = 0; made < 40; made += 1) await ok(wire, 'capability/attenuate', { token, label: 'l' });
    const page = await ok(wire, 'capability/list', { limit: 1000 });
    expect(JSON.stringify(page).length).toBeLessThan(400_000);
    expect(page.nextPageToken).toBeDefined();
    wire.send(Array.from({ length: 200 }, (_, at) => request(at, 'capability/list', { limit: 1000 })));
    await wire.until('the answer', () => wire.received.some((message) => Array.isArray(message)));
    await ok(owner, 'ping');
  });

  it('[P7] answers a batch of redeems with so much at most', async () => {
    const { owner, hold } = await setUp();
    const sessions = Array.from({ length: 1_000 }, (_, at) => `ses_${String(at).padEnd(60, 'x')}`);
    const { wire, token } = await hold({ rights: ['read'], sessions });
    wire.send(Array.from({ length: 500 }, (_, at) => request(at, 'capability/redeem', { token })));
    await wire.until('the answer', () => wire.received.some((message) => Array.isArray(message)));
    const answers = wire.received.find((message) => Array.isArray(message)) as Anything[];
    expect(answers).toHaveLength(500);
    const refused = answers.filter(({ error }) => error?.data.kind === 'LimitExceeded');
    expect(refused.length).toBeGreaterThan(200);
    expect(JSON.stringify(answers).length).toBeLessThan(17 * 1024 * 1024);
    await ok(owner, 'ping');
  });

  it('tells nothing of how much others have and do, by its page tokens and the ids of its subscriptions', async () => {
    const { daemon, owner, hold } = await setUp();
    const { wire } = await hold({ rights: ['read'], sessions: ['ses_a', 'ses_b'] });
    const methods = ['session/list', 'session/usage', 'turn/list', 'blocker/list'];
    const usage = { input: 1, output: 1, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
    const fill = async (sessionId: string) => {
      await ok(owner, 'message/put', { sessionId, role: 'assistant', usage });
      const model = { providerId: 'p', modelId: 'm' };
      const { ids } = await ok(owner, 'turn/start', { sessionId, agent: 'g', model, parts: [] });
      await ok(owner, 'turn/finish', { turnId: ids.turnId, state: 'completed' });
      await ok(owner, 'blocker/ask', { sessionId, kind: 'permission', request: { permission: 'p' } });
    };
    for (const sessionId of ['ses_a', 'ses_b']) await fill(sessionId);
    const tokens = () =>
      Promise.all(methods.map(async (each) => (await ok(wire, each, { limit: 1 })).nextPageToken as string));
    const before = await tokens();
    for (let at = 0; at < 30; at += 1) {
      await ok(owner, 'session/create', { sessionId: `ses_${at}` });
      await ok(owner, 'message/put', { sessionId: `ses_${at}`, role: 'user' });
    }
    const after = await tokens();
    const text = (token: string) => Buffer.from(token, 'base64url').toString('latin1');
    for (const [at, token] of [...before, ...after].entries()) {
      expect(() => JSON.parse(text(token)), methods[at % methods.length]).toThrow('JSON');
      expect(token).toHaveLength(before[0]!.length);
    }
    for (const [at, method] of methods.entries()) {
      const next = await ok(wire, method, { limit: 1000, pageToken: before[at] });
      const whole = await ok(wire, method, { limit: 1000 });
      expect(next.items, method).toEqual(whole.items.slice(1));
      // Nobody else's, and nothing that was made up.
      const stranger = await hold({ rights: ['read'], sessions: ['ses_a', 'ses_b'] });
      const { nextPageToken } = await ok(owner, method, { limit: 1 });
      const forged = `${before[at]!.slice(0, 30)}${before[at]![30] === 'A' ? 'B' : 'A'}${before[at]!.slice(31)}`;
      for (const [by, pageToken] of [
        [stranger.wire, before[at]],
        [owner, before[at]],
        [wire, nextPageToken],
        [wire, forged],
        [wire, ''],
      ] as const) {
        expect((await by.call(method, { pageToken })).error?.code, method).toBe(-32602);
      }
    }
    const others = wireInMemory(daemon);
    for (let made = 0; made < 3; made += 1) await ok(others, 'events/subscribe');
    expect((await ok(wire, 'events/subscribe')).subscription).toBe('sub_1');
    expect((await ok(others, 'events/subscribe')).subscription).toBe('sub_4');
  });

  it('that sees all sessions is told the newest thousand of them when it is redeemed', async () => {
    const { owner, hold } = await setUp();
    const create = (_: unknown, at: number) => ({
      opId: `op_${at}`,
      type: 'session/create',
      params: { sessionId: `ses_${at}` },
    });
    await ok(owner, 'ops/append', { ops: Array.from({ length: 1_000 }, create) });
    const { redeemed } = await hold({ rights: ['read'], sessions: '*' });
    const ids = redeemed.sessions.map(({ id }: Anything) => id);
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, at) => `ses_${at}`));
  });

  it('is told so much of them at most, the newest, each by the beginning of its title', async () => {
    const { owner, hold } = await setUp();
    const title = (at: number) => `${at} ${'\u2028'.repeat(1_000)}`;
    const create = (_: unknown, at: number) => ({
      opId: `op_${at}`,
      type: 'session/create',
      params: { sessionId: `ses_${at}`, title: title(at) },
    });
    await ok(owner, 'ops/append', { ops: Array.from({ length: 600 }, create) });
    const { redeemed } = await hold({ rights: ['read'], sessions: '*' });
    expect(Buffer.byteLength(JSON.stringify(redeemed))).toBeLessThan(270 * 1024);
    const { sessions } = redeemed;
    expect(sessions.length).toBeGreaterThan(350);
    const first = 600 - sessions.length;
    expect(sessions).toEqual(
      Array.from({ length: sessions.length }, (_, at) => {
        return { id: `ses_${first + at}`, title: title(first + at).slice(0, 200), version: 1 };
      }),
    );
  });

  it('leaves a trail: each mutation and refusal, reads once a connection and method', async () => {
    const { owner, hold } = await setUp();
    const { wire, capability } = await hold({ rights: ['read', 'append'], sessions: ['ses_a'] });
    await Promise.all([ok(wire, 'session/list'), ok(wire, 'session/list')]);
    await ok(wire, 'session/list');
    await ok(wire, 'session/update', { sessionId: 'ses_a', title: 'x' });
    await wire.call('session/update', { sessionId: 'ses_b', title: 'x' });
    await wire.call('session/get', { sessionId: 'ses_b' });
    await wire.call('blocker/answer', { sessionId: 'ses_a', blockerId: 'blk_1', answer: { answers: [['a']] } });
    const { items } = await ok(owner, 'capability/audit', { capabilityId: capability.id });
    expect(items.reverse().map(({ method, sessionId, outcome }: Anything) => [method, sessionId, outcome])).toEqual([
      ['capability/grant', null, 'ok'],
      ['capability/redeem', null, 'ok'],
      ['session/list', null, 'ok'],
      ['session/update', 'ses_a', 'ok'],
      ['session/update', 'ses_b', 'NotFound'],
      ['session/get', 'ses_b', 'NotFound'],
      ['blocker/answer', 'ses_a', 'Forbidden'],
    ]);
    expect(new Set(items.map(({ actorId }: Anything) => actorId))).toEqual(
      new Set(['local/c1', `${capability.id}/c2`]),
    );
  });

  it('has in its trail what was refused as a whole, what was cut off, and who came with it when it was over', async () => {
    const { daemon, owner, hold } = await setUp();
    const { wire, capability, token } = await hold({ rights: ['append', 'read'], sessions: '*' });
    const trail = async () => {
      const { items } = await ok(owner, 'capability/audit', { capabilityId: capability.id });
      const shown = items.map(({ method, outcome }: Anything) => `${method} ${outcome}`).reverse();
      return shown.filter((each: string) => !/grant|redeem ok|get ok|update ok/.test(each));
    };
    const op = (opId: string) => ({ opId, type: 'session/update', params: { sessionId: 'ses_a', title: opId } });
    await ok(wire, 'ops/append', { ops: [op('o1')], batchId: 'b' });
    await wire.call('ops/append', { ops: [op('o2')], batchId: 'b' });
    const { cursor } = await ok(wire, 'session/get', { sessionId: 'ses_a' });
    await ok(owner, 'session/update', { sessionId: 'ses_b', title: 'more' });
    await wire.call('ops/append', { ops: [op('o3')], expectedCursor: cursor });
    expect(await trail()).toEqual(['ops/append OpIdReused', 'ops/append VersionConflict']);
    await wire.call('capability/attenuate', { token, label: 'l', rights: ['admin'] });
    await wire.call('capability/attenuate', { token: `${token}x`, label: 'l' });
    for (let made = 0; made < 300; made += 1) {
      await ok(owner, 'message/put', { sessionId: 'ses_a', messageId: `msg_${made}`, role: 'user' });
    }
    const forked = wire.call('session/fork', { sessionId: 'ses_a' });
    const other = wireInMemory(daemon);
    await ok(owner, 'capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
    expect((await forked).error?.data).toMatchObject({ kind: 'Unauthorized' });
    await other.call('capability/attenuate', { token, label: 'l' });
    await other.call('capability/redeem', { token });
    expect((await trail()).slice(2)).toEqual([
      'capability/attenuate Forbidden',
      'session/fork ok',
      'capability/revoke ok',
      'session/fork Unauthorized',
      'capability/attenuate Unauthorized',
      'capability/redeem Unauthorized',
    ]);
  });
});
