// The lines that Codex's shell tools write above what a command printed: how long it took, how it ended.

const head =
  /^(?:(?:Chunk ID|Wall time|Exit code|Process exited with code|Process running with session ID|Original token count|Total output lines)\b.*\n)+Output:(?:\n|$)/;
const exitLine = /^(?:Exit code: |Process exited with code )(-?\d+)$/m;
const runningLine = /^Process running with session ID.*$/m;

/** What the command printed, and its exit code where one is told. That it still runs is no mere header, and stays. */
export function withoutShellHead(output: string): { printed: string; exitCode?: number } {
  const told = head.exec(output)?.[0];
  if (told === undefined) return { printed: output };
  const [exit, running] = [exitLine.exec(told)?.[1], runningLine.exec(told)?.[0]];
  const rest = output.slice(told.length);
  return {
    printed: running === undefined ? rest : `${running}\n${rest}`,
    ...(exit !== undefined && { exitCode: Number(exit) }),
  };
}
