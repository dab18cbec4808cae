// What to do next, told at the end of verbs that a newcomer runs first.
import type { CommandLine } from './command-line.ts';

const steps = [
  ['ls', 'list the sessions'],
  ['show ID', 'read one; the start of its id is enough'],
  ['tail', 'follow what happens, live'],
  ['status', 'how the daemon is doing'],
  ['stop', 'stop the daemon'],
] as const;

/** One line for each command, as it can be typed. */
export function nextSteps(commandLine: CommandLine, verbs: string[] = steps.map(([verb]) => verb)): string[] {
  const shown = steps.filter(([verb]) => verbs.includes(verb));
  const widest = Math.max(...shown.map(([verb]) => commandLine(verb).length));
  return shown.map(([verb, what]) => `  ${commandLine(verb).padEnd(widest)}  ${what}`);
}
