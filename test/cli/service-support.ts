// A stand-in for systemctl or launchctl on the PATH of a home: it notes how it was called, says what it is told to say, and
// fails where it is told to. There is no user manager where tests run.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Home } from '../support/home.ts';

export type UnitStates = { enabled?: string; socket?: string; service?: string; pid?: number };

/** Stands between the arguments and what it does: `enable` and `disable` change what `show` says, as the real one does. */
const script = (folder: string) => `#!/bin/sh
echo "$*" >>'${folder}/calls'
for word in "$@"; do
  if [ -e '${folder}/fail-'"$word" ]; then cat '${folder}/fail-'"$word" >&2; exit 1; fi
done
case "$*" in
  '--user show'*) cat '${folder}/show' ;;
  '--user enable'*) cp '${folder}/on' '${folder}/show' ;;
  '--user disable'*) cp '${folder}/off' '${folder}/show' ;;
  print*) if [ -e '${folder}/loaded' ]; then cat '${folder}/loaded'; else echo 'Could not find service' >&2; exit 113; fi ;;
  bootstrap*) printf '\\tstate = running\\n\\tpid = 4711\\n' >'${folder}/loaded' ;;
  bootout*) rm '${folder}/loaded' ;;
esac
`;

export function standIn(home: Home, name: 'systemctl' | 'launchctl') {
  const folder = join(home.folder, 'stand-in');
  const bin = join(home.folder, 'bin');
  mkdirSync(folder);
  mkdirSync(bin);
  writeFileSync(join(bin, name), script(folder));
  chmodSync(join(bin, name), 0o755);
  home.env.PATH = `${bin}:${home.env.PATH}`;
  const shown = ({ enabled = '', socket = 'inactive', service = 'inactive', pid = 0 }: UnitStates) =>
    `MainPID=${pid}\nId=sessiond.service\nActiveState=${service}\nUnitFileState=static\n\n` +
    `Id=sessiond.socket\nActiveState=${socket}\nUnitFileState=${enabled}\n`;
  const put = (file: string, text: string) => writeFileSync(join(folder, file), text);
  put('show', shown({}));
  put('on', shown({ enabled: 'enabled', socket: 'active' }));
  put('off', shown({ enabled: 'disabled' }));
  return {
    /** How it was called since it was asked last, but for `show` and `print`. */
    calls(): string[] {
      const file = join(folder, 'calls');
      const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
      rmSync(file, { force: true });
      return lines.filter((line) => !/^(--user show|print) /.test(line));
    },
    isIn: (states: UnitStates) => put('show', shown(states)),
    fails: (word: string, text: string) => put(`fail-${word}`, `${text}\n`),
    worksAgain: (word: string) => rmSync(join(folder, `fail-${word}`)),
  };
}
