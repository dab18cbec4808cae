// Places where a crash test kills the daemon. Behind one build-time switch: the shipped bundle holds none of it (P36).
declare const __FAILPOINTS__: boolean;

export type FailpointName = 'beforeCommit' | 'afterCommit' | 'beforeReply';

let armed: { name: string; countdown: number } | undefined;

/** Arms `name:n`: the process kills itself with SIGKILL at the n-th pass. Does nothing in the shipped bundle. */
export function armFailpoint(spec: string | undefined): void {
  if (!__FAILPOINTS__ || !spec) return;
  const [name = '', count = '1'] = spec.split(':');
  armed = { name, countdown: Number(count) };
}

/** Passes a failpoint. */
export function failpoint(name: FailpointName): void {
  if (!__FAILPOINTS__ || armed?.name !== name) return;
  armed.countdown -= 1;
  if (armed.countdown <= 0) process.kill(process.pid, 'SIGKILL');
}
