// One seeded run: a real daemon that is killed and started again, 4 writers, 8 subscribers (2 of them over SSE, 2 over
// WebSocket), a reference and a poller over real sockets. What it leaves is a history; whether that is right is for the checker.
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session } from '../../../protocol/schema.ts';
import { testHome } from '../daemon.ts';
import { within } from '../deadline.ts';
import type { Home } from '../home.ts';
import { Dice } from './dice.ts';
import type { History, Listed } from './history.ts';
import type { Line } from './line.ts';
import type { Plan } from './plan.ts';
import { planOf } from './plan.ts';
import { RunPoller } from './poller.ts';
import { RunSseSubscriber } from './sse-subscriber.ts';
import type { Power } from './stage.ts';
import { boundsOf, readJournal, resultOf, Stage, seqOf } from './stage.ts';
import type { SubscriberPlan } from './subscriber.ts';
import { RunSubscriber } from './subscriber.ts';
import { RunWriter } from './writer.ts';

/** A run takes some seconds; one that goes on for so long goes in circles. */
const runMs = 60_000;

/** Plays the seed. `powerOf`: on a disk that loses its power. A wait that took too long, or a daemon that failed, is the history's `failure`. */
export async function playSeed(
  seed: number,
  plan: Plan = planOf(seed),
  powerOf?: (home: Home) => Power,
): Promise<History> {
  const home = testHome();
  const { retention, maxEvents, maxLagEvents } = plan;
  const limits = { ...(maxEvents ? { maxEvents } : {}), ...(maxLagEvents ? { maxLagEvents } : {}) };
  const stage = new Stage(home, seed, { retention, ...limits }, powerOf?.(home));
  try {
    await within(`seed ${seed} to be played`, play(stage, plan), () => stage.describe(), runMs);
  } catch (error) {
    stage.fail(error);
    stage.history.failure = String((error as Error).stack ?? error);
    await stage.stop('SIGKILL').catch(() => {});
  }
  home.remove();
  return stage.history;
}

async function play(stage: Stage, plan: Plan): Promise<void> {
  await stage.start();
  const total = plan.writers.reduce((sum, { ops }) => sum + ops, 0);
  let answered = 0;
  const writers = plan.writers.map(
    (each, index) =>
      new RunWriter(stage, index, each, (ops) => {
        answered += ops;
        stage.progress = Math.min(1, answered / total);
        stage.wake();
      }),
  );
  const subscribers = plan.subscribers.map((each) => subscriberOf(stage, each));
  const poller = new RunPoller(stage, plan.poller);
  const reading = [...subscribers, poller].map((each) => guarded(stage, each.run()));
  const disturbing = guarded(stage, disturb(stage, plan));
  await Promise.all(writers.map((each) => guarded(stage, each.run())));
  await disturbing;
  for (const writer of writers) await guarded(stage, writer.again());
  stage.isOver = true;
  stage.wake();
  await Promise.all(reading);
  stage.history.final = await readFinal(stage);
  // A lease that ran out meanwhile has written once more.
  for (let head = headOf(stage); subscribers.some(({ synced }) => synced < head); head = headOf(stage)) {
    stage.told(head);
    await Promise.all(subscribers.map((each) => guarded(stage, each.catchUp())));
    stage.history.final = await readFinal(stage);
  }
  await stage.stop('SIGTERM');
  await Promise.all(subscribers.map((each) => each.closed()));
}

const subscriberOf = (stage: Stage, { dialect, ...plan }: SubscriberPlan): RunSubscriber | RunSseSubscriber =>
  dialect === 'sse'
    ? new RunSseSubscriber(stage, { ...plan, dialect })
    : new RunSubscriber(stage, { ...plan, dialect });

const headOf = ({ history }: Stage) => seqOf(history.final!.bounds.head);

/** One actor that fails ends the waits of all. */
async function guarded<T>(stage: Stage, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    stage.fail(error);
    throw error;
  }
}

async function disturb(stage: Stage, { disturbances }: Plan): Promise<void> {
  const dice = new Dice(stage.history.seed, 'disturb');
  for (const disturbance of disturbances) {
    await stage.whileWritten('the next disturbance', () => stage.progress >= disturbance.at);
    // Not right behind an answer: anywhere between two.
    await new Promise((resolve) => setTimeout(resolve, dice.int(0, 3)));
    if ('fault' in disturbance) {
      if (!(await stage.suffer(disturbance.fault, disturbance.lasts))) continue;
    } else {
      await stage.stop(disturbance.signal);
    }
    await stage.start();
  }
}

/** All that the daemon holds, at one head. */
async function readFinal(stage: Stage): Promise<NonNullable<History['final']>> {
  const line = await stage.connect('line', () => {});
  for (;;) {
    const bounds = await boundsOf(line);
    if (!bounds) throw new Error('the daemon went');
    const events = await readJournal(line, bounds.earliest);
    const tables = await readTables(line);
    if ((await boundsOf(line))?.head !== bounds.head) continue;
    line.close();
    return { bounds, events, tables };
  }
}

async function readTables(line: Line): Promise<Listed[]> {
  const list = async <T>(method: string, params: object): Promise<T[]> => {
    const items: T[] = [];
    for (let pageToken: string | undefined; ; ) {
      const page = resultOf(await line.call(method, { ...params, limit: 1_000, ...(pageToken ? { pageToken } : {}) }));
      items.push(...page.items);
      pageToken = page.nextPageToken;
      if (!pageToken) return items;
    }
  };
  const sessions = await list<Session>('session/list', {});
  return Promise.all(
    sessions.map(async (session) => {
      const of = { sessionId: session.id };
      const [turns, blockers, artifacts, messages] = await Promise.all([
        list<Listed['turns'][number]>('turn/list', of),
        list<Listed['blockers'][number]>('blocker/list', of),
        list<Listed['artifacts'][number]>('artifact/list', of),
        list<Listed['messages'][number]>('message/list', of),
      ]);
      return { session, turns, blockers, artifacts, messages };
    }),
  );
}

/** Writes the history to a file; returns its path. */
export function keepHistory(history: History): string {
  const folder = join(tmpdir(), 'sessiond-histories');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `seed-${history.seed}-${process.pid}.json`);
  writeFileSync(path, JSON.stringify(history));
  return path;
}
