// What tail says of each event.
import { describe, expect, test } from 'vitest';
import { askLines } from '../../cli/render/blocker.ts';
import { eventBrief } from '../../cli/render/event.ts';
import type { Blocker, Event, Turn } from '../../protocol/schema.ts';

const brief = (type: string, data: object) => eventBrief({ type, data } as unknown as Event, '/home/me');

const turn: Turn = {
  id: 'trn_1',
  sessionId: 'ses_1',
  state: 'created',
  userMessageId: 'msg_1',
  assistantMessageId: null,
  agent: 'codex',
  model: { providerId: 'openai', modelId: 'gpt-5' },
  leaseMs: 60_000,
  startedAt: 1000,
  endedAt: null,
  finish: null,
  error: null,
  usage: null,
  actorId: 'act_1',
  schemaVersion: 1,
};

const blocker: Blocker = {
  id: 'blk_1',
  sessionId: 'ses_1',
  turnId: 'trn_1',
  kind: 'question',
  request: null,
  state: 'pending',
  resolution: null,
  resolvedBy: null,
  askedAt: 1000,
  resolvedAt: null,
  actorId: 'act_1',
  schemaVersion: 1,
};

const usage = { input: 8500, output: 612, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
const question = {
  questions: [
    {
      question: 'Which\nstore?',
      header: 'Store',
      options: [{ label: 'sqlite', description: 'one file' }, { label: 'files' }],
    },
    { question: 'Which tests?', header: 'Tests', options: [{ label: 'unit' }], multiple: true },
    { question: 'What name?', header: 'Name', options: [] },
  ],
};
const permission = { permission: 'Bash', patterns: ['npm test', 'npm ci'], title: 'run the \x1b[31mtests' };

describe('tail tells of a turn', () => {
  test('whose it is while it is open', () => {
    expect(brief('turn/updated', turn)).toBe('created · codex · gpt-5');
    expect(brief('turn/updated', { ...turn, state: 'streaming', model: null })).toBe('streaming · codex');
  });

  test('how it ended, with its error, its tokens and how long it took', () => {
    const ended = { ...turn, state: 'completed', endedAt: 13_000, finish: 'stop', usage };
    expect(brief('turn/updated', ended)).toBe('completed · stop · 8.5k tokens in, 612 out · after 12s');
    const error = { kind: 'ApiError', message: 'overloaded' };
    expect(brief('turn/updated', { ...ended, state: 'failed', finish: null, usage: null, error })).toBe(
      'failed · ApiError: overloaded · after 12s',
    );
  });
});

describe('tail tells of a blocker', () => {
  test('what is asked, with the options', () => {
    expect(brief('blocker/updated', { ...blocker, request: question })).toBe(
      'pending question: Which store? [sqlite | files]; Which tests? [unit, several]; What name?',
    );
    expect(brief('blocker/updated', { ...blocker, kind: 'permission', request: permission })).toBe(
      'pending permission: Bash (npm test, npm ci): run the tests',
    );
  });

  test('who resolved it, with what', () => {
    const by = { ...blocker, request: question, resolvedBy: 'act_2' };
    const told = (state: string, resolution: unknown) => brief('blocker/updated', { ...by, state, resolution });
    expect(told('answered', { answers: [['sqlite'], ['unit', 'all'], ['mine']] })).toBe(
      'answered by act_2: sqlite; unit, all; mine',
    );
    expect(told('answered', { decision: 'always', message: 'it is safe' })).toBe(
      'answered by act_2: always · it is safe',
    );
    expect(told('rejected', { reason: 'not now' })).toBe('rejected by act_2: not now');
    expect(told('rejected', { reason: null })).toBe('rejected by act_2');
    expect(told('expired', null)).toBe('expired');
  });

  test('of any shape without failing', () => {
    for (const request of [
      null,
      5,
      'words',
      [],
      { questions: [{}] },
      { questions: 3 },
      { permission: 1, patterns: 'x' },
    ])
      for (const resolution of [null, 'x', {}, { answers: [3] }, { decision: 4 }])
        for (const state of ['pending', 'answered'])
          expect(brief('blocker/updated', { ...blocker, state, request, resolution })).toMatch(/^(pending|answered)/);
  });

  test('and show lists each option on a line of its own', () => {
    expect(askLines({ request: question })).toEqual([
      'Which store?',
      '  - sqlite: one file',
      '  - files',
      'Which tests? (several may be chosen)',
      '  - unit',
      'What name?',
    ]);
  });
});

test('tail tells the files of a patch, and of a message its error and its tokens', () => {
  expect(brief('part/updated', { type: 'patch', files: ['/src/a.ts', { path: 'lib/b.ts' }] })).toBe('patch a.ts, b.ts');
  expect(brief('part/updated', { type: 'patch', files: null })).toBe('patch');
  const message = { role: 'assistant', agent: null, model: null, error: { message: 'overloaded' }, usage };
  expect(brief('message/updated', message)).toBe('assistant · overloaded · 8.5k tokens in, 612 out');
});
