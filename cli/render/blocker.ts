// What an agent waits for, and what it was told, in words. Requests and answers are read as they come: a newer daemon's, or
// one that a client made up, may lack any member.
import type { Blocker } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { outputText } from './payload.ts';
import { grouped } from './quantity.ts';

type Question = { question?: unknown; options?: { label?: unknown; description?: unknown }[]; multiple?: unknown };
type Request = { questions?: Question[]; permission?: unknown; patterns?: unknown[]; title?: unknown };
type Resolution = { answers?: unknown[][]; decision?: unknown; message?: unknown; reason?: unknown };

const [mostWords, mostListed] = [300, 20];

/** `Which store? [sqlite | files]`, `Bash (npm test, npm ci): run the tests`; empty of one that was answered before it was asked. */
export function askText(blocker: Pick<Blocker, 'request'>): string {
  const request = (blocker.request ?? {}) as Request;
  if (Array.isArray(request.questions)) return request.questions.map(questionText).join('; ');
  if (request.permission === undefined)
    return (blocker.request ?? null) === null ? '' : words(outputText(blocker.request));
  const patterns = listOf(request.patterns).map(words).join(', ');
  const title = words(request.title);
  return `${words(request.permission)}${patterns && ` (${patterns})`}${title && `: ${title}`}`;
}

/** What a session waits for, in short: `Which store?`, `Bash (npm test)`; of several `4 · Which store?`. Clean, one line. */
export function waitText(blockers: Pick<Blocker, 'request'>[]): string {
  const [first] = blockers;
  if (!first) return '';
  const { questions } = (first.request ?? {}) as Request;
  const text = Array.isArray(questions) ? words(questions[0]?.question) : askText(first);
  return [blockers.length > 1 ? grouped(blockers.length) : '', text].filter((piece) => piece !== '').join(' · ');
}

/** `pending question: …`, `answered by usr_1: always · it is safe`. Clean, one line. */
export function blockerText(
  blocker: Pick<Blocker, 'state' | 'kind' | 'request' | 'resolvedBy' | 'resolution'>,
): string {
  const { state, kind, resolvedBy } = blocker;
  if (state === 'pending') return withWords(joined([state, kind]), askText(blocker));
  const by = state === 'expired' || typeof resolvedBy !== 'string' ? '' : ` by ${cleanStart(resolvedBy, 60)}`;
  return withWords(`${cleanLine(state)}${by}`, resolutionText(blocker));
}

/** What a person who is to answer must know: each question with its options, one a line. */
export function askLines(blocker: Pick<Blocker, 'request'>): string[] {
  const { questions } = (blocker.request ?? {}) as Request;
  if (!Array.isArray(questions)) return [askText(blocker)];
  return questions.flatMap(({ question, options, multiple }) => [
    `${words(question)}${multiple === true ? ' (several may be chosen)' : ''}`,
    ...listOf(options).map(({ label, description }) => `  - ${withWords(words(label), words(description))}`),
  ]);
}

function questionText({ question, options, multiple }: Question): string {
  const labels = listOf(options).map(({ label }) => words(label));
  const several = multiple === true ? ', several' : '';
  return `${words(question)}${labels.length > 0 ? ` [${labels.join(' | ')}${several}]` : ''}`;
}

function resolutionText({ resolution }: Pick<Blocker, 'resolution'>): string {
  if (resolution === null || resolution === undefined) return '';
  const { answers, decision, message, reason } = resolution as Resolution;
  if (Array.isArray(answers)) return answers.map((answer) => listOf(answer).map(words).join(', ')).join('; ');
  if (decision !== undefined) return [words(decision), words(message)].filter((piece) => piece).join(' · ');
  return reason === undefined ? words(outputText(resolution)) : words(reason);
}

function listOf<T>(list: T[] | undefined): T[] {
  return Array.isArray(list) ? list.slice(0, mostListed) : [];
}

function words(value: unknown): string {
  return typeof value === 'string' ? cleanStart(value, mostWords) : '';
}

function withWords(what: string, text: string): string {
  return text === '' ? what : `${what}: ${text}`;
}

function joined(pieces: (string | null)[]): string {
  return pieces.filter((piece) => piece).join(' ');
}
