// Sharing between two real daemons: what is at home is at the host, once and in order, whatever happens between them.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { Params } from '../../protocol/methods.ts';
import { afterTest, connectTo } from '../support/daemon.ts';
import { comparable, eventually, fast, Side, sharePair } from '../support/share-pair.ts';

const text = (value: string) => ({ type: 'text' as const, text: value });

async function makeSession(client: Client, sessionId: string): Promise<void> {
  await client.call('session/create', { sessionId, title: 'Mend the roof' });
  await client.call('turn/start', {
    sessionId,
    turnId: `trn_${sessionId}`,
    agent: 'a',
    model: { providerId: 'p', modelId: 'm' },
    parts: [text('Please')],
  });
}

const inSync = (home: Side, host: Side, sessionId: string) =>
  eventually(
    `the host to hold ${sessionId}`,
    async () => ({
      home: (await home.events(sessionId)).map(comparable),
      host: (await host.events(sessionId).catch(() => [])).map(comparable),
    }),
    ({ home: mine, host: theirs }) => theirs.length >= mine.length,
  );

/** The host knows of the end of it then, too. */
const untilShareGone = (home: Side) =>
  eventually(
    'the share to be gone',
    () => home.client.call('share/list', {}),
    ({ items }) => items.length === 0,
  );

const share = (client: Client, params: Params<'share/create'>) => client.call('share/create', params);

test('a shared session is at its host as it is at home: every event, verbatim, once and in order', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  expect(made.url).toBe(`${url}/#${made.token}`);
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'Mend the wall' });
  const both = await inSync(home, host, 'ses_a');
  expect(both.host).toEqual(both.home);
  expect(both.host.length).toBe(5);
  const { session } = await host.client.call('session/get', { sessionId: 'ses_a' });
  expect(session.title).toBe('Mend the wall');
  const { items } = await home.client.call('share/list', {});
  expect(items).toMatchObject([{ id: made.shareId, state: 'active', sessionId: 'ses_a', host: url }]);
});

test('the link reads that session and nothing else, and cannot write', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await makeSession(home.client, 'ses_b');
  await makeSession(host.client, 'ses_h');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  const guest = await connectTo(host.home);
  const { sessions } = await guest.call('capability/redeem', { token: made.token });
  expect(sessions.map(({ id }) => id)).toEqual(['ses_a']);
  await expect(guest.call('session/get', { sessionId: 'ses_h' })).rejects.toThrow(/no session/);
  await expect(guest.call('session/update', { sessionId: 'ses_a', title: 'x' })).rejects.toThrow();
  const { rejected } = await guest.call('guest/append', {
    ops: [{ opId: 'x', type: 'session/update', params: { sessionId: 'ses_a', title: 'x' } }],
  });
  expect(rejected).toMatchObject([{ kind: 'Forbidden' }]);
});

test('[P12] what is shared while the host is away is kept, and drains when it is back', async () => {
  const { home, host, proxy, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  proxy.to(undefined);
  proxy.next = () => 'refuse';
  await host.kill();
  for (let n = 0; n < 5; n += 1) await home.client.call('session/update', { sessionId: 'ses_a', title: `t${n}` });
  await eventually(
    'the sink to fail',
    () => home.client.call('sink/list', {}),
    ({ items }) => items[0]!.state === 'failing' && items[0]!.lastError !== null,
  );
  const { items } = await home.client.call('outbox/list', {});
  expect(items.at(-1)).toMatchObject({ lastError: expect.any(String) });
  expect(items.at(-1)!.attempts).toBeGreaterThan(0);
  await home.kill();
  await home.start();
  await host.start();
  proxy.to(host.port);
  proxy.next = () => 'pass';
  const both = await inSync(home, host, 'ses_a');
  expect(both.host).toEqual(both.home);
});

test('[P13] the host applied a batch and its reply was lost: sent again it is all duplicates and nothing is there twice', async () => {
  const { home, host, proxy, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  let left = 3;
  proxy.done.splice(0);
  proxy.next = () => (left-- > 0 ? 'dropReply' : 'pass');
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'x' });
  await eventually(
    'the batch to be acknowledged',
    () => home.client.call('sink/list', {}),
    ({ items }) => items[0]!.lag === 0,
  );
  expect(proxy.done.filter((fault) => fault === 'dropReply')).toHaveLength(3);
  const sent = proxy.requests.slice(-4).map((request) => request.slice(request.indexOf('\r\n\r\n')));
  const batches = sent.map((body) => (JSON.parse(body) as { params: object }).params);
  expect(batches[1]).toEqual(batches[0]);
  expect(batches[3]).toEqual(batches[0]);
  const both = await inSync(home, host, 'ses_a');
  expect(both.host).toEqual(both.home);
});

for (const failpoint of ['beforeSettle', 'settling', 'afterSettle']) {
  test(`[P12] kill -9 of the home ${failpoint} of the batch and the cursor: it goes on where it was, nothing is lost or doubled`, async () => {
    const { home, host, url, token } = await sharePair();
    await makeSession(home.client, 'ses_a');
    await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
    await inSync(home, host, 'ses_a');
    await home.kill();
    await home.start(`${failpoint}:2`);
    for (let n = 0; n < 4; n += 1) {
      await home.client.call('session/update', { sessionId: 'ses_a', title: `t${n}` }).catch(() => {});
      const held = await host.client.call('session/get', { sessionId: 'ses_a' });
      void held;
    }
    expect(await home.running!.exit).toBe('SIGKILL');
    await home.start();
    await home.client.call('session/update', { sessionId: 'ses_a', title: 'last' });
    const both = await inSync(home, host, 'ses_a');
    expect(both.host).toEqual(both.home);
    expect((await home.client.call('sink/list', {})).items[0]).toMatchObject({ state: 'active' });
  });
}

test("a guest's answer at the host ends an ask at home, with the guest as who resolved it", async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['answer'] });
  await home.client.call('blocker/ask', {
    sessionId: 'ses_a',
    blockerId: 'blk_a',
    turnId: 'trn_ses_a',
    kind: 'permission',
    request: { permission: 'edit' },
  });
  const asking = home.client.call('blocker/wait', { blockerId: 'blk_a' });
  await inSync(home, host, 'ses_a');
  const guest = await connectTo(host.home);
  await guest.call('capability/redeem', { token: made.token });
  const op = {
    opId: 'answer',
    type: 'blocker/answer' as const,
    params: { sessionId: 'ses_a', blockerId: 'blk_a', answer: { decision: 'once' } },
  };
  const answered = await guest.call('guest/append', { ops: [op] });
  expect(answered).toMatchObject({ applied: [{ opId: 'answer' }], rejected: [] });
  expect(answered.pending ?? false).toBe(false);
  const { blocker } = await asking;
  expect(blocker.state).toBe('answered');
  expect(blocker.resolvedBy).toMatch(/^cap_.*\/c\d+$/);
  const there = await host.client.call('blocker/list', { sessionId: 'ses_a' });
  expect(there.items).toMatchObject([{ state: 'answered', resolvedBy: blocker.resolvedBy }]);
  const again = await guest.call('guest/append', { ops: [op] });
  expect(again.rejected).toEqual([]);
  expect((await home.events('ses_a')).filter(({ opId }) => opId === 'answer')).toHaveLength(1);
});

test('[P29] a share is taken back: the link is over at once, the replica goes, and nothing more is sent', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  await home.client.call('share/revoke', { shareId: made.shareId });
  await untilShareGone(home);
  const guest = await connectTo(host.home);
  await expect(guest.call('capability/redeem', { token: made.token })).rejects.toThrow(/revoked/);
  await expect(host.client.call('session/get', { sessionId: 'ses_a' })).rejects.toThrow(/no session/);
  expect((await home.client.call('sink/list', {})).items).toEqual([]);
  // It can be shared anew.
  const again = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await eventually(
    'the session to be there again',
    () => host.client.call('session/list', {}),
    ({ items }) => items.some(({ id }) => id === 'ses_a'),
  );
  expect(again.shareId).not.toBe(made.shareId);
});

test('[P29] a share is taken back also when its session is deleted and its host is away: the host is told when it is back', async () => {
  const { home, host, proxy, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  proxy.to(undefined);
  await home.client.call('session/delete', { sessionId: 'ses_a' });
  const { share: ending } = await home.client.call('share/revoke', { shareId: made.shareId });
  expect(ending).toMatchObject({ state: 'ending', title: null });
  await home.kill();
  await home.start();
  await eventually(
    'the trouble to be told',
    () => home.client.call('share/list', {}),
    ({ items }) => items[0]?.state === 'ending' && items[0].lastError !== null,
  );
  proxy.to(host.port);
  await untilShareGone(home);
  const guest = await connectTo(host.home);
  await expect(guest.call('capability/redeem', { token: made.token })).rejects.toThrow(/revoked/);
  await expect(host.client.call('session/get', { sessionId: 'ses_a' })).rejects.toThrow(/no session/);
});

test('a token that the host takes back pauses the sink, which says so, and goes on with another', async () => {
  const { home, host, url, token, capability } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await home.client.call('sink/add', { name: 'host', kind: 'http', url, token, filter: { sessions: ['ses_a'] } });
  await inSync(home, host, 'ses_a');
  await host.client.call('capability/revoke', { capabilityId: capability.id, mode: 'revoke' });
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'x' });
  const { items } = await eventually(
    'the sink to be paused',
    () => home.client.call('sink/list', {}),
    (found) => found.items[0]!.state === 'paused',
  );
  expect(items[0]!.lastError).toMatch(/revoked|token/);
  const rights = ['read', 'append'] as const;
  const other = await host.client.call('capability/grant', { label: 'x', rights: [...rights], sessions: '*' });
  await home.client.call('sink/resume', { name: 'host', token: other.token });
  const both = await inSync(home, host, 'ses_a');
  expect(both.host).toEqual(both.home);
});

test('redeem gives the cursor that is held, from which the home goes on', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await home.client.call('sink/add', { name: 'host', kind: 'http', url, token });
  await eventually(
    'all to be sent',
    () => home.client.call('sink/list', {}),
    ({ items }) => items[0]!.lag === 0,
  );
  const client = await connectTo(host.home);
  const { cursor } = await client.call('capability/redeem', { token });
  expect(cursor).toBe((await home.client.call('daemon/status', {})).head);
});

test('[P29] secrets are masked before anything leaves the machine: in what is replayed, in what is sent whole, and in the preview', async () => {
  const { home, host, proxy, url, token } = await sharePair();
  const secret = `ghp_${'aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5'}`;
  await makeSession(home.client, 'ses_a');
  await home.client.call('message/put', { sessionId: 'ses_a', messageId: 'msg_a', role: 'user' });
  await home.client.call('part/put', {
    sessionId: 'ses_a',
    messageId: 'msg_a',
    partId: 'prt_a',
    part: {
      type: 'tool',
      callId: 'c',
      tool: 'bash',
      state: 'completed',
      input: { command: `export T=${secret}` },
      output: secret,
    },
  });
  const preview = await home.client.call('share/preview', { sessionId: 'ses_a' });
  expect(preview.items.length).toBeGreaterThan(1);
  expect(preview.items).toEqual(preview.items.map(() => expect.objectContaining({ partId: 'prt_a' })));
  expect(JSON.stringify(preview)).not.toContain(secret.slice(4, 20));
  await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await home.client.call('part/delta', {
    sessionId: 'ses_a',
    partId: 'prt_a',
    field: 'output',
    offset: secret.length,
    text: ` ${secret}`,
  });
  await home.client.call('session/update', { sessionId: 'ses_a', title: `is ${secret} good?` });
  await eventually(
    'the title to be there',
    () => host.client.call('session/list', {}),
    ({ items }) => items[0]?.title?.includes('masked') === true,
  );
  const { items } = await host.client.call('message/list', { sessionId: 'ses_a' });
  expect(items.at(-1)!.parts[0]).toMatchObject({ output: expect.stringMatching(/^\[masked:/) });
  expect(JSON.stringify([items, await host.events('ses_a')])).not.toContain(secret.slice(4, 20));
  expect(proxy.requests.join('')).not.toContain(secret.slice(4, 20));
});

test('where sharing is turned off, nothing is shared, and it says how to turn it on', async () => {
  const home = new Side('[share]\nenabled = false\n');
  await home.start();
  await makeSession(home.client, 'ses_a');
  const asked = share(home.client, { sessionId: 'ses_a', host: 'http://127.0.0.1:1', token: 'x', rights: ['read'] });
  await expect(asked).rejects.toThrow(/\[share\] in config.toml/);
});

test('a host that cannot be had, one that does not know the token, and one that is no host are told apart', async () => {
  const { home, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const ask = (host: string, shown?: string) =>
    share(home.client, { sessionId: 'ses_a', host, rights: ['read'], ...(shown && { token: shown }) });
  await expect(ask('http://127.0.0.1:1', token)).rejects.toThrow(/ECONNREFUSED/);
  await expect(ask(url, 'cap_x.y')).rejects.toThrow(/token/);
  await expect(ask(url)).rejects.toThrow(/sessiond grant/);
  await expect(ask('http://example.com', token)).rejects.toThrow(/https/);
  await expect(ask('nothing', token)).rejects.toThrow(/url/);
  expect((await home.client.call('share/list', {})).items).toEqual([]);
  const made = await ask(`${url}/#${token}`);
  expect(made.url.startsWith(`${url}/#cap_`)).toBe(true);
  await expect(ask(url, token)).rejects.toThrow(/unshare/);
});

test('a share whose time is over is taken back by itself', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const expiresAt = Date.now() + 2_000;
  await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'], expiresAt });
  await inSync(home, host, 'ses_a');
  await untilShareGone(home);
  await expect(host.client.call('session/get', { sessionId: 'ses_a' })).rejects.toThrow(/no session/);
});

test('a guest does no more than the share allows, whatever the host lets through: only in that session, only what it may', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await makeSession(home.client, 'ses_b');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['append'] });
  await inSync(home, host, 'ses_a');
  const guest = await connectTo(host.home);
  await guest.call('capability/redeem', { token: made.token });
  const put = (opId: string, sessionId: string) => ({
    ops: [
      { opId, type: 'message/put' as const, params: { sessionId, messageId: `msg_${opId}`, role: 'user' as const } },
    ],
  });
  expect(await guest.call('guest/append', put('good', 'ses_a'))).toMatchObject({ applied: [{ opId: 'good' }] });
  expect((await guest.call('guest/append', put('bad', 'ses_b'))).rejected).toMatchObject([{ kind: 'NotFound' }]);
  const { items } = await home.client.call('message/list', { sessionId: 'ses_a' });
  expect(items.at(-1)!.message).toMatchObject({ id: 'msg_good', actorId: expect.stringMatching(/^cap_.*\/c\d+$/) });
  const { items: audit } = await home.client.call('capability/audit', {});
  expect(audit).toContainEqual(expect.objectContaining({ method: 'message/put', sessionId: 'ses_a', outcome: 'ok' }));
  await home.client.call('share/revoke', { shareId: made.shareId });
  await untilShareGone(home);
  await expect(guest.call('guest/append', put('late', 'ses_a'))).rejects.toThrow();
});

test('a session that a sink sends to that host already is not shared there beside it: the host could not tell who is its home', async () => {
  const { home, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await home.client.call('sink/add', { name: 'mirror', kind: 'http', url, token });
  await eventually(
    'all to be sent',
    () => home.client.call('sink/list', {}),
    ({ items }) => items[0]!.lag === 0,
  );
  await expect(share(home.client, { sessionId: 'ses_a', host: url, rights: ['read'] })).rejects.toThrow(/mirror/);
});

test("[P29] a door before the host that refuses does not end a share: only the host's own word does", async () => {
  const { home, host, proxy, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  const door = createServer((_, response) => response.writeHead(404).end('no backend'));
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  afterTest(() => door.close());
  proxy.to((door.address() as AddressInfo).port);
  proxy.cutAll();
  await home.client.call('share/revoke', { shareId: made.shareId });
  await eventually(
    'the trouble to be told',
    () => home.client.call('share/list', {}),
    ({ items }) => items[0]?.state === 'ending' && items[0].lastError !== null,
  );
  proxy.to(host.port);
  proxy.cutAll();
  await untilShareGone(home);
  const guest = await connectTo(host.home);
  await expect(guest.call('capability/redeem', { token: made.token })).rejects.toThrow(/revoked/);
});

test('a guest cannot play home: not before the first batch has arrived, and not behind it', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['append', 'answer'] });
  await inSync(home, host, 'ses_a');
  const guest = await connectTo(host.home);
  await guest.call('capability/redeem', { token: made.token });
  const { storeId: origin } = await home.client.call('daemon/status', {});
  await expect(guest.call('replica/append', { origin, batchId: 'b', items: [] })).rejects.toThrow(/narrowed/);
  await expect(guest.call('guest/take', { origin })).rejects.toMatchObject({ kind: 'Forbidden' });
});

test('a share ends with the capability that it was made with', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const held = await home.client.call('capability/grant', {
    ...{ label: 'c', rights: ['read', 'share'], sessions: ['ses_a'] },
  });
  const maker = await connectTo(home.home);
  await maker.call('capability/redeem', { token: held.token });
  await share(maker, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  await home.client.call('capability/revoke', { capabilityId: held.capability.id, mode: 'revoke' });
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'not for them' });
  await untilShareGone(home);
  expect(JSON.stringify(await host.events('ses_a'))).not.toContain('not for them');
});

test('a session that is shared beside a mirror to the same host is left to the share, and is the mirror`s when that is taken back', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const made = await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  await home.client.call('sink/add', { name: 'mirror', kind: 'http', url, token });
  await home.client.call('session/create', { sessionId: 'ses_b' });
  await inSync(home, host, 'ses_b');
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'two' });
  await inSync(home, host, 'ses_a');
  const { items } = await home.client.call('outbox/list', {});
  expect(items.flatMap(({ rejected }) => rejected)).toEqual([]);
  await home.client.call('share/revoke', { shareId: made.shareId });
  await untilShareGone(home);
  await eventually(
    'the mirror to hold it',
    () => host.client.call('session/list', {}),
    ({ items: there }) => there.find(({ id }) => id === 'ses_a')?.title === 'two',
  );
  const guest = await connectTo(host.home);
  await expect(guest.call('capability/redeem', { token: made.token })).rejects.toThrow(/revoked/);
});

test('where sharing is turned off, what was shared before is sent no further, and goes on when it is turned on again', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  await share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['read'] });
  await inSync(home, host, 'ses_a');
  await home.kill();
  home.config = `${fast}[share]\nenabled = false\n`;
  await home.start();
  await home.client.call('session/update', { sessionId: 'ses_a', title: 'not yet' });
  const { items } = await home.client.call('share/list', {});
  expect(items[0]).toMatchObject({ state: 'paused', lastError: expect.stringContaining('[share]') });
  expect((await home.client.call('sink/list', {})).items).toEqual([]);
  await home.kill();
  expect(JSON.stringify(await host.events('ses_a'))).not.toContain('not yet');
  home.config = fast;
  await home.start();
  const both = await inSync(home, host, 'ses_a');
  expect(both.host).toEqual(both.home);
});

test('of two shares of a session that are asked for at one moment one is made, and nothing is left of the other', async () => {
  const { home, host, url, token } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const ask = () => share(home.client, { sessionId: 'ses_a', host: url, token, rights: ['answer'] });
  const second = await connectTo(home.home);
  const both = await Promise.allSettled([
    ask(),
    share(second, { sessionId: 'ses_a', host: url, token, rights: ['answer'] }),
  ]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { kind: 'AlreadyExists' } });
  expect((await home.client.call('share/list', {})).items).toHaveLength(1);
  const living = async (client: Client) =>
    (await client.call('capability/list', {})).items.filter(({ revokedAt }) => revokedAt === null).length;
  expect(await living(home.client)).toBe(1);
  // The home's own, that of the share, and that of its guests.
  expect(await living(host.client)).toBe(3);
});

test.each([
  ['a user and password', (url: string) => url.replace('://', '://user:pass-word@')],
  ['a query', (url: string) => `${url}/?token=pass-word`],
  ['what is no token behind #', (url: string) => `${url}/#%`],
])('a host with %s is refused, and what was given is not told again', async (_, urlOf) => {
  const { home, url } = await sharePair();
  await makeSession(home.client, 'ses_a');
  const asked = share(home.client, { sessionId: 'ses_a', host: urlOf(url), rights: ['read'] });
  await expect(asked).rejects.toMatchObject({ code: -32602, message: expect.not.stringContaining('pass-word') });
});
