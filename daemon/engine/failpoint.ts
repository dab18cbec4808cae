// Places where a crash test kills the daemon. Behind one build-time switch: the shipped bundle holds none of it (P36).
import type { OpType } from '../../protocol/schema.ts';

declare const __FAILPOINTS__: boolean;

/** An op type: before each statement that writes, from the first of such an op to the end of its transaction. */
export type FailpointName =
  | 'beforeCommit'
  | 'afterCommit'
  | 'beforeReply'
  | 'beforeSettle'
  | 'settling'
  | 'afterSettle'
  | 'restoring'
  | OpType;

let armed: { name: string; countdown: number } | undefined;
let applying: OpType | undefined;

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

/** From here statements are those of an op of this type; undefined: of none. */
export function failpointsOf(type: OpType | undefined): void {
  if (__FAILPOINTS__) applying = type;
}

/** What is to be called before each statement that writes; undefined in the shipped bundle. */
export function failpointBeforeWrites(): (() => void) | undefined {
  return __FAILPOINTS__ ? () => applying && failpoint(applying) : undefined;
}
