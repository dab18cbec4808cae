// What no true record holds, of all sources that remember lines: ids of a megabyte, times ahead of the read, endless counts.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Source, SourceOp } from '../../daemon/adapters/adapter.ts';
import { countOf } from '../../daemon/adapters/kit/json.ts';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { codexSource } from '../../daemon/adapters/sources/codex.ts';
import { copilotSource } from '../../daemon/adapters/sources/copilot.ts';
import { geminiSource } from '../../daemon/adapters/sources/gemini.ts';
import { piSource } from '../../daemon/adapters/sources/pi.ts';
import { qwenSource } from '../../daemon/adapters/sources/qwen.ts';
import type { Message, Session } from '../../protocol/schema.ts';
import { testHome } from '../support/daemon.ts';
import { allItems } from '../support/everything.ts';
import { linesOf, readAtMs, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';
import { Folds, source as opencode, readTree } from '../support/opencode.ts';
import { append, transcriptPath } from '../support/transcript.ts';
import { watching } from '../support/watching.ts';

const home = '/home/dev/agent';
const session = '11111111-2222-4333-8444-555555555555';
const textOf = (lines: object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

/** `id`: makes an id out of a name. `at`: of every line. `tokens`: of every count. `names`: of what there is many of. */
type Told = { id(name: string): string; at: unknown; tokens: unknown; names: string[] };
type Agent = { source: Source; path: string; lines(told: Told): object[] };

const agents: [string, Agent][] = [
  [
    'Claude Code',
    {
      source: claudeCodeSource(home),
      path: `-p/${session}.jsonl`,
      lines: ({ id, at, tokens, names }) => [
        { type: 'user', uuid: id('u'), timestamp: at, message: { role: 'user', content: 'Hi' } },
        ...names.flatMap((name) => [
          { type: 'summary', summary: id(`summary ${name}`), leafUuid: id(`leaf ${name}`) },
          {
            type: 'assistant',
            uuid: id(name),
            timestamp: at,
            isApiErrorMessage: true,
            error: id('error'),
            requestId: id('request'),
            message: {
              id: id(`msg ${name}`),
              model: id('model'),
              stop_reason: id('stop'),
              content: [
                { type: 'text', text: id('text') },
                { type: 'tool_use', id: id(`call ${name}`), name: 'Bash', input: {} },
              ],
              usage: { input_tokens: tokens, output_tokens: tokens },
            },
          },
        ]),
      ],
    },
  ],
  [
    'Codex',
    {
      source: codexSource(home),
      path: `sessions/2026/03/04/rollout-2026-03-04T10-00-00-${session}.jsonl`,
      lines: ({ id, at, tokens, names }) => {
        const line = (type: string, payload: object) => ({ timestamp: at, type, payload });
        const counts = { input_tokens: tokens, output_tokens: tokens };
        const content = [{ type: 'input_text', text: 'Hi' }];
        return names.flatMap((name) => [
          line('turn_context', { turn_id: id(`turn ${name}`), model: id('model') }),
          line('response_item', { type: 'message', role: 'user', id: id(`user ${name}`), content }),
          line('response_item', { type: 'function_call', id: id(`item ${name}`), call_id: id(name), name: 'shell' }),
          line('response_item', { type: 'function_call_output', id: id(`out ${name}`), call_id: id(name), output: '' }),
          line('event_msg', { type: 'exec_command_end', call_id: id(`other ${name}`), exit_code: 0 }),
          line('event_msg', {
            type: 'token_count',
            info: {
              last_token_usage: counts,
              total_token_usage: { ...counts, cached_input_tokens: names.indexOf(name) },
            },
          }),
          line('event_msg', { type: 'error', message: id('error'), codex_error_info: id('info') }),
          line('event_msg', { type: 'turn_aborted', reason: id('reason') }),
        ]);
      },
    },
  ],
  [
    'Copilot CLI',
    {
      source: copilotSource(home),
      path: `session-state/${session}/events.jsonl`,
      lines: ({ id, at, tokens, names }) => {
        const event = (type: string, name: string, data: object) => ({ type, id: id(name), timestamp: at, data });
        return [
          event('session.start', 's', { selectedModel: id('model'), copilotVersion: id('version') }),
          event('user.message', 'u', { content: 'Hi' }),
          ...names.flatMap((name) => [
            event('session.usage_record', `usage ${name}`, {
              usage: { apiCallId: id(`call ${name}`), inputTokens: tokens, outputTokens: tokens },
            }),
            event('assistant.message', name, { content: 'Ho', toolRequests: [], apiCallId: id(`call ${name}`) }),
          ]),
        ];
      },
    },
  ],
  [
    'Gemini CLI',
    {
      source: geminiSource(home),
      path: 'tmp/p/chats/session-2026-03-04T10-00-11111111.jsonl',
      lines: ({ id, at, tokens, names }) => [
        { sessionId: id(session), startTime: at, kind: id('kind') },
        { id: id('u'), timestamp: at, type: 'user', content: 'Hi' },
        ...names.map((name) => ({
          id: id(name),
          timestamp: at,
          type: 'gemini',
          content: 'Ho',
          model: id('model'),
          toolCalls: [{ id: id(`call ${name}`), name: 'look', args: {} }],
          tokens: { input: tokens, output: tokens, tool: tokens },
        })),
      ],
    },
  ],
  [
    'Qwen Code',
    {
      source: qwenSource(home),
      path: `projects/-p/chats/${session}.jsonl`,
      lines: ({ id, at, tokens, names }) => [
        { uuid: id('u'), timestamp: at, type: 'user', message: { parts: [{ text: 'Hi' }] } },
        ...names.map((name) => ({
          uuid: id(name),
          timestamp: at,
          type: 'assistant',
          model: id('model'),
          promptId: id('prompt'),
          message: { parts: [{ text: 'Ho' }, { functionCall: { id: id(`call ${name}`), name: 'look', args: {} } }] },
          usageMetadata: { promptTokenCount: tokens, candidatesTokenCount: tokens },
        })),
      ],
    },
  ],
  [
    'Pi',
    {
      source: piSource(home),
      path: `sessions/--p--/2026_${session}.jsonl`,
      lines: ({ id, at, tokens, names }) => {
        const said = (name: string, message: object) => ({
          type: 'message',
          id: id(name),
          parentId: id('u'),
          timestamp: at,
          message,
        });
        return [
          said('u', { role: 'user', content: 'Hi' }),
          ...names.map((name) =>
            said(name, {
              role: 'assistant',
              provider: id('provider'),
              model: id('model'),
              content: [{ type: 'toolCall', id: id(`call ${name}`), name: 'bash', arguments: {} }],
              usage: { input: tokens, output: tokens },
            }),
          ),
        ];
      },
    },
  ],
];

function read({ source, path, lines }: Agent, told: Partial<Told>) {
  const fold = new SourceFold();
  const transcript = transcriptOf(source, join(home, path), readAtMs - 1000);
  const all = linesOf(
    textOf(lines({ id: (name) => name, at: '2026-03-04T10:00:00Z', tokens: 1, names: ['a', 'b', 'c'], ...told })),
  );
  const cuts = all.map((_, index) => index).filter((index) => all.length < 100 || index % 100 === 0);
  const results = readInto(fold, source, transcript, all, cuts);
  const { changes } = fold;
  readInto(fold, source, transcript, all);
  expect(fold.changes, 'read again').toBe(changes);
  return { fold, results, ops: results.flatMap(({ ops }) => ops) };
}

const newest = (ops: SourceOp[]) => Math.max(...ops.map(({ occurredAt }) => occurredAt));

describe('ids of a megabyte', () => {
  it.each(agents)('%s: leave what is remembered below 64 KiB, and the records are as many', (_name, agent) => {
    const long = 'x'.repeat(2 ** 20);
    const { fold, results } = read(agent, { id: (name) => `${name}${long}` });
    for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(2 ** 16);
    const short = read(agent, {});
    expect(fold.messages.size).toBe(short.fold.messages.size);
    const typesOf = ({ parts }: SourceFold) =>
      [...parts.values()].map(({ type }) => type).filter((type) => type !== 'data');
    expect(typesOf(fold)).toEqual(typesOf(short.fold));
  });
});

describe('very many ids, as long as they are remembered whole', () => {
  it.each(agents)('%s: leave what is remembered below 256 KiB', (_name, agent) => {
    const names = Array.from({ length: 1500 }, (_, n) => String(n));
    const { results } = read(agent, { id: (name) => name.padEnd(90, '.'), names });
    for (const { state } of results) expect(JSON.stringify(state).length).toBeLessThan(2 ** 18);
  });
});

describe('a time', () => {
  it.each(agents)('%s: that lies more than a day behind the read is not used', (_name, agent) => {
    for (const at of ['9999-12-31T23:59:59Z', 8.64e15, readAtMs + 25 * 3600_000]) {
      const { fold, ops } = read(agent, { at });
      expect(newest(ops)).toBe(readAtMs - 1000);
      for (const { createdAt } of fold.messages.values() as Iterable<Partial<Message>>)
        expect(createdAt).toBeUndefined();
    }
    const soon = readAtMs + 3600_000;
    expect(newest(read(agent, { at: new Date(soon).toISOString() }).ops)).toBe(soon);
  });

  it.each(agents)(
    '%s: that is none, or long past, neither stops the read nor makes the session the newest',
    (_name, agent) => {
      for (const at of [-1, -8.64e15, 1e300, null, {}, 'soon', '', '-000001-01-01T00:00:00Z', 1_772_618_400]) {
        const { fold, ops } = read(agent, { at });
        expect(newest(ops)).toBeLessThan(readAtMs);
        expect(fold.messages.size).toBeGreaterThan(1);
      }
    },
  );

  it('of opencode that lies more than a day behind the read is not used', () => {
    const created = Date.parse('9999-01-01');
    const folds = new Folds();
    const { ops } = readTree(
      {
        'storage/session/prj/ses_1.json': { id: 'ses_1', title: 'Tea', time: { created, updated: created } },
        'storage/message/ses_1/msg_1.json': { id: 'msg_1', role: 'user', time: { created, completed: created } },
        'storage/part/msg_1/prt_1.json': { sessionID: 'ses_1', type: 'text', text: 'Hi', time: { start: created } },
      },
      folds,
    );
    expect(ops.map(({ occurredAt }) => occurredAt).every((at) => at === 5000)).toBe(true);
    expect([...folds.of('ses_1').messages.values()][0]).not.toHaveProperty('createdAt');
  });

  it('that lies in the future puts no session above those that are new, in the list of a daemon', async () => {
    const own = testHome();
    const line = (at: number) =>
      textOf([{ type: 'user', uuid: 'u', timestamp: new Date(at).toISOString(), message: { content: 'Hi' } }]);
    const now = Date.now();
    const paths = [Date.parse('9999-01-01'), now + 3600_000].map((at, index) => {
      const path = transcriptPath(own.claude, `${index}${session.slice(1)}`);
      append(path, line(at));
      return path;
    });
    const { client } = await watching(own);
    const listed = await allItems<Session>(client, 'session/list', {});
    expect(listed.map(({ origin }) => origin?.path)).toEqual([paths[1], paths[0]]);
  });

  it('of a file that was written to in the future is that of the read', () => {
    const [, agent] = agents[0]!;
    const { source, path } = agent;
    const transcript = transcriptOf(source, join(home, path), Date.parse('9999-01-01'));
    const lines = linesOf(textOf([{ type: 'user', uuid: 'u', message: { content: 'Hi' } }]));
    const { ops } = source.read(transcript, lines, undefined, new SourceFold(), false);
    expect(newest(ops)).toBe(readAtMs);
  });
});

describe('a count of tokens', () => {
  it('is whole, never negative, and no more than the protocol takes, alone and in a sum', () => {
    expect([7, 7.9, 0, -1, '7', null, undefined, Number.NaN].map((value) => countOf(value as never))).toEqual([
      7, 7, 0, 0, 0, 0, 0, 0,
    ]);
    expect([1e12, 1e12 + 1, 1e300, Number.MAX_SAFE_INTEGER].map((value) => countOf(value))).toEqual(
      Array.from({ length: 4 }, () => 1e12),
    );
    expect(countOf(1e12, 1e12)).toBe(1e12);
  });

  it.each(agents)('%s: that is endless is taken as the most there can be', (_name, agent) => {
    const { fold } = read(agent, { tokens: 1e300 });
    const outputs = [...fold.messages.values()].flatMap(({ usage }) => (usage as Message['usage'])?.output ?? []);
    expect(outputs.length).toBeGreaterThan(0);
    expect(outputs.every((output) => output === 1e12)).toBe(true);
  });

  it('of opencode that is endless is taken as the most there can be', () => {
    const folds = new Folds();
    readTree(
      {
        'storage/session/prj/ses_1.json': { id: 'ses_1', title: 'Tea' },
        'storage/message/ses_1/msg_1.json': { id: 'msg_1', role: 'assistant', tokens: { input: 1e300, output: 1e13 } },
      },
      folds,
    );
    expect([...folds.of('ses_1').messages.values()][0]).toMatchObject({ usage: { input: 1e12, output: 1e12 } });
  });

  it('leaves no other source out', () => {
    expect([...agents.map(([, { source }]) => source.kind), opencode.kind].sort()).toHaveLength(7);
  });
});
