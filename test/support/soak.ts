// One run of a soak: a seed's history (history-run) in which the daemon is killed, loses its power, or is failed by its disk. Whether
// nothing that was acknowledged is lost is for the checker of histories.
import { join } from 'node:path';
import { dist } from './build.ts';
import { Disk } from './disk.ts';
import type { Fault } from './faults.ts';
import { canInject } from './faults.ts';
import { checkHistory } from './history-run/check.ts';
import { Dice } from './history-run/dice.ts';
import type { Disturbance, Plan } from './history-run/plan.ts';
import { planOf } from './history-run/plan.ts';
import { keepHistory, playSeed } from './history-run/run.ts';

export type SoakRun = {
  seed: number;
  kind: 'kill' | 'power' | 'fault';
  /** What was done to the daemon, `pwrite ENOSPC`, and how its lives ended. */
  done: string[];
  ends: string[];
  acknowledged: number;
  events: number;
  /** With the path of the whole history where there are any. */
  problems: string[];
};

const faults: Pick<Fault, 'call' | 'does'>[] = [
  { call: 'fsync', does: 'EIO' },
  { call: 'write', does: 'EIO' },
  { call: 'write', does: 'ENOSPC' },
  { call: 'fsync', does: 'SIGKILL' },
  { call: 'write', does: 'SIGKILL' },
];

/** Every third run is one of each kind; without strace, of those that need none. */
export async function soakRun(seed: number): Promise<SoakRun> {
  const kinds = canInject ? (['kill', 'power', 'fault'] as const) : (['kill', 'power'] as const);
  const kind = kinds[seed % kinds.length]!;
  const dice = new Dice(seed, 'soak');
  const plan = planOf(seed);
  const disturbances = kind === 'kill' ? plan.disturbances : disturbancesOf(dice, kind);
  // To attach takes as long as a good part of a run.
  if (kind === 'fault') for (const writer of plan.writers) writer.ops *= 3;
  const history = await play(seed, { ...plan, disturbances }, dice, kind);
  const { problems } = checkHistory(history);
  const kept = problems.length === 0 ? [] : [keepHistory(history), ...problems.slice(0, 10)];
  return {
    ...{ seed, kind, problems: kept },
    done: disturbances.map((each) => ('fault' in each ? `${each.fault.call} ${each.fault.does}` : each.signal)),
    ends: history.lives.map(({ end = 'none' }) => end),
    acknowledged: history.outcomes.length,
    events: history.final?.events.length ?? 0,
  };
}

function disturbancesOf(dice: Dice, kind: 'power' | 'fault'): Disturbance[] {
  const times = Array.from({ length: 4 }, () => 0.05 + dice.next() * 0.75).sort((a, b) => a - b);
  if (kind === 'power') return times.map((at) => ({ at, signal: 'SIGKILL' }));
  return times.map((at) => {
    const fault = faults[dice.int(0, faults.length - 1)]!;
    const times = fault.does === 'ENOSPC' ? dice.int(1, 40) : 1;
    return { at, fault: { ...fault, first: dice.int(1, 6), times }, lasts: 0.2 };
  });
}

function play(seed: number, plan: Plan, dice: Dice, kind: SoakRun['kind']) {
  if (kind !== 'power') return playSeed(seed, plan);
  const keeps = dice.pick([0, 50, 90]);
  return playSeed(seed, plan, (home) => {
    const disk = new Disk(home.paths.data, { seed, keeps });
    return { disk, daemon: { bundle: join(dist, 'daemon.mjs'), env: disk.env } };
  });
}
