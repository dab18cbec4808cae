import { describe, expect, it } from 'vitest';
import { Conversation } from '../../daemon/adapters/kit/conversation.ts';
import { boundedFacts, type Facts } from '../../daemon/adapters/kit/facts.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { linesOf, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { Folds, readTree } from '../support/opencode.ts';

const long = 'x'.repeat(8 * 2 ** 20);
const id = '11111111-2222-4333-8444-555555555555';
const timestamp = '2026-03-04T10:00:00Z';
const sizeOf = (value: unknown) => JSON.stringify(value).length;

describe('what a transcript tells of its session', () => {
  it('is taken up to 4,096 units of a directory, and 512 of anything else', () => {
    const factsOf = (name: string, directory: string, value = name): Facts => ({
      directory,
      externalId: name,
      parentKey: name,
      model: { providerId: name, modelId: name, variant: name },
      metadata: { value },
    });
    const most = factsOf('n'.repeat(512), 'd'.repeat(4096), 'v'.repeat(510));
    expect(boundedFacts(most)).toEqual(most);
    expect(boundedFacts(factsOf('n'.repeat(513), 'd'.repeat(4097)))).toEqual({ metadata: {} });
  });

  it('is passed over when it is too long: one that follows is taken, and a message keeps the model that it names', () => {
    const transcript = { path: '/p', sessionKey: 'key', mtimeMs: 1, readAtMs: 1 };
    const conversation = new Conversation('test', transcript, undefined, new SourceFold(), null);
    conversation.note({ directory: long, externalId: long, metadata: { long, short: 1 } });
    conversation.note({ directory: '/home/dev/tea' });
    const model = { providerId: 'test', modelId: long };
    conversation.message('m', { role: 'assistant', agent: 'test', model });
    const { ops, state } = conversation.end(false);
    expect(ops[0]?.params).toMatchObject({
      directory: '/home/dev/tea',
      model: null,
      origin: { externalId: 'key' },
      metadata: { short: 1 },
    });
    expect(ops[1]?.params).toMatchObject({ model });
    expect(sizeOf(state)).toBeLessThan(1000);
  });

  it('of opencode too is passed over when it is too long', () => {
    const folds = new Folds();
    const model = { providerID: long, modelID: long };
    const { ops } = readTree(
      {
        'storage/session/prj/ses_1.json': {
          id: 'ses_1',
          title: 'Tea',
          directory: long,
          parentID: long,
          version: long,
          slug: 'tea',
          share: { url: long },
          model,
        },
        'storage/message/ses_1/msg_1.json': { id: 'msg_1', role: 'assistant', ...model },
      },
      folds,
    );
    expect(ops[0]).toMatchObject({ type: 'session/create', params: { directory: null, model: null, parentId: null } });
    const { session } = folds.of('ses_1');
    expect(session).toMatchObject({ metadata: { slug: 'tea' }, model: null });
    expect(sizeOf(session)).toBeLessThan(1000);
  });

  const home = '/home/dev/agent';
  const user = { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] };
  it.each([
    [
      'Claude Code',
      claudeCodeSource(home),
      `-p/${id}.jsonl`,
      [{ type: 'user', uuid: 'u', cwd: long, sessionId: long, timestamp, message: { role: 'user', content: 'Hi' } }],
    ],
    [
      'Codex',
      codexSource(home),
      `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${id}.jsonl`,
      [
        { timestamp, type: 'session_meta', payload: { id: long, cwd: long, model_provider: long } },
        { timestamp, type: 'turn_context', payload: { cwd: long, model: long } },
        { timestamp, type: 'response_item', payload: { type: 'message', ...user } },
      ],
    ],
  ])('leaves the state small that %s is read on with, also when it is of 8 MB', (_name, source, path, lines) => {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const transcript = transcriptOf(source, `${home}/${path}`);
    const { ops, state } = source.read(transcript, linesOf(text), undefined, new SourceFold(), false);
    expect(ops[0]).toMatchObject({ type: 'session/create', params: { directory: null, model: null } });
    expect(sizeOf(state)).toBeLessThan(2000);
  });
});
