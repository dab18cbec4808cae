// What of a part's text is kept in memory must be that of the store, also where a transaction was taken back.
import { expect, test } from 'vitest';
import { testHome } from '../support/daemon.ts';
import { op, openRecords, owner } from '../support/records.ts';

test('a delta is compared with the part that is there, not with one that was rolled back from its place', async () => {
  const { writer } = openRecords(testHome().paths.data);
  const sessionId = 'ses_a';
  await writer.appendOne(owner, op('session/create', { sessionId }));
  await writer.appendOne(owner, op('message/put', { sessionId, messageId: 'msg_a', role: 'user' }));
  const put = (partId: string, text: string) =>
    op('part/put', { sessionId, messageId: 'msg_a', partId, part: { type: 'text', text } });
  const delta = (partId: string, text: string) =>
    op('part/delta', { sessionId, partId, field: 'text', offset: 0, text });
  const none = op('session/update', { sessionId: 'ses_none', title: 'x' });
  const failing = [put('prt_a', 'abc'), delta('prt_a', 'ab'), none];
  await expect(writer.append(owner, failing, { atomic: true })).rejects.toThrow('nothing was applied');
  await writer.appendOne(owner, put('prt_b', 'xyz'));
  expect((await writer.appendOne(owner, delta('prt_b', 'xy'))).duplicate).toBe(true);
  await expect(writer.appendOne(owner, delta('prt_b', 'ab'))).rejects.toThrow('holds 3 units');
});
