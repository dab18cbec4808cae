// A session as a readable transcript: its header, then message by message. Each function returns lines that are safe to
// print; nothing here holds more than one message.
import type { Message, Part, Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';
import type { PartOptions } from './part.ts';
import { errorLines, isShown, partLines } from './part.ts';
import { shownPath } from './path.ts';
import { countOf, grouped } from './quantity.ts';
import { localDate, localDateTime, localTime, relativeTime } from './time.ts';
import { usageText } from './usage.ts';
import { truncateEnd, wrap } from './width.ts';

export type TranscriptOptions = PartOptions & { home: string; now: number };

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
    ['tokens', usageText(session.usage)],
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
  const undone = undoneWord(message);
  if (undone !== undefined && !options.full) {
    const hidden = `${undone}, ${countOf(parts.length, 'part')} (--full)`;
    return [options.style.dim(truncateEnd(joined([headText(message, dated), hidden]), options.width))];
  }
  const failed = message.error !== null && message.error !== undefined;
  return [
    messageHead(message, dated, options),
    // Spread and not pushed: a text may have more lines than a call may have arguments.
    ...parts.filter((part) => isShown(part, options)).flatMap((part) => partLines(part, options)),
    ...(failed ? errorLines(message.error, options) : []),
  ];
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

function messageHead(message: Message, dated: boolean, { style, width }: TranscriptOptions): string {
  const role = cleanLine(message.role);
  const model = message.role === 'assistant' && message.model ? cleanStart(message.model.modelId, 100) : '';
  const facts = joined([timeText(message, dated), model, undoneWord(message)]);
  const paint = message.role === 'user' ? style.green : style.cyan;
  return `${style.bold(paint(role))} ${style.dim(truncateEnd(facts, width - role.length - 1))}`;
}

function headText(message: Message, dated: boolean): string {
  return `${cleanLine(message.role)} ${timeText(message, dated)}`;
}

function timeText({ createdAt }: Message, dated: boolean): string {
  return dated ? `${localDate(createdAt)} ${localTime(createdAt)}` : localTime(createdAt);
}

function joined(pieces: (string | null | undefined)[]): string {
  return pieces.filter((piece) => piece).join(' · ');
}
