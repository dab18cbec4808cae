// The two units of systemd's user manager: it listens on the socket and starts the daemon with the first connection
// (daemon/serve/given-socket.ts). The daemon logs to its file, which `sessiond logs` reads; the journal has what it says
// before it can.
import { CliError, exitCodes } from '../exit.ts';
import { cleanLine } from '../render/clean.ts';
import { serviceUnit, socketUnit } from './held-socket.ts';
import type { ServiceProgram } from './program.ts';
import { marked } from './service-file.ts';

const change = `To change it, write a drop-in: systemctl --user edit`;

/** `sessiond.socket`. Throws CliError for a path that cannot be written. */
export function socketUnitText(program: ServiceProgram): string {
  return marked(
    program,
    (mark) => `# ${mark}
# ${change} ${socketUnit}
[Unit]
Description=Socket of sessiond

[Socket]
ListenStream=${plain(program, program.paths.socket)}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`,
  );
}

/**
 * `sessiond.service`. Started again when it fails; not when another daemon holds the store (7), or for what stays wrong:
 * usage (2), version (6). After eight starts in a minute, those by a connection too, systemd gives up and closes the socket:
 * a verb that waits then starts a daemon itself, and tells what is wrong. Throws CliError for a path that cannot be written.
 */
export function serviceUnitText(program: ServiceProgram): string {
  const { env } = program;
  return marked(
    program,
    (mark) => `# ${mark}
# ${change} ${serviceUnit}
[Unit]
Description=sessiond, the record of coding-agent sessions
Requires=${socketUnit}
After=${socketUnit}
StartLimitIntervalSec=60
StartLimitBurst=8

[Service]
ExecStart=${command(program)}
${env.map(([name, value]) => `Environment=${quoted(program, `${name}=${value}`)}\n`).join('')}WorkingDirectory=/
Restart=on-failure
RestartPreventExitStatus=2 6 7
TimeoutStopSec=35
UMask=0077
NoNewPrivileges=yes
`,
  );
}

function command(program: ServiceProgram): string {
  const { node, bundle } = program;
  // Of a program's own path systemd takes no quotes and backslashes, however they are written.
  if (/["'\\]/.test(node) || hasControl(node)) throw unwritable(node);
  const words = [node, bundle, '--log-file'].map((word) => quoted(program, word)).join(' ');
  // A $ begins a variable, unless the program has this prefix, which systemd knows from 244 on.
  return `${words.includes('$') ? ':' : ''}${words}`;
}

/** A word in quotes, with systemd's escapes. */
function quoted(program: ServiceProgram, text: string): string {
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    .replace(/[\x00-\x1f\x7f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${specifiers(program, escaped)}"`;
}

/** The rest of a line as it stands, for what takes no quotes. */
function plain(program: ServiceProgram, path: string): string {
  if (hasControl(path) || /[\s\\]$/.test(path)) throw unwritable(path);
  return specifiers(program, path);
}

/** A path below the runtime folder fits whoever logs in. */
function specifiers({ runtimeFolder }: ServiceProgram, text: string): string {
  const escaped = text.replaceAll('%', '%%');
  if (runtimeFolder === undefined) return escaped;
  return escaped.replace(new RegExp(`(^|=)${runtimeFolder}(?=/)`), (_all, before: string) => `${before}%t`);
}

function hasControl(text: string): boolean {
  return /[\x00-\x1f\x7f]/.test(text);
}

function unwritable(path: string): CliError {
  const message = `a unit of systemd cannot name the path ${cleanLine(JSON.stringify(path))}`;
  return new CliError(exitCodes.failure, message, 'move it to a path of letters, digits, spaces and the like');
}
