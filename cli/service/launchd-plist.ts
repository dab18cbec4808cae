// The agent of macOS's launchd: started with the login, and again when it fails. The socket is the daemon's own: launchd
// hands one over by a C call only, which Node does not have.
import { CliError, exitCodes } from '../exit.ts';
import { cleanLine } from '../render/clean.ts';
import type { ServiceProgram } from './program.ts';
import { marked } from './service-file.ts';

export const agentLabel = 'dev.sessiond.daemon';

/** The property list. Throws CliError for a path that XML cannot hold. */
export function agentText(program: ServiceProgram): string {
  const { node, bundle, env, logFile } = program;
  const variables = env.map(([name, value]) => `    <key>${name}</key>\n    ${string(value)}\n`).join('');
  return marked(
    program,
    (mark) => `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${mark} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  ${string(agentLabel)}
  <key>ProgramArguments</key>
  <array>
    ${string(node)}
    ${string(bundle)}
    ${string('--log-file')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}  </dict>
  <key>WorkingDirectory</key>
  ${string('/')}
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ProcessType</key>
  ${string('Background')}
  <key>Umask</key>
  <integer>${0o077}</integer>
  <key>StandardErrorPath</key>
  ${string(logFile)}
</dict>
</plist>
`,
  );
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function string(text: string): string {
  // A carriage return would be read as a line's end.
  if (/[\x00-\x08\x0b-\x1f\ufffe\uffff]/.test(text)) {
    const message = `a property list cannot hold ${cleanLine(JSON.stringify(text))}`;
    throw new CliError(exitCodes.failure, message, 'move it to a path without control characters');
  }
  return `<string>${text.replace(/[&<>]/g, (character) => entities[character]!)}</string>`;
}
