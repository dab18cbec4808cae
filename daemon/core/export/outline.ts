// What a reader is shown of a session's records, in words, the same in every readable format: markdown.ts and html.ts
// print it. Texts are the agents' own here, not yet made safe. JSON of any shape has cost linear in its size.
import type { BlockerRequest, BlockerResolution } from '../../../protocol/blocker.ts';
import type { Blocker, Json, Message, Model, Part, Session, Usage } from '../../../protocol/schema.ts';

export type Fact = readonly [label: string, text: string];

export type Block =
  | { type: 'prose'; text: string }
  /** Prose that was not said to the person: reasoning, what the agent put in. */
  | { type: 'aside'; label: string; text: string }
  /** Work: what was called, how it went, and the texts of it, verbatim. */
  | { type: 'work'; name: string; state: string; title: string; texts: Fact[] }
  /** What is kept as the agent wrote it; `json`: its text. */
  | { type: 'record'; kind: string; json: string }
  | { type: 'file'; name: string; mime: string; url: string }
  | { type: 'error'; text: string };

export const untitled = 'Untitled session';
export const blockersTitle = 'Questions and permissions';

/** The facts of a session that are known. */
export function sessionFacts(session: Session): Fact[] {
  const { usage, origin } = session;
  return known([
    ['Directory', session.directory],
    ['Agent', session.agent],
    ['Model', modelName(session.model)],
    ['Created', isoTime(session.createdAt)],
    ['Updated', isoTime(session.updatedAt)],
    ['Messages', number(session.messageCount)],
    ['Tokens', tokensText(usage)],
    ['Cost', usage.costUsd === undefined ? '' : dollars(usage.costUsd)],
    ['Session', session.id],
    ['From', origin && `${origin.source} ${origin.externalId}`],
  ]);
}

/** `assistant`, `claude-code`, `claude-opus-4-6`: who said it, the role first. */
export function speaker(message: Message): string[] {
  return [message.role, message.agent ?? '', message.model?.modelId ?? ''].filter((name) => name !== '');
}

/** The blocks of a message: of its parts in their order, then what went wrong. */
export function messageBlocks(message: Message, parts: Part[]): Block[] {
  const blocks = parts.flatMap(partBlocks);
  return message.error === null ? blocks : [...blocks, { type: 'error', text: errorText(message.error) }];
}

function partBlocks(part: Part): Block[] {
  switch (part.type) {
    case 'text':
      if (part.text.trim() === '') return [];
      if (part.synthetic) return [{ type: 'aside', label: 'Put in by the agent', text: part.text }];
      return [{ type: 'prose', text: part.text }];
    case 'reasoning':
      return part.text.trim() === '' ? [] : [{ type: 'aside', label: 'Reasoning', text: part.text }];
    case 'tool': {
      const { tool: name, state, input, output, error } = part;
      const title = part.title || firstText(input);
      const texts = known([
        ['Input', inputText(input)],
        ['Output', jsonText(output)],
        ['Error', errorText(error)],
      ]);
      return [{ type: 'work', name, state, title, texts }];
    }
    case 'patch': {
      const title = fileNames(part.files).join(', ');
      return [{ type: 'work', name: 'patch', state: '', title, texts: known([['Files', patchText(part.files)]]) }];
    }
    case 'file':
      return [{ type: 'file', name: part.filename ?? '', mime: part.mime, url: part.url }];
    case 'data':
      return [{ type: 'record', kind: part.kind, json: pretty(part.value) }];
    default:
      // A step says where a model's turn began and ended: nothing that a reader misses.
      return [];
  }
}

/** `permission`, `answered`, `by usr_1`: what was asked, and how it ended. */
export function blockerTitle({ kind, state, resolvedBy }: Blocker): string[] {
  const by = state === 'expired' || resolvedBy === null ? '' : `by ${resolvedBy}`;
  return [kind ?? 'unknown', state, by].filter((word) => word !== '');
}

/** What was asked, each question with its own answer, and when. */
export function blockerFacts({ request, resolution, askedAt, resolvedAt }: Blocker): Fact[] {
  return known([
    ...(request === null ? answersAlone(resolution) : asked(request, resolution)),
    ...ending(resolution),
    ['Asked', askedAt === null ? '' : isoTime(askedAt)],
    ['Resolved', resolvedAt === null ? '' : isoTime(resolvedAt)],
  ]);
}

function asked(request: BlockerRequest, resolution: BlockerResolution | null): [string, string][] {
  if (!('questions' in request)) {
    return [
      ['Permission', request.permission],
      ['For', (request.patterns ?? []).join('\n')],
      ['Title', request.title ?? ''],
      ['Details', request.metadata === undefined ? '' : inputText(request.metadata)],
    ];
  }
  const answers = resolution && 'answers' in resolution ? resolution.answers : [];
  return request.questions.flatMap(({ question, options }, at): [string, string][] => [
    ['Question', question],
    [
      'Options',
      options.map(({ label, description }) => (description ? `${label} – ${description}` : label)).join('\n'),
    ],
    ['Answer', (answers[at] ?? []).join('\n')],
  ]);
}

/** An answer may come before its question, and stay the only thing known. */
function answersAlone(resolution: BlockerResolution | null): [string, string][] {
  if (!resolution || !('answers' in resolution)) return [];
  return resolution.answers.map((answer) => ['Answer', answer.join('\n')]);
}

function ending(resolution: BlockerResolution | null): [string, string][] {
  if (resolution && 'decision' in resolution) {
    return [
      ['Decision', resolution.decision],
      ['Message', resolution.message ?? ''],
    ];
  }
  return [['Reason', (resolution && 'reason' in resolution && resolution.reason) || '']];
}

/** ISO 8601 in UTC, to the second; of a time that no calendar has, its milliseconds. */
export function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function known(facts: (readonly [label: string, text: string | null])[]): Fact[] {
  return facts.filter((fact): fact is Fact => fact[1] !== null && fact[1] !== '');
}

function modelName(model: Model | null): string {
  if (model === null) return '';
  const { providerId, modelId, variant } = model;
  return [providerId && `${providerId}/`, modelId, variant && ` (${variant})`].join('');
}

function tokensText({ input, output, reasoning, cacheRead, cacheWrite }: Usage): string {
  const counts = [
    [input, 'in'],
    [output, 'out'],
    [reasoning, 'reasoning'],
    [cacheRead, 'cache read'],
    [cacheWrite, 'cache write'],
  ] as const;
  return counts.flatMap(([count, what]) => (count > 0 ? [`${number(count)} ${what}`] : [])).join(', ');
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}

function dollars(amount: number): string {
  return `$${amount >= 1 ? amount.toFixed(2) : Number(amount.toFixed(4))}`;
}

// --- JSON of any shape, as text ------------------------------------------------------------------------------------

/** A member on each line, texts as they are. */
function inputText(input: Json | undefined): string {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return jsonText(input);
  const members = Object.entries(input).map(([key, value]) => {
    const text = jsonText(value);
    return text.includes('\n') ? `${key}:\n${text}` : `${key}: ${text}`;
  });
  return members.join('\n');
}

/** A string as it is, the texts of a list of blocks, else JSON; of null and of what is absent nothing. */
function jsonText(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  const texts = Array.isArray(value) ? value.map((block) => memberText(block, ['text'])) : [];
  if (texts.length > 0 && texts.every((text) => text !== undefined)) return texts.join('\n');
  return pretty(value);
}

/** `ApiError: overloaded`, of a record that says no more than that. */
function errorText(error: Json | undefined): string {
  if (typeof error !== 'object' || error === null || Array.isArray(error)) return jsonText(error);
  const { kind, name = kind, message, ...more } = error;
  const words = [name, message].filter((word) => word !== undefined);
  const isAll = words.every((word) => typeof word === 'string') && Object.keys(more).length === 0;
  return isAll && words.length > 0 ? words.join(': ') : pretty(error);
}

const mostTitleUnits = 120;

/** What says most of an input that has no title: its first text, in one line. */
function firstText(input: Json | undefined): string {
  const members = typeof input === 'object' && input !== null ? Object.values(input) : [input];
  const text = members.find((member) => typeof member === 'string') ?? '';
  const start = text.slice(0, mostTitleUnits).replace(/\s+/g, ' ').trim().toWellFormed();
  return text.length > mostTitleUnits ? `${start}…` : start;
}

/** Deeper values stay on one line: indentation would make them larger by their depth. */
const mostIndented = 12;

function pretty(value: Json): string {
  return JSON.stringify(value, null, isDeeper(value, mostIndented) ? 0 : 2);
}

function isDeeper(value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((member) => isDeeper(member, depth - 1));
}

/** The paths of changed files: a list of paths or of records, or the members of a record. */
function fileNames(files: Json): string[] {
  if (typeof files !== 'object' || files === null) return [];
  if (!Array.isArray(files)) return Object.keys(files);
  return files.map((file) => (typeof file === 'string' ? file : (memberText(file, pathKeys) ?? '')));
}

const pathKeys = ['filePath', 'path', 'file', 'fileName'];
const diffKeys = ['fileDiff', 'unified_diff', 'diff', 'patch'];

/** The changes: diffs where all have one; nothing more than the names where only they are known; else JSON. */
function patchText(files: Json): string {
  const changes: Json[] = typeof files === 'object' && files !== null ? Object.values(files) : [files];
  if (changes.every((change) => typeof change === 'string') && Array.isArray(files)) return '';
  const diffs = changes.map((change) => memberText(change, diffKeys));
  return diffs.every((diff) => diff !== undefined) ? diffs.join('\n') : jsonText(files);
}

function memberText(value: Json | undefined, names: string[]): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const texts = names.map((name) => value[name]);
  return texts.find((text) => typeof text === 'string');
}
