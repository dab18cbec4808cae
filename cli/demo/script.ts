// What the demo plays: two agents at work on one project, written for it. Each step becomes ops, as an agent's own
// program would send them.

export type DemoSession = 'fix' | 'docs';

export type DemoStep =
  | { do: 'session'; session: DemoSession; title: string; agent: string; modelId: string; directory: string }
  | { do: 'message'; session: DemoSession; role: 'user' | 'assistant'; text?: string }
  /** Text as a model gives it: a part that grows by deltas. */
  | { do: 'stream'; session: DemoSession; type: 'text' | 'reasoning'; text: string }
  | { do: 'tool'; session: DemoSession; tool: string; input: Record<string, string>; output: string; takesMs: number }
  | { do: 'done'; session: DemoSession; usage: { input: number; output: number; cacheRead: number } };

export const demoScript: DemoStep[] = [
  {
    do: 'session',
    session: 'fix',
    title: 'Login test fails once in ten runs',
    agent: 'claude-code',
    modelId: 'claude-sonnet-4-5',
    directory: '/home/you/src/shop',
  },
  {
    do: 'message',
    session: 'fix',
    role: 'user',
    text: 'The login test fails about once in ten runs. Find out why and fix it.',
  },
  { do: 'message', session: 'fix', role: 'assistant' },
  {
    do: 'stream',
    session: 'fix',
    type: 'reasoning',
    text: 'Once in ten smells of time or order. I look at the test first, then at what it waits for.',
  },
  {
    do: 'tool',
    session: 'fix',
    tool: 'Bash',
    input: { command: 'grep -n "expires" test/login.test.ts src/session.ts' },
    output:
      'test/login.test.ts:31:  expect(session.expiresAt).toBe(Date.now() + 3600_000);\nsrc/session.ts:12:  expiresAt: Date.now() + ttlMs,',
    takesMs: 480,
  },
  {
    do: 'stream',
    session: 'fix',
    type: 'text',
    text: 'The test reads the clock a second time. When a millisecond passes between the two reads, it fails. I hand the clock in, so that both see the same time.',
  },
  {
    do: 'session',
    session: 'docs',
    title: 'Document the --retry flag',
    agent: 'codex',
    modelId: 'gpt-5-codex',
    directory: '/home/you/src/shop',
  },
  { do: 'message', session: 'docs', role: 'user', text: 'Add the new --retry flag to the README.' },
  { do: 'message', session: 'docs', role: 'assistant' },
  {
    do: 'tool',
    session: 'docs',
    tool: 'shell',
    input: { command: 'sed -n "/## Options/,/^## /p" README.md' },
    output: '## Options\n\n--verbose   print every request\n--timeout   give up after this many seconds',
    takesMs: 350,
  },
  {
    do: 'tool',
    session: 'fix',
    tool: 'Edit',
    input: { file_path: 'src/session.ts' },
    output: 'src/session.ts: 3 lines added, 1 removed',
    takesMs: 350,
  },
  {
    do: 'tool',
    session: 'fix',
    tool: 'Bash',
    input: { command: 'for i in $(seq 100); do npm test -- login || exit 1; done' },
    output: '100 runs, 0 failures',
    takesMs: 630,
  },
  {
    do: 'stream',
    session: 'docs',
    type: 'text',
    text: 'Added --retry below --timeout, with its default of 3 and what counts as a failure.',
  },
  { do: 'done', session: 'docs', usage: { input: 2310, output: 164, cacheRead: 1800 } },
  {
    do: 'stream',
    session: 'fix',
    type: 'text',
    text: 'Fixed: a hundred runs, no failure. Session takes a `now` function; the test gives it a fixed one.',
  },
  { do: 'done', session: 'fix', usage: { input: 8450, output: 612, cacheRead: 7200 } },
];
