// A session as a readable transcript: its header, then message by message. Each function returns lines that are safe to
// print; nothing here holds more than one message.
import type { Message, Part, Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart, cleanText, safeJson } from './clean.ts';
import { shownPath } from './path.ts';
import { bytes, countOf } from './quantity.ts';
import type { Style } from './style.ts';
import { localDate, localDateTime, localTime, relativeTime } from './time.ts';
import type { ToolPart } from './tool.ts';
import { firstLines, outputText, toolSummary } from './tool.ts';
import { usageText } from './usage.ts';
import { truncateEnd, wrap } from './width.ts';

const shownOutputLines = 8;
const shownErrorLines = 20;
const everything = Number.POSITIVE_INFINITY;
/** Wider lines are hard to read as prose. */
const widestText = 100;
/** A line of output into a pipe is cut too: a tool may print a megabyte without a newline. */
const widestOutput = 400;

export type TranscriptOptions = { width: number; style: Style; home: string; now: number; allParts: boolean };

export function headerLines(session: Session, options: TranscriptOptions): string[] {
  const { style, home, now } = options;
  const model = session.model && cleanStart(session.model.modelId, 100);
  const facts: [string, string | null | undefined][] = [
    ['id', cleanLine(session.id)],
    ['parent', session.parentId && cleanLine(session.parentId)],
    ['agent', joined([session.agent && cleanStart(session.agent, 100), model])],
    ['directory', session.directory && shownPath(session.directory, home)],
    ['created', `${localDateTime(session.createdAt)} (${relativeTime(session.createdAt, now)})`],
    ['updated', `${localDateTime(session.updatedAt)} (${relativeTime(session.updatedAt, now)})`],
    ['messages', `${session.messageCount}${session.status === 'idle' ? '' : `, ${session.status}`}`],
    ['tokens', usageText(session.usage)],
    ['from', session.origin?.path && shownPath(session.origin.path, home)],
  ];
  return [
    style.bold(truncateEnd(cleanStart(session.title ?? '', 500) || '(no title)', options.width)),
    ...facts.filter(([, value]) => value).map(([name, value]) => `${style.dim(name.padEnd(10))} ${value}`),
  ];
}

export function messageLines(message: Message, parts: Part[], options: TranscriptOptions): string[] {
  const { style, allParts } = options;
  const shown = parts.filter((part) => allParts || (part.type !== 'data' && part.type !== 'step'));
  const hidden = parts.filter((part) => !allParts && part.type === 'data').length;
  const count = style.dim(`  (${countOf(hidden, 'other record')}, shown with --all-parts)`);
  const failed = message.error !== null && message.error !== undefined;
  return [
    messageHead(message, style),
    // Spread and not pushed: a text may have more lines than a call may have arguments.
    ...shown.flatMap((part) => partLines(part, options)),
    ...(hidden > 0 ? [count] : []),
    ...(failed ? outputLines(outputText(message.error), shownErrorLines, options).map(style.red) : []),
  ];
}

function messageHead(message: Message, style: Style): string {
  const role = message.role === 'user' ? style.green(message.role) : style.cyan(cleanLine(message.role));
  const model = message.role === 'assistant' && message.model ? cleanStart(message.model.modelId, 100) : '';
  const when = `${localDate(message.createdAt)} ${localTime(message.createdAt)}`;
  return `${style.bold(role)} ${style.dim(joined([when, model]))}`;
}

function partLines(part: Part, options: TranscriptOptions): string[] {
  const { style } = options;
  switch (part.type) {
    case 'text':
      return textLines(part.text, options);
    case 'reasoning':
      return part.text.trim() === '' ? [] : textLines(part.text, options).map(style.dim);
    case 'tool':
      return toolLines(part, options);
    case 'file': {
      const url = part.url.startsWith('data:') ? `inline, ${bytes(part.url.length)}` : cleanStart(part.url, 500);
      return [
        oneLine(`file ${joined([cleanStart(part.mime, 100), cleanStart(part.filename ?? '', 300), url])}`, options),
      ];
    }
    case 'patch':
      return [oneLine(`patch ${cleanStart(safeJson(part.files), 300)}`, options)];
    case 'step':
      return [style.dim(oneLine(`step ${joined([part.phase, cleanStart(part.reason ?? '', 200)])}`, options))];
    default:
      return dataLines(part, options);
  }
}

/** A data part, or a part of a type that this version does not know. */
function dataLines(part: Part & ({ type: 'data' } | { type: string }), options: TranscriptOptions): string[] {
  const { kind, value } = part as { kind?: string; value?: unknown };
  const head = oneLine(`${cleanStart(part.type, 60)} ${cleanStart(kind ?? '', 100)}`, options);
  const body = outputLines(JSON.stringify(value ?? part, null, 2), everything, options);
  return [head, ...body].map(options.style.dim);
}

function textLines(text: string, { width }: TranscriptOptions): string[] {
  const body = cleanText(text).replace(/^\n+/, '').trimEnd();
  if (body === '') return [];
  return wrap(body, width === Number.POSITIVE_INFINITY ? width : Math.min(width, widestText) - 2).map((line) =>
    `  ${line}`.trimEnd(),
  );
}

function toolLines(part: ToolPart, options: TranscriptOptions): string[] {
  const { style, allParts } = options;
  const paint = part.state === 'error' ? style.red : part.state === 'completed' ? style.yellow : style.bold;
  const [outputCount, errorCount] = allParts ? [everything, everything] : [shownOutputLines, shownErrorLines];
  return [
    paint(oneLine(`> ${toolSummary(part)}`, options)),
    ...outputLines(outputText(part.output), outputCount, options).map(style.dim),
    ...outputLines(outputText(part.error), errorCount, options).map(style.red),
  ];
}

function outputLines(text: string, count: number, { width }: TranscriptOptions): string[] {
  const { lines, more } = firstLines(text, count);
  const room = Math.min(width - 4, widestOutput);
  const shown = lines.map((line) => `    ${truncateEnd(line, room)}`.trimEnd());
  if (more > 0) shown.push(`    … ${countOf(more, 'more line')}`);
  return shown;
}

function oneLine(text: string, { width }: TranscriptOptions): string {
  return `  ${truncateEnd(text, width - 2)}`;
}

function joined(pieces: (string | null | undefined)[]): string {
  return pieces.filter((piece) => piece).join(' · ');
}
