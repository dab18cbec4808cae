// Transcripts are untrusted: whatever they hold, nothing that a terminal would obey leaves the CLI, but our own colours.
import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Context, Verb } from '../../cli/context.ts';
import { CliError, failureOf } from '../../cli/exit.ts';
import { auditTable } from '../../cli/render/audit.ts';
import { capabilityTable, givenLines } from '../../cli/render/capability.ts';
import { safeJson } from '../../cli/render/clean.ts';
import { eventLine } from '../../cli/render/event.ts';
import { foldLines } from '../../cli/render/fold.ts';
import { shownPath } from '../../cli/render/path.ts';
import { sessionName } from '../../cli/render/session-name.ts';
import { sessionTable } from '../../cli/render/sessions.ts';
import { lookedIn, readSummary } from '../../cli/render/sources.ts';
import { statsLines } from '../../cli/render/stats.ts';
import { makeStyle } from '../../cli/render/style.ts';
import { headerLines, messageLines } from '../../cli/render/transcript.ts';
import { loadWidths } from '../../cli/render/width.ts';
import { filterWords } from '../../cli/session-filter.ts';
import { shellCommand } from '../../cli/shell-quote.ts';
import { UsageSummer } from '../../cli/usage-sums.ts';
import type { AuditEntry, Capability } from '../../protocol/capability.ts';
import type { Event, Message, Part, PartContent, Session } from '../../protocol/schema.ts';
import { eventTypes } from '../../protocol/schema.ts';
import { startDaemon } from '../support/daemon.ts';
import { attacks, expectSafe, hostileText } from '../support/hostile.ts';
import { fakeTerminal } from './fake-terminal.ts';
import { clientOf, cliHome, run } from './run-cli.ts';

const text = hostileText;
const hostileJson = fc.oneof(
  text,
  fc.array(text, { maxLength: 3 }),
  fc.dictionary(text, fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text })), fc.integer()), {
    maxKeys: 4,
  }),
);
const model = fc.record({ providerId: text, modelId: text });
const usage = { input: 1, output: 2, reasoning: 0, cacheRead: 3, cacheWrite: 4, costUsd: 1 };
const times = { createdAt: 1, updatedAt: 2 };

/** Records as a daemon may hand them out; ids and states are hostile too, for a daemon is not to be trusted either. */
const session = fc
  .record({
    id: text,
    parentId: fc.option(text),
    title: fc.option(text),
    directory: fc.option(text),
    agent: fc.option(text),
    model: fc.option(model),
    status: text,
    origin: fc.option(fc.record({ source: text, externalId: text, path: text })),
    archivedAt: fc.option(fc.constant(5)),
  })
  .map((given) => ({ ...given, ...times, usage, messageCount: 3, metadata: {} }) as unknown as Session);

const message = fc
  .record({
    id: text,
    role: text,
    model: fc.option(model),
    agent: fc.option(text),
    error: fc.option(hostileJson),
    metadata: fc.constantFrom({}, { rewound: true }),
  })
  .map((given) => ({ ...given, createdAt: 1, usage }) as unknown as Message);

const content: fc.Arbitrary<PartContent> = fc.oneof(
  fc.record({ type: fc.constant('text'), text, synthetic: fc.boolean() }),
  fc.record({ type: fc.constant('reasoning'), text }),
  fc.record({
    type: fc.constant('tool'),
    callId: text,
    tool: text,
    state: fc.constantFrom('pending', 'running', 'completed', 'error'),
    title: text,
    input: hostileJson,
    output: hostileJson,
    error: hostileJson,
  }),
  fc.record({ type: fc.constant('file'), mime: text, filename: text, url: text }),
  fc.record({ type: fc.constant('patch'), files: hostileJson }),
  fc.record({ type: fc.constant('step'), phase: fc.constantFrom('start', 'finish'), reason: text }),
  fc.record({ type: fc.constant('data'), kind: text, value: hostileJson }),
) as fc.Arbitrary<PartContent>;
/** Of a type that this version does not know. */
const unknownPart = fc.record({ type: text, kind: text, more: hostileJson });
const part = fc.oneof(content, unknownPart) as unknown as fc.Arbitrary<Part>;

const both = [false, true] as const;
const widths = [20, 80, Number.POSITIVE_INFINITY] as const;

/** Whatever `lines` makes of the values is safe, with colours and without, in any width. */
async function alwaysSafe<T>(
  arbitrary: fc.Arbitrary<T>,
  lines: (value: T, options: { style: ReturnType<typeof makeStyle>; width: number }) => string[] | Promise<string[]>,
): Promise<void> {
  await loadWidths();
  const check = async (value: T) => {
    for (const styled of both) {
      for (const width of widths) {
        for (const line of await lines(value, { style: makeStyle(styled), width })) {
          expectSafe(line, `${styled} ${width}`, styled);
          expect(line).not.toContain('\n');
        }
      }
    }
  };
  await fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: 150 });
}

describe('nothing that a terminal would obey comes out of', () => {
  const [home, now] = ['/home/me', 1_000_000];

  test('the table of sessions', () =>
    alwaysSafe(fc.array(session, { maxLength: 4 }), (sessions, options) =>
      sessionTable(sessions, {
        ...options,
        home,
        now,
        complete: true,
        waits: new Map(sessions.map(({ id, title }) => [id, title ?? ''])),
      }),
    ));

  test('the header of a transcript, and the names of sessions', () =>
    alwaysSafe(session, (given, options) => [
      ...headerLines(given, {
        ...options,
        home,
        now,
        full: false,
        tools: false,
        records: true,
        stale: true,
        sidechains: true,
      }),
      sessionName(given),
    ]));

  test('a message, folded, with tools and in full', () =>
    alwaysSafe(fc.tuple(message, fc.array(part, { maxLength: 4 })), ([given, parts], options) =>
      [
        { full: false, tools: false, records: true },
        { full: false, tools: true, records: false },
        { full: true, tools: false, records: true },
      ].flatMap((which) =>
        messageLines(given, parts, true, { ...options, ...which, stale: true, sidechains: true, home, now }),
      ),
    ));

  test('an event of any type', () => {
    const data = fc
      .tuple(
        session,
        message,
        part,
        fc.record({ state: text, kind: text, key: text, messageId: text, partId: text, text }),
      )
      .map((records) => Object.assign({}, ...records) as object);
    const event = fc
      .record({ type: fc.oneof(fc.constantFrom(...eventTypes), text), sessionId: text, data })
      .map((given) => ({ ...given, at: 1 }) as unknown as Event);
    return alwaysSafe(event, (given, options) => [eventLine(given, { ...options, home, now })]);
  });

  test('what was handed out, and what was done with it', () => {
    const capability = fc.record({
      id: text,
      parentId: fc.option(text),
      label: text,
      rights: fc.array(text, { minLength: 1, maxLength: 3 }),
      sessions: fc.oneof(fc.constant('*'), fc.array(text, { minLength: 1, maxLength: 7 })),
      ops: fc.array(text, { minLength: 1, maxLength: 3 }),
      ...{ expiresAt: fc.option(fc.constant(5)), revokedAt: fc.option(fc.constant(5)), lastUsedAt: fc.constant(null) },
    }) as unknown as fc.Arbitrary<Capability>;
    const entry = fc.record({
      ...{ at: fc.constant(1), capabilityId: text, actorId: text, method: text, sessionId: fc.option(text) },
      outcome: text,
    }) as fc.Arbitrary<AuditEntry>;
    return alwaysSafe(
      fc.tuple(fc.array(capability, { minLength: 1, maxLength: 3 }), fc.array(entry, { maxLength: 3 })),
      async ([all, entries], options) => [
        ...givenLines(all[0]!),
        ...(await capabilityTable(all, all, { ...options, now })),
        ...(await auditTable(entries, all, options)),
      ],
    );
  });

  test('sums of usage', () => {
    const item = fc.record({ sessionId: text, agent: fc.option(text), model: fc.option(model), day: text });
    return alwaysSafe(fc.array(item, { maxLength: 4 }), (items, options) => {
      const summer = new UsageSummer();
      summer.add(items.map((given) => ({ ...given, messages: 1, usage })));
      return statsLines(summer.end(), { ...options, mostDays: 1, allDays: 'stats --all' });
    });
  });

  test('sources, folders, folds, quoted words and errors', () =>
    alwaysSafe(fc.tuple(text, text), ([a, b], options) => {
      const counts = { files: 1, filesDone: 1, bytesBehind: 0, sessions: 1, badRecords: 1 };
      const source = { name: a, kind: a, path: b, state: 'failing' as const, lastError: b, ...counts };
      const { message, hint } = failureOf(new CliError(1, a, b), String);
      return [
        ...lookedIn([source], home),
        readSummary([source]),
        shownPath(a, b),
        ...foldLines('output', a, '--tools', options),
        shellCommand([a, b]),
        filterWords({ agent: a, dir: b }),
        ...message.split('\n'),
        ...hint!.split('\n'),
      ];
    }));

  test('JSON, which is the same value when it is parsed', () => {
    fc.assert(
      fc.property(hostileJson, (value) => {
        const json = safeJson(value);
        expectSafe(json, 'json', false);
        expect(JSON.parse(json)).toEqual(value);
      }),
    );
  });
});

test.each(attacks)('the check that these tests stand on finds %j', (attack) => {
  for (const styled of both) expect(() => expectSafe(`a${attack}b`, 'attack', styled)).toThrow();
});

/** Runs a verb in this process, on a terminal; returns all that it printed, or would of its failure. */
async function printed(verb: string, args: string[], base: Context, json: boolean): Promise<string> {
  const { configure } = (await import(`../../cli/commands/${verb}.ts`)) as Verb;
  const { context, out, err } = fakeTerminal({ env: base.env } as never, { json });
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  configure(command, context);
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { stack: _, ...failure } = failureOf(error, String);
    return `${out.text}${err.text}${json ? safeJson(failure) : `${failure.message}\n${failure.hint}`}`;
  }
  return out.text + err.text;
}

test('every verb over a store of hostile sessions prints nothing that a terminal would obey', async () => {
  const home = cliHome();
  await startDaemon(home);
  const client = await clientOf(home);
  const { context } = fakeTerminal(home);
  let count = 0;
  const given = fc.record({ a: text, b: text, model, parts: fc.array(content, { maxLength: 5 }), error: hostileJson });
  await fc.assert(
    fc.asyncProperty(given, async ({ a, b, model, parts, error }) => {
      count += 1;
      const [sessionId, messageId] = [`ses_h${count}`, `msg_h${count}`];
      const origin = { source: count % 2 ? 'claude-code' : a, externalId: b, path: a };
      const id = [sessionId];
      await client.call('session/create', { sessionId, title: a, agent: b, directory: `/${a}`, model, origin });
      await client.call('message/put', { sessionId, messageId, role: 'assistant', agent: a, model, usage, error });
      for (const part of parts) await client.call('part/put', { sessionId, messageId, part });
      const typed = `x${a}`;
      for (const json of both) {
        for (const [verb, args] of [
          ['ls', []],
          ['ls', ['--agent', typed]],
          ['ls', ['--since', typed]],
          ['ls', ['--status', typed]],
          ['show', id],
          ['show', [...id, '--full']],
          ['show', [...id, '--tools', '--last', '1']],
          ['show', [typed]],
          ['resume', id],
          ['rename', [...id, typed]],
          ['archive', id],
          ['archive', ['--undo', ...id]],
          ['stats', []],
          ['stats', ['--agent', typed]],
          ['rm', id],
          ['rm', [typed, '--yes']],
          ['rpc', ['session/list']],
          ['rpc', [typed]],
          ['status', []],
        ] as const) {
          expectSafe(await printed(verb, [...args], context, json), `${verb} ${args.join(' ')} ${json}`, !json);
        }
      }
      expectSafe(await printed('rm', [...id, '--yes'], context, false), 'rm', true);
    }),
    { numRuns: 12 },
  );
});

test('what is typed wrong is told without what a terminal would obey: verbs, options and values', async () => {
  const home = cliHome();
  const attack = attacks.filter((each) => !each.includes('\0')).join('');
  for (const args of [[`x${attack}`], ['ls', `--${attack}`], ['ls', `x${attack}`], ['show', 'a', '--last', attack]]) {
    const { code, stdout, stderr } = await run(home, [...args, '--no-spawn']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expectSafe(stderr, JSON.stringify(args), false);
  }
});
