// A session as a readable transcript: its header, then message by message. Each function returns lines that are safe to
// print; nothing here holds more than one message.
import type { Message, Part, Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { saysError } from './error-text.ts';
import type { PartOptions } from './part.ts';
import { errorLines, isShown, partLines } from './part.ts';
import { shownPath } from './path.ts';
import { countOf, grouped } from './quantity.ts';
import { localDate, localDateTime, localTime, relativeTime } from './time.ts';
import { toolSummary } from './tool.ts';
import { usageText } from './usage.ts';
import { truncateEnd, wrap } from './width.ts';

export type TranscriptOptions = PartOptions & {
  home: string;
  now: number;
  /** Whether messages may be those of a helper, which is no session of its own. */
  sidechains: boolean;
};

const labelWidth = 11;

export function headerLines(session: Session, options: TranscriptOptions): string[] {
  const { style, home, now, width } = options;
  const model = session.model && cleanStart(session.model.modelId, 100);
  const status = session.status === 'idle' ? '' : `, ${cleanLine(session.status)}`;
  const facts: [string, string | null | undefined][] = [
    ['id', cleanLine(session.id)],
    ['parent', session.parentId && cleanLine(session.parentId)],
    ['agent', joined([session.agent && cleanStart(session.agent, 100), model])],
    ['directory', session.directory && shownPath(session.directory, home)],
    ['created', whenText(session.createdAt, now)],
    ['updated', whenText(session.updatedAt, now)],
    ['archived', session.archivedAt === null ? null : whenText(session.archivedAt, now)],
    ['messages', `${grouped(session.messageCount)}${status}`],
    ['tokens', usageText(session.usage, '')],
    ['from', session.origin?.path && shownPath(session.origin.path, home)],
  ];
  return [
    style.bold(truncateEnd(cleanStart(session.title ?? '', 500) || '(no title)', width)),
    ...facts.flatMap(([name, value]) => (value ? factLines(style.dim(name.padEnd(labelWidth - 1)), value, width) : [])),
  ];
}

function factLines(label: string, value: string, width: number): string[] {
  return wrap(value, width - labelWidth).map((line, at) => `${at === 0 ? label : ' '.repeat(labelWidth - 1)} ${line}`);
}

/** `2025-11-21 14:03`, and how long ago where that is not told as a date again. */
function whenText(at: number, now: number): string {
  const relative = relativeTime(at, now);
  return relative === localDate(at) ? localDateTime(at) : `${localDateTime(at)} (${relative})`;
}

/** The message, below its head; `dated`: the day stands in the head, for it is another than that of the message before. */
export function messageLines(message: Message, parts: Part[], dated: boolean, options: TranscriptOptions): string[] {
  const { full, style, width } = options;
  const folded = full ? undefined : foldedHead(message, parts, dated, options);
  if (folded !== undefined) {
    const records = parts.filter((part) => part.type === 'data' && isShown(part, options));
    return [style.dim(truncateEnd(folded, width)), ...records.flatMap((part) => partLines(part, options))];
  }
  // Flattened and not pushed: a text may have more lines than a call may have arguments.
  const lines = parts.filter((part) => isShown(part, options)).flatMap((part) => partLines(part, options));
  const isEmpty = message.role === 'user' && lines.length === 0 && !parts.some(({ type }) => type === 'data');
  return [
    messageHead(message, dated, options),
    ...(isEmpty ? [style.dim('  (empty)')] : lines),
    ...(isTold(message, parts, options) ? [] : errorLines(message.error, options)),
  ];
}

/** The one line that is shown of a message which its agent took back, or which is a helper's. */
function foldedHead(message: Message, parts: Part[], dated: boolean, options: TranscriptOptions): string | undefined {
  const undone = undoneWord(message);
  const head = `${roleText(message, options)} ${timeText(message, dated)}`;
  const size = `${countOf(parts.length, 'part')} (--full)`;
  if (undone !== undefined) return joined([head, `${undone}, ${size}`]);
  return isSidechain(message, options) ? joined([head, size, gistOf(parts)]) : undefined;
}

function gistOf(parts: Part[]): string {
  const [part] = parts.filter(({ type }) => type === 'text' || type === 'tool');
  if (part?.type === 'tool') return toolSummary(part);
  return part?.type === 'text' ? cleanStart(part.text, 200) : '';
}

/** Whether there is no error, or its words stand in the message already. */
function isTold({ error }: Message, parts: Part[], { records }: TranscriptOptions): boolean {
  if (error === null || error === undefined) return true;
  return !records && parts.some((part) => part.type === 'text' && saysError(part.text, error));
}

function isSidechain({ metadata }: Message, { sidechains }: TranscriptOptions): boolean {
  return sidechains && metadata.isSidechain === true;
}

function roleText(message: Message, options: TranscriptOptions): string {
  return `${cleanLine(message.role)}${isSidechain(message, options) ? ' (subagent)' : ''}`;
}

/** How many records of a message are not told of in its lines. */
export function countHidden(parts: Part[], options: TranscriptOptions): number {
  return parts.filter((part) => !isShown(part, options) && part.type === 'data').length;
}

/** What became of a message that its agent took back. */
function undoneWord({ metadata }: Message): 'rewound' | 'replaced' | undefined {
  if (metadata.rewound === true) return 'rewound';
  return metadata.replaced === true ? 'replaced' : undefined;
}

function messageHead(message: Message, dated: boolean, options: TranscriptOptions): string {
  const { style, width } = options;
  const role = roleText(message, options);
  const model = message.role === 'assistant' && message.model ? cleanStart(message.model.modelId, 100) : '';
  const facts = joined([timeText(message, dated), model, undoneWord(message)]);
  const paint = message.role === 'user' ? style.green : style.cyan;
  const shown = isSidechain(message, options) ? style.dim(role) : style.bold(paint(role));
  return `${shown} ${style.dim(truncateEnd(facts, width - role.length - 1))}`;
}

function timeText({ createdAt }: Message, dated: boolean): string {
  return dated ? `${localDate(createdAt)} ${localTime(createdAt)}` : localTime(createdAt);
}

function joined(pieces: (string | null | undefined)[]): string {
  return pieces.filter((piece) => piece).join(' · ');
}
