// Changes of files: which files they are, and the changes as text. Agents tell them in shapes of their own.
import { basename } from 'node:path';
import type { Json } from '../../protocol/schema.ts';
import { cleanStart } from './clean.ts';
import { outputText } from './payload.ts';

/** `a.txt, b.txt`; the files are a list of paths or of records, or are the members of a record. */
export function patchSummary(files: Json): string {
  if (typeof files !== 'object' || files === null) return '';
  return namesText(Array.isArray(files) ? files.map(nameOf) : Object.keys(files));
}

/** The changes whole: diffs where there are any, else what was told. Not clean. */
export function patchText(files: Json): string {
  const changes = typeof files === 'object' && files !== null ? Object.values(files) : [];
  const diffs = changes.map((change) => textIn(change, 'fileDiff', 'unified_diff', 'diff', 'patch'));
  return diffs.length > 0 && diffs.every((diff) => diff !== undefined) ? diffs.join('\n') : outputText(files);
}

/** The files that the text of `apply_patch` names; undefined when it is none. */
export function applyPatchSummary(input: unknown): string | undefined {
  const text = typeof input === 'string' ? input : textIn(input, 'input', 'patch');
  if (!text?.trimStart().startsWith('*** Begin Patch')) return undefined;
  return namesText(Array.from(text.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm), ([, path]) => path!));
}

function nameOf(file: Json): string {
  return typeof file === 'string' ? file : (textIn(file, 'filePath', 'path', 'file', 'fileName') ?? '');
}

function namesText(paths: string[]): string {
  return cleanStart(paths.map((path) => basename(path)).join(', '), 300);
}

function textIn(value: unknown, ...names: string[]): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const texts = names.map((name) => (value as Record<string, unknown>)[name]);
  return texts.find((text) => typeof text === 'string') as string | undefined;
}
