// The completion script for fish, 3.0 and newer.
import type { CommandModel, OptionModel, Values } from './model.ts';
import { allCommands } from './model.ts';

/** Each line offers one thing under a condition: which command is typed so far, and how many arguments of it. */
export function fishScript(model: CommandModel): string {
  const commands = allCommands(model);
  const withValue = [
    ...new Set(commands.flatMap(({ options }) => options.filter(({ value }) => value)).flatMap(({ names }) => names)),
  ];
  return `# fish completion for sessiond, made by: sessiond completion fish

# The commands typed so far, joined by /; then the number of arguments.
function __sessiond_at
    set -l at ''
    set -l given 0
    set -l value 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $value = 1
            set value 0
        else if contains -- $word ${withValue.join(' ')}
            set value 1
        else if not string match -q -- '-*' $word
            switch $at/$word
${commands.slice(1).map(caseLines).join('\n')}
                case '*'
                    set given (math $given + 1)
            end
        end
    end
    echo $at
    echo $given
end

# Whether the command is the one named and, when a number follows, so many arguments of it are typed.
function __sessiond_is
    set -l typed (__sessiond_at)
    test "$typed[1]" = "$argv[1]"; and test (count $argv) = 1 -o "$typed[2]" = "$argv[2]"
end

function __sessiond_ask
    set -l words (commandline -opc)
    eval $words[1] --no-spawn __complete $argv[1] (commandline -ct | string escape) 2>/dev/null
end

complete -c sessiond -f
${commands.flatMap((command) => [...optionLines(command), ...positionalLines(command)]).join('\n')}
`;
}

/** At the program itself nothing is typed, so that its commands begin with the slash. */
function caseLines({ path }: CommandModel): string {
  const typed = path.length === 1 ? `/${path[0]}` : path.join('/');
  return `                case ${typed}\n                    set at ${path.join('/')}`;
}

function optionLines(command: CommandModel): string[] {
  return command.options.map((option) => {
    // -x: a value, and no file in its place.
    const value = option.value ? ` ${option.value.is === 'file' ? '-r' : '-x'}${valueWords(option.value)}` : '';
    return `${line(command)} ${nameWords(option)}${value} -d ${quoted(option.description)}`;
  });
}

function positionalLines(command: CommandModel): string[] {
  if (command.commands.length > 0) {
    return command.commands.map(({ path, summary }) => `${line(command, 0)} -a ${path.at(-1)} -d ${quoted(summary)}`);
  }
  return command.arguments.flatMap(({ values, variadic }, index) => {
    const words = valueWords(values);
    return words === '' ? [] : [`${line(command, variadic ? undefined : index)}${words}`];
  });
}

function line({ path }: CommandModel, given?: number): string {
  const condition = ['__sessiond_is', `"${path.join('/')}"`, ...(given === undefined ? [] : [given])].join(' ');
  return `complete -c sessiond -n ${quoted(condition)}`;
}

function nameWords({ names }: OptionModel): string {
  return names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
}

function valueWords(values: Values): string {
  switch (values.is) {
    case 'words':
      return ` -a ${quoted(values.words.join(' '))}`;
    case 'file':
      return ' -F';
    case 'folder':
      return " -a '(__sessiond_ask folders; __fish_complete_directories (commandline -ct))'";
    case 'asked':
      return ` -a '(__sessiond_ask ${values.what})'`;
    case 'anything':
      return '';
  }
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
