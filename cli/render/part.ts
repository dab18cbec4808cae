// One part of a message as lines that are safe to print: folded, or whole.
import type { Part } from '../../protocol/schema.ts';
import { cleanStart, cleanText, safeJson } from './clean.ts';
import { clip, foldLines, unwrap, withoutTags } from './fold.ts';
import { bytes } from './quantity.ts';
import type { Style } from './style.ts';
import type { ToolPart } from './tool.ts';
import { inputText, outputText, toolSummary } from './tool.ts';
import { truncateEnd, wrap } from './width.ts';

/** Limits in lines and UTF-16 units: a text is shown up to here, an output only when it is no longer. */
const [mostText, mostOutput, mostError] = [
  [40, 6000],
  [3, 400],
  [20, 4000],
] as const;
/** Wider lines are hard to read as prose. */
const widestText = 100;

export type PartOptions = {
  width: number;
  style: Style;
  /** Everything, whole. */
  full: boolean;
  /** The input and output of tools, whole. */
  tools: boolean;
};

/** Whether a part is shown at all, or only counted. */
export function isShown(part: Part, { full }: PartOptions): boolean {
  return full || (part.type !== 'data' && part.type !== 'step');
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
      if (full) return [oneLine('patch', options), ...blockLines(outputText(part.files), options).map(style.dim)];
      return [oneLine(`patch ${cleanStart(safeJson(part.files), 300)}`, options)];
    case 'step':
      return [
        style.dim(oneLine(`step ${cleanStart(part.phase, 20)} ${cleanStart(part.reason ?? '', 200)}`.trim(), options)),
      ];
    default:
      return dataLines(part, options);
  }
}

/** What went wrong, in red. */
export function errorLines(error: unknown, options: PartOptions): string[] {
  const text = outputText(error).trimEnd();
  const { shown, rest } = options.full ? { shown: text, rest: '' } : clip(text, ...mostError);
  return [
    ...blockLines(shown, options).map(options.style.red),
    ...(rest === '' ? [] : foldLines('more of the error', rest, '--full', options)),
  ];
}

function foldedText(text: string, synthetic: boolean, options: PartOptions): string[] {
  if (text.trim() === '') return [];
  if (synthetic) return foldLines('put in by the agent', text, '--full', options, withoutTags(text));
  const { names, wrapped, words } = unwrap(text);
  const tags = names.map((name) => `<${name}>`).join(' ');
  const { shown, rest } = clip(words.trim(), ...mostText);
  return [
    ...(names.length === 0 ? [] : foldLines(cleanStart(tags, 200), wrapped, '--full', options, withoutTags(wrapped))),
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
  const head = paint(oneLine(`> ${toolSummary(part)}`, options));
  const [output, error] = [outputText(part.output).trimEnd(), outputText(part.error).trimEnd()];
  if (full || tools) {
    return [
      head,
      ...labelled('input', inputText(part.input), options),
      ...labelled('output', output, options),
      ...blockLines(error, options).map(style.red),
    ];
  }
  return [
    head,
    ...(clip(output, ...mostOutput).rest === ''
      ? blockLines(output, options).map(style.dim)
      : foldLines('output', output, '--tools', options)),
    ...(clip(error, ...mostOutput).rest === ''
      ? blockLines(error, options).map(style.red)
      : foldLines('error', error, '--tools', options)),
  ];
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
