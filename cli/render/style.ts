// Colours, and whether there are any: none into a pipe, none with NO_COLOR; FORCE_COLOR gives them to a pipe too.

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = { readonly [K in keyof typeof codes]: (text: string) => string };

/** Whether to colour what goes to a stream. NO_COLOR set to anything but nothing wins (no-color.org). */
export function wantsColor(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return isTerminal && env.TERM !== 'dumb';
}

/** The styles; each returns its text as it is when colours are off. The text given is clean. */
export function makeStyle(enabled: boolean): Style {
  const style: Record<string, (text: string) => string> = {};
  for (const [name, [on, off]] of Object.entries(codes)) {
    style[name] = enabled ? (text) => (text === '' ? '' : `\x1b[${on}m${text}\x1b[${off}m`) : (text) => text;
  }
  return style as Style;
}
