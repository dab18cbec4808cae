// The completion script for bash, 3.2 (macOS) and newer; it needs no bash-completion package.
import type { CommandModel, Values } from './model.ts';
import { allCommands } from './model.ts';

/** `at` is the command that is typed so far, as `source/add`; `given` how many arguments of it. */
export function bashScript(model: CommandModel): string {
  const commands = allCommands(model);
  const withValue = commands.flatMap((command) =>
    command.options
      .filter(({ value }) => value !== undefined)
      .flatMap(({ names, value }) => names.map((name) => ({ key: `${at(command)} ${name}`, value: value! }))),
  );
  return `# bash completion for sessiond, made by: sessiond completion bash
_sessiond_ask() {
  local line
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]}" --no-spawn __complete "$1" "$cur" 2>/dev/null)
}

_sessiond_words() {
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_sessiond_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$cur"))
}

_sessiond_folders() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  _sessiond_ask folders
  COMPREPLY+=($(compgen -d -- "$cur"))
}

_sessiond() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local at='' given=0 value='' word i
  COMPREPLY=()
  # bash splits --option=value into three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then
      continue
    elif [[ $value ]]; then
      value=''
    elif [[ $word == -* ]]; then
      case "$at $word" in
${cases(
  6,
  withValue.map(({ key }) => [key, 'value=1']),
)}
      esac
    else
      case "$at/$word" in
${cases(
  6,
  commands.slice(1).map((command) => [`${parentOf(command)}/${command.path.at(-1)}`, `at=${at(command)}`]),
)}
      *) given=$((given + 1)) ;;
      esac
    fi
  done

  case "$at $prev" in
${cases(
  2,
  withValue.map(({ key, value }) => [key, `${bashValues(value)}; return`]),
)}
  esac
  if [[ $cur == -* ]]; then
    case $at in
${cases(
  4,
  commands.map((command) => [
    at(command),
    `_sessiond_words '${command.options.flatMap(({ names }) => names).join(' ')}'`,
  ]),
)}
    esac
    return
  fi
  case "$at $given" in
${cases(2, commands.flatMap(positionals))}
  esac
}

complete -F _sessiond sessiond
`;
}

function at({ path }: CommandModel): string {
  return path.join('/');
}

function parentOf({ path }: CommandModel): string {
  return path.slice(0, -1).join('/');
}

/** The words that may follow a command: its commands, or its arguments by their number. */
function positionals(command: CommandModel): [string, string][] {
  if (command.commands.length > 0) {
    return [[`${at(command)} 0`, `_sessiond_words '${command.commands.map(({ path }) => path.at(-1)).join(' ')}'`]];
  }
  return command.arguments.map(({ values, variadic }, index) => [
    `${at(command)} ${variadic ? '*' : index}`,
    bashValues(values),
  ]);
}

function bashValues(values: Values): string {
  switch (values.is) {
    case 'words':
      return `_sessiond_words '${values.words.join(' ')}'`;
    case 'file':
      return '_sessiond_files';
    case 'folder':
      return '_sessiond_folders';
    case 'asked':
      return `_sessiond_ask ${values.what}`;
    case 'anything':
      return ':';
  }
}

/** Branches of a case, those with the same body together. */
function cases(indent: number, branches: [pattern: string, body: string][]): string {
  const patterns = new Map<string, string[]>();
  for (const [pattern, body] of branches) patterns.set(body, [...(patterns.get(body) ?? []), quoted(pattern)]);
  return [...patterns].map(([body, those]) => `${' '.repeat(indent)}${those.join(' | ')}) ${body} ;;`).join('\n');
}

/** Everything but a star that stands for any number. */
function quoted(pattern: string): string {
  return pattern.endsWith('*') ? `'${pattern.slice(0, -1)}'*` : `'${pattern}'`;
}
