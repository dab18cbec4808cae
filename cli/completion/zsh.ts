// The completion script for zsh: a file for a folder in $fpath, or to be sourced behind compinit.
import type { CommandModel, OptionModel, Values } from './model.ts';
import { allCommands } from './model.ts';

/** One function for each command, each a call of zsh's own _arguments. */
export function zshScript(model: CommandModel): string {
  return `#compdef sessiond
# zsh completion for sessiond, made by: sessiond completion zsh

__sessiond_ask() {
  local -a found
  local line
  for line in "\${(@f)$(_call_program sessiond-$1 \${(q)sessiond_program} --no-spawn __complete $1 \${(q)PREFIX} 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V $1 found
}

__sessiond_folders() {
  __sessiond_ask folders
  _files -/
}

${allCommands(model).reverse().map(commandFunction).join('\n\n')}

if [[ $funcstack[1] == _sessiond ]]; then
  _sessiond "$@"
else
  compdef _sessiond sessiond
fi
`;
}

function commandFunction(command: CommandModel): string {
  const name = functionOf(command);
  const options = command.options.map(optionSpec);
  if (command.commands.length === 0) {
    const specs = [...options, ...command.arguments.map(argumentSpec)];
    return `${name}() {\n  _arguments -s ${specs.map((spec) => `\\\n    ${spec}`).join(' ')}\n}`;
  }
  const specs = [...options, "'1: :->command'", "'*:: :->rest'"];
  const summaries = command.commands.map(({ path, summary }) => `      ${quoted(`${path.at(-1)}:${summary}`)}`);
  const branches = command.commands.map((child) => `      ${child.path.at(-1)}) ${functionOf(child)} ;;`);
  const root = command.path.length === 0 ? '  local sessiond_program=$words[1]\n' : '';
  return `${name}() {
${root}  local context state state_descr line
  typeset -A opt_args
  local -a commands
  _arguments -C -s ${specs.map((spec) => `\\\n    ${spec}`).join(' ')}
  case $state in
  command)
    commands=(
${summaries.join('\n')}
    )
    _describe -V command commands
    ;;
  rest)
    case $words[1] in
${branches.join('\n')}
    esac
    ;;
  esac
}`;
}

function functionOf({ path }: CommandModel): string {
  return ['_sessiond', ...path].join('_');
}

/** `'(-f --follow)'{-f,--follow}'[go on]'`; a value may also stand behind `=`. */
function optionSpec({ names, description, value }: OptionModel): string {
  const told = `[${description.replace(/[[\]\\]/g, '\\$&')}]`;
  const after = value ? `:value:${action(value)}` : '';
  const typed = names.map((name) => (value && name.startsWith('--') ? `${name}=` : name));
  const [only] = typed;
  if (typed.length === 1) return quoted(`${only}${told}${after}`);
  return `${quoted(`(${names.join(' ')})`)}{${typed.join(',')}}${quoted(told + after)}`;
}

function argumentSpec({ name, values, variadic }: CommandModel['arguments'][number]): string {
  return quoted(`${variadic ? '*' : ''}:${name}:${action(values)}`);
}

function action(values: Values): string {
  switch (values.is) {
    case 'words':
      return `(${values.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'folder':
      return '__sessiond_folders';
    case 'asked':
      return ` __sessiond_ask ${values.what}`; // a blank first: called with these words and no others
    case 'anything':
      return ' ';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
