// A tool call in one line, its input and what it gave back as text. Inputs and outputs have any shape.
import type { PartContent } from '../../protocol/schema.ts';
import { cleanStart } from './clean.ts';

export type ToolPart = Extract<PartContent, { type: 'tool' }>;

/** Members of a tool's input that say most, the first one found wins. */
const tellingKeys = [
  'command',
  'cmd',
  'file_path',
  'filePath',
  'path',
  'pattern',
  'query',
  'url',
  'description',
  'prompt',
];

/** `Bash completed: git status` */
export function toolSummary(part: ToolPart): string {
  const name = cleanStart(part.tool, 60);
  const what = part.title ? cleanStart(part.title, 300) : inputSummary(part.input);
  return `${name} ${cleanStart(part.state, 20)}${what === '' ? '' : `: ${what}`}`;
}

/** The input in one line. */
export function inputSummary(input: unknown): string {
  if (input === undefined || input === null) return '';
  if (typeof input === 'string') return cleanStart(input, 300);
  if (typeof input === 'object' && !Array.isArray(input)) {
    for (const key of tellingKeys) {
      const value = (input as Record<string, unknown>)[key];
      if (typeof value === 'string' && value !== '') return cleanStart(value, 300);
      if (Array.isArray(value) && value.every((word) => typeof word === 'string')) {
        return cleanStart(value.join(' '), 300);
      }
    }
    if (Object.keys(input).length === 0) return '';
  }
  return cleanStart(JSON.stringify(input), 300);
}

/** The input whole: a member on each line, texts as they are. Not clean. */
export function inputText(input: unknown): string {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return outputText(input);
  return Object.entries(input)
    .map(([key, value]) => {
      const text = outputText(value);
      return text.includes('\n') ? `${key}:\n${text}` : `${key}: ${text}`;
    })
    .join('\n');
}

/** An output or error as text: a string, the texts of a list of blocks, or else JSON. Not clean. */
export function outputText(output: unknown): string {
  if (output === undefined || output === null) return '';
  if (typeof output === 'string') return output;
  if (Array.isArray(output)) {
    const texts = output.map((block) => (block as { text?: unknown } | null)?.text);
    if (texts.length > 0 && texts.every((text) => typeof text === 'string')) return texts.join('\n');
  }
  return JSON.stringify(output, null, 2);
}
