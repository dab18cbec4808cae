// What a seed plays: how much the journal keeps, who writes, who reads how, and when the daemon dies.
import type { Fault } from '../faults.ts';
import { Dice } from './dice.ts';
import type { Dialect, Filter, RunPlan, SubscribeParams } from './history.ts';
import { agents, directories, sessionIdOf } from './ops.ts';
import type { PollerPlan } from './poller.ts';
import type { Act, SubscriberPlan } from './subscriber.ts';
import type { WriterPlan } from './writer.ts';

/** `lasts`: how far the run goes with a fault that does not end the daemon. */
export type Disturbance = { at: number; signal: 'SIGKILL' | 'SIGTERM' } | { at: number; fault: Fault; lasts: number };

export type Plan = RunPlan & {
  writers: WriterPlan[];
  subscribers: SubscriberPlan[];
  poller: PollerPlan;
  disturbances: Disturbance[];
};

const retentions: RunPlan[] = [
  { retention: 'keepAll' },
  { retention: 'lag', maxEvents: 1, maxLagEvents: 1_000_000 },
  { retention: 'smallest', maxEvents: 1, maxLagEvents: 1 },
  { retention: 'small', maxEvents: 50, maxLagEvents: 30 },
];

/** The kinds of readers that each run has one of. */
const kinds = ['fast', 'slow', 'stalling', 'reconnecting', 'sessions', 'narrow', 'noDeltas', 'named'] as const;
type Kind = (typeof kinds)[number];

export function planOf(seed: number): Plan {
  const dice = new Dice(seed, 'plan');
  const retention = retentions[seed % retentions.length]!;
  const dialect = () => dice.pick(['line', 'header'] as const);
  const writers = Array.from({ length: 4 }, () => ({
    ops: dice.int(40, 90),
    fat: dice.int(0, 2),
    inFlight: dice.int(1, 8),
    dialect: dialect(),
  }));
  // Somebody must fill the sockets of those who stall.
  for (const writer of writers.slice(0, 2)) writer.fat += 3;
  const reference: SubscriberPlan = {
    who: 'reference',
    dialect: dialect(),
    params: { from: 'start', snapshot: 'never', ...(retention.retention === 'lag' ? { name: 'reference' } : {}) },
    pace: 'fast',
    byName: 0.5,
    anew: 'start',
    acts: retention.retention === 'lag' ? [0.2, 0.4, 0.6, 0.8].map((at) => ({ at, kind: 'ack' as const })) : [],
  };
  const http = new Dice(seed, 'http');
  const over = overHttp(http);
  const subscribers = kinds.map((kind) => withDialect(http, subscriberOf(dice, kind, dialect()), over[kind]));
  const ends = Array.from({ length: dice.int(1, 2) }, () => ({
    at: 0.05 + dice.next() * 0.85,
    signal: dice.pick(['SIGKILL', 'SIGKILL', 'SIGTERM'] as const),
  }));
  return {
    ...retention,
    writers,
    subscribers: [reference, ...subscribers],
    poller: {
      who: 'poller',
      dialect: dialect(),
      limit: dice.pick([1, 7, 100]),
      waitMs: dice.pick([1, 50, 1_000]),
      ...(dice.chance(0.3) ? { filter: { directory: dice.pick(directories) } } : {}),
    },
    disturbances: ends.sort((a, b) => a.at - b.at),
  };
}

/** Which of the kinds read over HTTP in a run: two by SSE, two by WebSocket. */
function overHttp(dice: Dice): Partial<Record<Kind, Dialect>> {
  const left = new Set<Kind>(kinds);
  const take = (from: Kind[]): Kind => {
    const kind = dice.pick(from);
    left.delete(kind);
    return kind;
  };
  // A page has no name, and goes on from nowhere but from where it was. One reads all, so that it can be passed when it stalls.
  const over: Partial<Record<Kind, Dialect>> = {};
  over[take(['slow', 'stalling', 'noDeltas'])] = 'sse';
  over[take([...left].filter((kind) => kind !== 'named' && kind !== 'reconnecting'))] = 'sse';
  for (const _ of [1, 2]) over[take([...left])] = 'webSocket';
  return over;
}

/** Over HTTP who reads all stalls, in any part of the run; a page does no more than it can. */
function withDialect(dice: Dice, plan: SubscriberPlan, dialect: Dialect = plan.dialect): SubscriberPlan {
  if (dialect !== 'sse' && dialect !== 'webSocket') return plan;
  const { maxBatch, bookmarkMs, ...ofPage } = plan.params;
  const stalls = plan.params.filter
    ? []
    : [0, 0.3].map((from) => ({ at: from + dice.next() * 0.3, kind: 'stall' as const }));
  const acts = [...plan.acts, ...stalls];
  if (dialect === 'webSocket') return { ...plan, dialect, acts };
  const can: Act['kind'][] = ['reconnect', 'again', 'stall'];
  // Where it was passed, it is sent the state.
  if (!plan.params.filter && plan.who !== 'fast') ofPage.snapshot = 'onGap';
  return { ...plan, dialect, params: ofPage, acts: acts.filter(({ kind }) => can.includes(kind)) };
}

function subscriberOf(dice: Dice, kind: Kind, dialect: 'line' | 'header'): SubscriberPlan {
  const params: SubscribeParams = {
    from: kind === 'narrow' ? dice.pick(['start', 'now']) : dice.pick(['start', 'start', 'now']),
    snapshot: dice.pick(['never', 'onGap', 'onGap', 'always']),
  };
  if (dice.chance(0.4) || kind === 'slow') params.maxBatch = dice.pick([1, 3, 20]);
  if (dice.chance(0.4) || kind === 'narrow') params.bookmarkMs = dice.int(10, 100);
  const acts: Act[] = [];
  const add = (act: Act['kind'], times: number) => {
    for (let time = 0; time < times; time += 1) acts.push({ at: dice.next() * 0.95, kind: act });
  };
  add('sync', dice.int(0, 2));
  if (dice.chance(0.3)) add('reconnect', 1);
  if (dice.chance(0.2)) add('again', 1);
  const filter = filterOf(dice, kind);
  if (filter) params.filter = filter;
  switch (kind) {
    case 'fast':
      params.snapshot = 'never';
      break;
    case 'stalling':
      acts.push({ at: dice.next() * 0.3, kind: 'stall' });
      break;
    case 'reconnecting':
      add('reconnect', 4);
      add('tamper', dice.int(1, 2));
      add('older', dice.int(0, 2));
      break;
    case 'noDeltas':
      params.deltas = false;
      break;
    case 'named':
      params.name = 'somebody';
      add('ack', 4);
      add('ackOlder', 1);
      add('takeOver', 1);
      add('reconnect', 1);
      break;
  }
  return {
    ...{ who: kind, dialect, params, pace: kind === 'slow' ? 'slow' : 'fast', byName: 0.8, acts },
    anew: dice.pick(['start', 'now']),
  };
}

function filterOf(dice: Dice, kind: Kind): Filter | undefined {
  const sessions = () => Array.from({ length: dice.int(1, 3) }, () => sessionIdOf(dice.int(0, 3), dice.int(0, 2)));
  if (kind === 'sessions') return { sessions: [...new Set(sessions())] };
  if (kind !== 'narrow') return undefined;
  return dice.pick<Filter>([
    { sessions: ['ses_nobody'] },
    { directory: dice.pick(directories) },
    { agents: [dice.pick(agents), dice.pick(agents)] },
    { types: [dice.pick(['part/*', 'session/*', 'turn/updated', '*']), 'blocker/updated'] },
    { directory: dice.pick(directories), agents: [dice.pick(agents)], types: ['message/*', 'artifact/removed'] },
  ]);
}
