// How to connect an agent to the inbox, for somebody whose inbox is empty.
import { dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { shellCommand } from '../shell-quote.ts';

/** Sentences, and below them what can be copied, indented. */
export function connectLines({ program, daemonPath }: Pick<Context, 'program' | 'daemonPath'>): string[] {
  // A hook runs in another folder, where a name that works here may mean nothing.
  const anywhere = program === 'sessiond' ? program : shellCommand(['node', join(dirname(daemonPath), 'cli.js')]);
  const hook = { type: 'command', command: '~/.claude/ask-sessiond', timeout: 330 };
  return [
    'Nothing waits for an answer.',
    '',
    'What runs in a shell asks here, and waits for the answer:',
    `  ${program} ask "Deploy now?" --option yes --option no`,
    `  ${program} ask --permission "delete the build" --pattern "rm -rf build"`,
    '',
    'Claude Code asks here through a hook. As ~/.claude/ask-sessiond, executable (it needs jq):',
    '  #!/bin/sh',
    '  call=$(cat)',
    '  get() { printf %s "$call" | jq -r "$1"; }',
    `  ${anywhere} ask --timeout 300 --permission "$(get .tool_name)" \\`,
    `    --pattern "$(get '.tool_input | .command // .file_path // tojson')" >/dev/null`,
    `  case $? in 0) behavior=allow ;; ${exitCodes.denied}) behavior=deny ;; *) exit 0 ;; esac`,
    '  printf \'{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"%s"}}}\' $behavior',
    'and in ~/.claude/settings.json:',
    `  ${JSON.stringify({ hooks: { PermissionRequest: [{ matcher: '*', hooks: [hook] }] } })}`,
    'Without an answer the hook has no word, and Claude Code asks as it does without it.',
  ];
}
