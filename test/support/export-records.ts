// Records of a session for the readable exports: small true ones, and for fast-check ones whose every text attacks markdown
// and html, also where a schema would not let it through.
import fc from 'fast-check';
import type { ExportFormat } from '../../daemon/core/export/format.ts';
import { noUsage } from '../../protocol/derive.ts';
import type { Blocker, Message, Part, PartContent, Session } from '../../protocol/schema.ts';

export type Exported = { session: Session; messages: { message: Message; parts: Part[] }[]; blockers: Blocker[] };

const written = { actorId: 'me', schemaVersion: 1 };
export const at = Date.parse('2026-11-20T22:58:02.345Z');

export const sessionOf = (fields: Partial<Session> = {}): Session => ({
  id: 'ses_a',
  parentId: null,
  title: 'Mend the parser',
  directory: '/home/me/a_b',
  agent: 'claude-code',
  model: { providerId: 'anthropic', modelId: 'opus' },
  status: 'idle',
  version: 7,
  origin: null,
  metadata: {},
  usage: { ...noUsage, input: 1800, output: 36, costUsd: 0.12 },
  messageCount: 1,
  pendingBlockers: 0,
  ...written,
  createdAt: at,
  updatedAt: at,
  archivedAt: null,
  ...fields,
});

export const messageOf = (contents: PartContent[], fields: Partial<Message> = {}): Exported['messages'][number] => {
  const message: Message = {
    id: 'msg_a',
    messageIndex: 0,
    sessionId: 'ses_a',
    turnId: null,
    role: 'assistant',
    agent: 'claude-code',
    model: null,
    createdAt: at,
    completedAt: null,
    usage: null,
    error: null,
    metadata: {},
    ...written,
    ...fields,
  };
  const identity = { messageId: message.id, sessionId: 'ses_a', ...written };
  return { message, parts: contents.map((content, index) => ({ ...content, id: `prt_${index}`, index, ...identity })) };
};

export const blockerOf = (fields: Partial<Blocker>): Blocker => ({
  id: 'blk_a',
  sessionId: 'ses_a',
  turnId: null,
  kind: 'question',
  request: null,
  state: 'pending',
  resolution: null,
  resolvedBy: null,
  askedAt: at,
  resolvedAt: null,
  ...written,
  ...fields,
});

/** The whole export at once, as the pages of it join. */
export function exportWhole(format: ExportFormat, { session, messages, blockers }: Exported): string {
  const records: Record<string, unknown[]> = { messages, blockers };
  const pieces = [format.begin(session)];
  for (const list of format.lists) {
    pieces.push(format.openList(list));
    for (const [index, record] of records[list]!.entries()) {
      pieces.push(format.item(list, JSON.stringify(record), index === 0));
    }
    pieces.push(format.closeList(list));
  }
  return [...pieces, format.end()].join('');
}

const attacks = [
  ...[
    '<script>alert(1)</script>',
    '</pre>',
    '</title></style>',
    '</article></main></html>',
    '<!--',
    '-->',
    '<?',
    '<!x',
    '<b ',
  ],
  ...['"', "'", '" onclick="x', '&', '&lt;', '&#x3c;', '<', '>', 'javascript:alert(1)', 'data:image/png;base64,AA"'],
  ...[
    '`',
    '``',
    '```',
    '````',
    '```js',
    '~~~',
    '\n',
    '\n',
    '\n\n',
    '\r',
    ' ',
    '  ',
    '   ',
    '    ',
    '\t',
    '- ',
    '1. ',
    '7. ',
  ],
  ...[
    '> ',
    '# ',
    '## user · 2026',
    '---',
    '===',
    '|',
    '|-|',
    '|a|',
    '\\',
    '*',
    '**',
    '_',
    '[a](',
    'https://a.b/?c=',
    ')',
  ],
  ...['\x00', '\x1b[31m', '\x1b', '\x9b', '\u202e', '\u2066', '\u2028', '\ud800', '\u00a0', '漢', '😀', 'x', 'x y'],
];

export const attackText = fc.array(fc.constantFrom(...attacks), { maxLength: 16 }).map((pieces) => pieces.join(''));
const maybeText = fc.option(attackText);
const time = fc.constantFrom(0, at, Number.MAX_SAFE_INTEGER);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(null, 1, true),
    attackText,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.record({ text: attackText, path: attackText }, { requiredKeys: [] }), { maxLength: 2 }),
    fc.dictionary(attackText, tie('value'), { maxKeys: 3 }),
  ),
})).value;
const model = fc.record({ providerId: attackText, modelId: attackText, variant: attackText });
const url = fc.oneof(
  fc.constant('data:image/png;base64,AAAA'),
  fc
    .tuple(fc.constantFrom('', 'https://', 'HTTP:', 'mailto:', 'data:image/png;base64,'), attackText)
    .map((pieces) => pieces.join('')),
);

const content = fc.oneof(
  fc.record({ type: fc.constant('text'), text: attackText, synthetic: fc.boolean() }),
  fc.record({ type: fc.constant('reasoning'), text: attackText }),
  fc.record(
    {
      type: fc.constant('tool'),
      tool: attackText,
      state: attackText,
      title: attackText,
      input: json,
      output: json,
      error: json,
    },
    { requiredKeys: ['type', 'tool', 'state'] },
  ),
  fc.record({
    type: fc.constant('file'),
    mime: attackText,
    filename: attackText,
    url,
  }),
  fc.record({ type: fc.constant('patch'), files: json }),
  fc.record({ type: fc.constant('step'), phase: attackText, reason: attackText }),
  fc.record({ type: fc.constant('data'), kind: attackText, value: json }),
);

const message = fc.record({
  message: fc.record({
    id: attackText,
    role: attackText,
    agent: maybeText,
    model: fc.option(model),
    createdAt: time,
    error: json,
  }),
  parts: fc.array(content, { maxLength: 4 }),
});

const request = fc.oneof(
  fc.record({
    questions: fc.array(
      fc.record({
        question: attackText,
        header: attackText,
        options: fc.array(fc.record({ label: attackText, description: attackText }), { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
  }),
  fc.record({
    permission: attackText,
    patterns: fc.array(attackText, { maxLength: 2 }),
    title: attackText,
    metadata: fc.dictionary(attackText, json, { maxKeys: 2 }),
  }),
);
const resolution = fc.oneof(
  fc.record({ answers: fc.array(fc.array(attackText, { maxLength: 2 }), { maxLength: 2 }) }),
  fc.record({ decision: attackText, message: attackText }),
  fc.record({ reason: maybeText }),
);
const blocker = fc.record({
  kind: maybeText,
  state: attackText,
  request: fc.option(request),
  resolution: fc.option(resolution),
  resolvedBy: maybeText,
  askedAt: fc.option(time),
  resolvedAt: fc.option(time),
});

/** A session in which every text attacks. */
export const hostileExport = fc.record({
  session: fc
    .record({ title: maybeText, directory: maybeText, agent: maybeText, model: fc.option(model), id: attackText })
    .map((fields) =>
      sessionOf({ ...fields, origin: { source: fields.id, externalId: fields.id } } as Partial<Session>),
    ),
  messages: fc.array(message, { minLength: 1, maxLength: 3 }),
  blockers: fc.array(blocker, { maxLength: 3 }),
}) as unknown as fc.Arbitrary<Exported>;
