// What a completion script needs to know of the command tree: of each command its commands, options and arguments, and for
// each value what may stand there.
import type { Argument, Command, Option } from 'commander';

/**
 * What may be typed as a value: one of some words; a file; a folder, also one that sessions are in; one of what a daemon that runs knows, asked with `__complete`;
 * or anything, of which a script has nothing to say.
 */
export type Values =
  | { is: 'words'; words: string[] }
  | { is: 'file' }
  | { is: 'folder' }
  | { is: 'asked'; what: Asked }
  | { is: 'anything' };

/** What `__complete` can be asked. */
export const askable = [
  'sessions',
  'agents',
  'folders',
  'sources',
  'methods',
  'capabilities',
  'sinks',
  'batches',
  'shares',
] as const;
export type Asked = (typeof askable)[number];

export type OptionModel = {
  /** `-f`, `--follow` */
  names: string[];
  description: string;
  /** Set when it must be followed by a value. */
  value?: Values;
};

export type CommandModel = {
  /** The words behind the program's name, `['source', 'add']`; none for the program itself. */
  path: string[];
  summary: string;
  options: OptionModel[];
  arguments: { name: string; values: Values; variadic: boolean }[];
  commands: CommandModel[];
};

/** `known`: the words that may stand for a placeholder, by its name in lower case. */
export function modelOf(command: Command, known: Record<string, string[]>, path: string[] = []): CommandModel {
  const help = command.createHelp();
  const globals = path.length === 0 ? [] : help.visibleGlobalOptions(command);
  const words = (name: string) => valuesOf(name.toLowerCase(), known);
  return {
    path,
    summary: command.summary() || command.description(),
    options: [...help.visibleOptions(command), ...globals.filter(isForVerbs)].map((option) =>
      optionModel(option, words),
    ),
    arguments: command.registeredArguments.map((argument) => argumentModel(argument, words)),
    commands: help.visibleCommands(command).map((child) => modelOf(child, known, [...path, child.name()])),
  };
}

/** All commands that can be typed, the program itself first. */
export function allCommands(model: CommandModel): CommandModel[] {
  return [model, ...model.commands.flatMap(allCommands)];
}

/** A verb has its own --help, and nobody asks it for the version. */
function isForVerbs({ long }: Option): boolean {
  return long !== '--help' && long !== '--version';
}

/** Options whose placeholder says less than their name. */
const optionValues: Record<string, Values> = { '--agent': { is: 'asked', what: 'agents' }, '--dir': { is: 'folder' } };

function optionModel(option: Option, words: (name: string) => Values): OptionModel {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const { description } = option;
  if (!option.required) return { names, description };
  const placeholder = /<([^>.]+)/.exec(option.flags)?.[1] ?? '';
  return { names, description, value: optionValues[option.long ?? ''] ?? choicesOf(option) ?? words(placeholder) };
}

function argumentModel(argument: Argument, words: (name: string) => Values) {
  const values = argument.argChoices ? choice(argument.argChoices) : words(argument.name());
  return { name: argument.name(), values, variadic: argument.variadic };
}

/** Words that commander checks itself, or a reader of option-values.ts. */
function choicesOf({ argChoices, parseArg }: Option): Values | undefined {
  const words = argChoices ?? (parseArg as { words?: readonly string[] } | undefined)?.words;
  return words && choice([...words]);
}

function choice(words: string[]): Values {
  return { is: 'words', words };
}

/** A placeholder has the same meaning wherever it stands. */
function valuesOf(placeholder: string, known: Record<string, string[]>): Values {
  if (known[placeholder]) return choice(known[placeholder]);
  switch (placeholder) {
    case 'id':
    case 'ids':
      return { is: 'asked', what: 'sessions' };
    case 'source':
      return { is: 'asked', what: 'sources' };
    case 'capability':
      return { is: 'asked', what: 'capabilities' };
    case 'sink':
      return { is: 'asked', what: 'sinks' };
    case 'batch':
      return { is: 'asked', what: 'batches' };
    case 'share':
      return { is: 'asked', what: 'shares' };
    case 'method':
      return { is: 'asked', what: 'methods' };
    case 'path':
      return { is: 'file' };
    default:
      return { is: 'anything' };
  }
}
