// completion: a script for bash, zsh or fish, generated from the verbs and their options. It is static: a new version of
// this program wants a new one.
import type { Command } from 'commander';
import { Argument } from 'commander';
import { agentFolders } from '../../protocol/node/paths.ts';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import type { CommandModel } from '../completion/model.ts';
import { modelOf } from '../completion/model.ts';
import { zshScript } from '../completion/zsh.ts';
import type { Context } from '../context.ts';
import { programCommand, verbs } from '../verbs.ts';

const scripts: Record<string, (model: CommandModel) => string> = { bash: bashScript, zsh: zshScript, fish: fishScript };

export const withoutToken = 'it asks nothing of the daemon';

export function configure(command: Command, context: Context): void {
  command
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      '\nIt completes the command sessiond, which is to be on your PATH, with the ids of your sessions when a daemon\n' +
        'runs; it never starts one. After an update of sessiond, make it anew.\n\n' +
        'Examples:\n' +
        '  sessiond completion bash >~/.local/share/bash-completion/completions/sessiond\n' +
        '  sessiond completion zsh >~/.zfunc/_sessiond    # a folder in $fpath, before compinit\n' +
        '  sessiond completion fish >~/.config/fish/completions/sessiond.fish\n' +
        '  source <(sessiond completion bash)             # for this shell only',
    )
    .action(async (shell: string) => {
      const root = await programCommand(context, undefined, true);
      const known = { kind: Object.keys(agentFolders(context.env)), verb: Object.keys(verbs), cursor: ['start'] };
      const script = scripts[shell]!(modelOf(root, known));
      if (context.json) await context.out.json({ shell, script });
      else await context.out.write(script);
    });
}
