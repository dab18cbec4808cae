// A tool call in one line. Inputs have any shape.
import type { PartContent } from '../../protocol/schema.ts';
import { cleanStart } from './clean.ts';
import { applyPatchSummary } from './patch.ts';
import { planSummary } from './steps.ts';

export type ToolPart = Extract<PartContent, { type: 'tool' }>;

const commandKeys = ['command', 'cmd'];
/** Members of a tool's input that say most, the first one found wins. */
const tellingKeys = [...commandKeys, 'file_path', 'filePath', 'path', 'pattern', 'query', 'url'];
const wordyKeys = ['description', 'prompt'];

/** `Bash completed: git status`; `state`: another word for how it stands. */
export function toolSummary(part: ToolPart, state: string = part.state): string {
  const what = whatText(part);
  return `${cleanStart(part.tool, 60)} ${cleanStart(state, 20)}${what === '' ? '' : `: ${what}`}`;
}

/** A command says more than what the model calls it; a title that is the tool's own name says nothing. */
function whatText({ title = '', input }: ToolPart): string {
  const telling = applyPatchSummary(input) ?? planSummary(input) ?? mainArgument(input, commandKeys);
  if (telling !== undefined) return telling;
  const isName = /^[A-Za-z_]+$/.test(title);
  if (isName) return mainArgument(input, tellingKeys) ?? cleanStart(title, 300);
  return title === '' ? inputSummary(input) : cleanStart(title, 300);
}

/** The input in one line. */
export function inputSummary(input: unknown): string {
  if (input === undefined || input === null) return '';
  if (typeof input === 'string') return applyPatchSummary(input) ?? cleanStart(input, 300);
  const telling = applyPatchSummary(input) ?? mainArgument(input, [...tellingKeys, ...wordyKeys]);
  if (telling !== undefined) return telling;
  return JSON.stringify(input) === '{}' ? '' : cleanStart(JSON.stringify(input), 300);
}

function mainArgument(input: unknown, keys: string[]): string | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined;
  for (const key of keys) {
    const value = (input as Record<string, unknown>)[key];
    if (typeof value === 'string' && value !== '') return cleanStart(value, 300);
    if (Array.isArray(value) && value.every((word) => typeof word === 'string')) {
      return cleanStart(value.join(' '), 300);
    }
  }
  return undefined;
}
