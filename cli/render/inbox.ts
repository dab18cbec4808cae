// The inbox: what waits where since when, so that a person can answer from what is printed. Nothing of what is asked is left
// out unsaid: who allows a command must have seen all of it.
import type { Blocker, Session } from '../../protocol/schema.ts';
import type { CommandLine } from '../command-line.ts';
import { cleanLine, cleanStart, cleanText } from './clean.ts';
import { shownPath } from './path.ts';
import { countOf } from './quantity.ts';
import type { Style } from './style.ts';
import { localDate, localDateTime, relativeTime } from './time.ts';
import { wrap } from './width.ts';

export type InboxOptions = { width: number; style: Style; now: number; home: string; commandLine: CommandLine };

/** Who asks; undefined where the session is gone. */
export type Asker = Pick<Session, 'agent' | 'title' | 'directory'> | undefined;

const [mostUnits, mostPatterns] = [4000, 50];

/** One entry: what and who, where and since when, what is asked, and the command that answers it. */
export function entryLines(blocker: Blocker, asker: Asker, shownId: string, options: InboxOptions): string[] {
  const { width, style, now, home, commandLine } = options;
  const id = cleanLine(shownId);
  const who = [blocker.kind ?? 'question', asker?.agent ?? '', asker?.title ?? '(no title)'];
  const head = who.map((word) => cleanStart(word, 200)).filter((word) => word !== '');
  const facts = [
    asker?.directory ? `in ${shownPath(asker.directory, home)}` : '',
    blocker.askedAt === null ? '' : `since ${sinceText(blocker.askedAt, now)}`,
  ];
  const inset = (text: string) => (line: string) => `${text}${line}`;
  const [first = '', ...rest] = wrap(`${id}  ${head.join(' · ')}`, width);
  return [
    first.startsWith(id) ? style.yellow(id) + style.bold(first.slice(id.length)) : style.yellow(first),
    ...rest.map(style.bold),
    ...wrap(facts.filter((fact) => fact !== '').join(', '), width - 2).map((line) => style.dim(`  ${line}`)),
    ...requestLines(blocker)
      .flatMap((line) => wrapIndented(line, width - 2))
      .map(inset('  ')),
    ...wrap(`${commandLine(`answer ${id}`)}  (${choicesText(blocker)})`, width - 2).map((line) =>
      style.cyan(`  ${line}`),
    ),
  ];
}

/** What is asked, and what can be chosen with the numbers that answer it. Clean lines, not wrapped. */
export function requestLines({ request }: Pick<Blocker, 'request'>): string[] {
  if (request === null) return [];
  if (!('questions' in request)) {
    const patterns = request.patterns ?? [];
    const more = patterns.length - mostPatterns;
    return [
      ...bounded(request.permission),
      ...(request.title ? bounded(request.title).map(deeper) : []),
      ...patterns.slice(0, mostPatterns).flatMap((pattern) => bounded(pattern).map(deeper)),
      ...(more > 0 ? [`  + ${countOf(more, 'more pattern')} (--json)`] : []),
    ];
  }
  const { questions } = request;
  return questions.flatMap(({ header, question, options, multiple }, at) => {
    const number = questions.length > 1 ? `(${at + 1} of ${questions.length}) ` : '';
    const title = header === '' ? '' : `${cleanStart(header, 100)}: `;
    const [first = '', ...rest] = bounded(question);
    return [
      `${number}${title}${first}${multiple ? ' (several may be chosen)' : ''}`,
      ...rest,
      ...options.flatMap(({ label, description = '' }, index) => {
        const words = [bounded(label).join(' '), bounded(description).join(' ')].filter((text) => text !== '');
        return `  ${index + 1}. ${words.join(': ')}`;
      }),
    ];
  });
}

/** What may be typed behind the id. In words and in brackets: pasted into a shell as it stands it answers nothing. */
export function choicesText({ request }: Pick<Blocker, 'request'>): string {
  if (request === null || !('questions' in request)) return 'once, always or deny';
  const { questions } = request;
  if (questions.length > 1) return `${questions.length} choices, one for each question: numbers, or words in quotes`;
  const { options, multiple } = questions[0]!;
  if (options.length === 0) return 'your own words, in quotes';
  return `${multiple ? 'numbers such as 1,2' : 'a number'}, or your own words in quotes`;
}

/** `2026-11-20 14:03 (1d ago)` */
function sinceText(at: number, now: number): string {
  const relative = relativeTime(at, now);
  return relative === localDate(at) ? localDateTime(at) : `${localDateTime(at)} (${relative})`;
}

/** The whole text, its lines kept; of a very long one the start, which says so. */
function bounded(text: string): string[] {
  const more = text.length - mostUnits;
  const shown = more > 0 ? text.slice(0, mostUnits).toWellFormed() : text;
  const lines = cleanText(shown).replaceAll('\t', '  ').trim().split('\n');
  return more > 0 ? [...lines, `+ ${countOf(more, 'more character')} (--json)`] : lines;
}

function deeper(line: string): string {
  return `  ${line}`;
}

/** A line that is too long goes on below where its own text begins. */
function wrapIndented(line: string, width: number): string[] {
  const indent = /^ */.exec(line)![0];
  return wrap(line.trimStart(), width - indent.length).map((piece) => indent + piece);
}
