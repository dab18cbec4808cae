// From the words that a person types to the answer of what was asked. What does not fit is wrong usage (2), and says what
// would fit. A question takes words of the person's own too.
import type { BlockerAnswer, BlockerRequest, QuestionRequest } from '../protocol/blocker.ts';
import { CliError, exitCodes } from './exit.ts';
import { cleanStart } from './render/clean.ts';
import { countOf } from './render/quantity.ts';

type Question = QuestionRequest['questions'][number];

const decisions = ['once', 'always', 'deny'] as const;

/** The answer, one choice a question. `hint`: the command that shows what was asked. */
export function readAnswer(
  request: BlockerRequest,
  choices: string[],
  message: string | undefined,
  hint: string,
): BlockerAnswer {
  if ('questions' in request) {
    const { questions } = request;
    if (message !== undefined) throw unfit('--message goes with the answer to a permission; this is a question', hint);
    if (choices.length !== questions.length) {
      const quotes = choices.length > questions.length ? '; put words that belong together in quotes' : '';
      throw unfit(`it takes ${countOf(questions.length, 'choice')}, not ${choices.length}${quotes}`, hint);
    }
    return { answers: questions.map((question, at) => readChoice(question, choices[at]!, hint)) };
  }
  const decision = decisions.find((each) => each === choices[0]?.toLowerCase());
  if (decision === undefined || choices.length !== 1) {
    const given = cleanStart(choices.join(' '), 60);
    throw unfit(`a permission is answered with once, always or deny, not "${given}"`, hint);
  }
  return { decision, ...(message !== undefined && { message: message.toWellFormed() }) };
}

/** The answer of who may not read what was asked: as it was typed, one label or own words for each question. */
export function typedAnswer(choices: string[], message: string | undefined, hint: string): BlockerAnswer {
  const decision = choices.length === 1 ? decisions.find((each) => each === choices[0]) : undefined;
  if (decision !== undefined) return { decision, ...(message !== undefined && { message: message.toWellFormed() }) };
  if (message !== undefined) throw unfit('--message goes with once, always or deny', hint);
  const answers = choices.map((choice) => choice.toWellFormed().trim());
  const bad = answers.find((text) => text === '' || isNumber(text));
  if (bad === '') throw unfit('an answer is empty', hint);
  if (bad !== undefined) throw unfit(`the capability cannot read which option ${bad} is: give its label`, hint);
  return { answers: answers.map((text) => [text]) };
}

/** Labels of options; or the words themselves, where not all of them are options. */
function readChoice(question: Question, typed: string, hint: string): string[] {
  const text = typed.toWellFormed().trim();
  if (text === '') throw unfit('an answer is empty', hint);
  const whole = optionOf(question, text);
  if (whole !== undefined) return [whole];
  if (question.options.length === 0) return [text];
  const pieces = text.split(',').map((piece) => piece.trim());
  const labels = pieces.map((piece) => optionOf(question, piece));
  const stray = pieces.find((piece, at) => labels[at] === undefined && isNumber(piece));
  if (stray !== undefined && pieces.every(isNumber)) {
    throw unfit(`there is no option ${stray}: there are ${question.options.length}`, hint);
  }
  if (labels.some((label) => label === undefined)) return [text];
  if (!question.multiple) throw unfit(`the question takes one option, not ${labels.length}`, hint);
  return [...new Set(labels as string[])];
}

/** The label that is meant: one typed as it is goes before a number, that before one in other letters. */
function optionOf({ options }: Question, text: string): string | undefined {
  const exact = options.find(({ label }) => label === text) ?? (isNumber(text) ? options[Number(text) - 1] : undefined);
  return (exact ?? options.find(({ label }) => label.trim().toLowerCase() === text.toLowerCase()))?.label;
}

/** Whether there were options and this is none of them. */
export function isOwnWords(request: BlockerRequest, answer: BlockerAnswer): boolean {
  if (!('questions' in request) || !('answers' in answer)) return false;
  const isOther = ({ options }: Question, text: string) =>
    options.length > 0 && !options.some(({ label }) => label === text);
  return request.questions.some((question, at) => answer.answers[at]?.some((text) => isOther(question, text)));
}

function isNumber(text: string): boolean {
  return /^[0-9]{1,4}$/.test(text);
}

function unfit(message: string, hint: string): CliError {
  return new CliError(exitCodes.usage, message, hint);
}
