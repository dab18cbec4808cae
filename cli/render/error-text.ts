// What went wrong, in words. Agents tell an error as a text, or as a record with a kind and a message.
import { outputText } from './payload.ts';

/** Kinds of errors that say no more than that a person stopped the agent. */
const interruptions = new Set(['TurnAborted', 'MessageAbortedError', 'AbortError', 'aborted']);

/** `interrupted`, `ApiError: the words`. Not clean. */
export function errorText(error: unknown): string {
  const { kind, name = kind, message } = errorFields(error);
  if (typeof name === 'string' && interruptions.has(name)) return 'interrupted';
  const words = [name, message].filter((word) => typeof word === 'string' && word !== '');
  return words.length === 0 ? outputText(error) : words.join(': ');
}

/** Whether a text of the message says the same: Claude Code puts an error in the agent's own words too. */
export function saysError(text: string, error: unknown): boolean {
  const { message } = errorFields(error);
  return [errorText(error), message].includes(text.trim());
}

function errorFields(error: unknown): { kind?: unknown; name?: unknown; message?: unknown } {
  return typeof error === 'object' && error !== null && !Array.isArray(error) ? error : {};
}
