// One part of a message as lines that are safe to print: folded, or whole.
import type { Part } from '../../protocol/schema.ts';
import { cleanStart, cleanText } from './clean.ts';
import { errorText } from './error-text.ts';
import { clip, foldLines, slashCommand, unwrap, withoutTags } from './fold.ts';
import { patchSummary, patchText } from './patch.ts';
import { inputText, outputText } from './payload.ts';
import { bytes, countOf } from './quantity.ts';
import { withoutShellHead } from './shell-head.ts';
import { planSteps } from './steps.ts';
import type { Style } from './style.ts';
import type { ToolPart } from './tool.ts';
import { toolSummary } from './tool.ts';
import { truncateEnd, wrap } from './width.ts';

/** Limits in lines and UTF-16 units: a text is shown up to here, an output only when it is no longer. */
const [mostText, mostOutput] = [
  [40, 6000],
  [3, 400],
] as const;
const mostErrorUnits = 500;
const mostSteps = 12;
/** Wider lines are hard to read as prose. */
const widestText = 100;

export type PartOptions = {
  width: number;
  style: Style;
  /** What was said and done, whole. */
  full: boolean;
  /** The input and output of tools, and the changes of files, whole. */
  tools: boolean;
  /** The records that are kept as the agent wrote them, too. */
  records: boolean;
  /** Whether the session has stood still for so long that what still runs has come to nothing. */
  stale: boolean;
};

/** Whether a part is shown at all, or only counted. */
export function isShown(part: Part, { full, records }: PartOptions): boolean {
  if (part.type === 'data') return records;
  return full || part.type !== 'step';
}

export function partLines(part: Part, options: PartOptions): string[] {
  const { style, full } = options;
  switch (part.type) {
    case 'text':
      return full ? proseLines(part.text, options) : foldedText(part.text, part.synthetic === true, options);
    case 'reasoning':
      if (part.text.trim() === '') return [];
      if (!full) return foldLines('reasoning', part.text, '--full', options);
      return proseLines(part.text, options).map(style.dim);
    case 'tool':
      return toolLines(part, options);
    case 'file': {
      const url = part.url.startsWith('data:') ? `inline, ${bytes(part.url.length)}` : cleanStart(part.url, 500);
      const facts = [cleanStart(part.mime, 100), cleanStart(part.filename ?? '', 300), url].filter((fact) => fact);
      return [oneLine(`file ${facts.join(' · ')}`, options)];
    }
    case 'patch':
      return [
        oneLine(`patch ${patchSummary(part.files)}`.trim(), options),
        ...(full || options.tools ? blockLines(patchText(part.files), options).map(style.dim) : []),
      ];
    case 'step':
      return [
        style.dim(oneLine(`step ${cleanStart(part.phase, 20)} ${cleanStart(part.reason ?? '', 200)}`.trim(), options)),
      ];
    default:
      return dataLines(part, options);
  }
}

/** What went wrong, in red: in one line, or whole. */
export function errorLines(error: unknown, options: PartOptions): string[] {
  const { full, records, style } = options;
  const text = records && typeof error === 'object' ? outputText(error) : errorText(error).trim();
  if (full || records) return blockLines(text, options).map(style.red);
  const rest = text.slice(mostErrorUnits);
  return [
    ...blockLines(cleanStart(text, mostErrorUnits), options).map(style.red),
    ...(rest === '' ? [] : foldLines('more of the error', rest, '--full', options)),
  ];
}

function foldedText(text: string, synthetic: boolean, options: PartOptions): string[] {
  if (text.trim() === '') return [];
  if (synthetic) return foldLines('put in by the agent', text, '--full', options, withoutTags(text));
  const { names, wrapped, words } = unwrap(text);
  const command = slashCommand(wrapped);
  const tags = names.map((name) => `<${name}>`).join(' ');
  const { shown, rest } = clip(words.trim(), ...mostText);
  return [
    ...(command === undefined ? [] : proseLines(command, options)),
    ...(names.every((name) => command !== undefined && name.startsWith('command-'))
      ? []
      : foldLines(cleanStart(tags, 200), wrapped, '--full', options, withoutTags(wrapped))),
    ...proseLines(shown, options),
    ...(rest === '' ? [] : foldLines('more', rest, '--full', options)),
  ];
}

function proseLines(text: string, { width }: PartOptions): string[] {
  const body = cleanText(text).replace(/^\n+/, '').trimEnd();
  if (body === '') return [];
  const room = width === Number.POSITIVE_INFINITY ? width : Math.min(width, widestText) - 2;
  return wrap(body, room).map((line) => `  ${line}`.trimEnd());
}

function toolLines(part: ToolPart, options: PartOptions): string[] {
  const { style, full, tools } = options;
  const paint = part.state === 'error' ? style.red : part.state === 'completed' ? style.yellow : style.bold;
  const [output, error] = [outputText(part.output).trimEnd(), outputText(part.error).trimEnd()];
  const { printed, exitCode = 0 } = withoutShellHead(output);
  const head = paint(oneLine(`> ${toolSummary(part, stateText(part, exitCode, options))}`, options));
  if (full || tools) {
    return [
      head,
      ...labelled('input', inputText(part.input), options),
      ...labelled('output', output, options),
      ...blockLines(error, options).map(style.red),
    ];
  }
  const steps = part.state === 'error' ? undefined : planSteps(part.input);
  if (steps !== undefined) return [head, ...stepLines(steps, options)];
  return [
    head,
    ...preview('output', printed.trimEnd(), style.dim, options),
    ...preview('error', error, style.red, options),
  ];
}

/** `completed`, `error (exit 1)`; of what will never end, that there is no result. */
function stateText({ state }: ToolPart, exitCode: number, { stale }: PartOptions): string {
  if (stale && (state === 'running' || state === 'pending')) return 'no result';
  return exitCode === 0 ? state : `${state} (exit ${exitCode})`;
}

function stepLines(steps: string[], options: PartOptions): string[] {
  const lines = steps.slice(0, mostSteps).flatMap((step) => blockLines(step, options));
  const more = steps.length - mostSteps;
  return [...lines, ...(more > 0 ? [`    + ${countOf(more, 'more step')} (--tools)`] : [])].map(options.style.dim);
}

/** A short text whole, a longer one folded. */
function preview(what: string, text: string, paint: (line: string) => string, options: PartOptions): string[] {
  return clip(text, ...mostOutput).rest === ''
    ? blockLines(text, options).map(paint)
    : foldLines(what, text, '--tools', options);
}

function labelled(label: string, text: string, options: PartOptions): string[] {
  const lines = blockLines(text, options);
  return lines.length === 0 ? [] : [oneLine(`${label}:`, options), ...lines].map(options.style.dim);
}

/** A data part, or a part of a type that this version does not know. */
function dataLines(part: Part & ({ type: 'data' } | { type: string }), options: PartOptions): string[] {
  const { kind, value } = part as { kind?: string; value?: unknown };
  const head = oneLine(`${cleanStart(part.type, 60)} ${cleanStart(kind ?? '', 100)}`, options);
  return [head, ...blockLines(JSON.stringify(value ?? part, null, 2), options)].map(options.style.dim);
}

/** A text that is no prose, whole, set in by four. */
function blockLines(text: string, { width }: PartOptions): string[] {
  const body = cleanText(text).trimEnd();
  if (body === '') return [];
  return wrap(body, width - 4).map((line) => `    ${line}`.trimEnd());
}

function oneLine(text: string, { width }: PartOptions): string {
  return `  ${truncateEnd(text, width - 2)}`;
}
