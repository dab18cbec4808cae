// What must stay flat as a store grows: the same question put to a small store and to a large one.
import type { Params } from '../../../protocol/methods.ts';
import type { GrownSize, GrownStore, Served } from '../grown.ts';
import { openGrown } from '../grown.ts';
import { rareWord } from '../grown-store.ts';
import { PartPuts } from '../part-put.ts';
import type { Row } from '../row.ts';
import { median, timesMs } from '../row.ts';
import { memory1m, memory10m } from './grown-memory.ts';
import { start1m, start10m } from './grown-start.ts';
import { retention } from './retention.ts';

const names = { '1m': '1 million', '10m': '10 million' };

/** Makes what is timed, on a daemon that serves the store. `isFloor`: it is the small one. */
type Ask = (served: Served, store: GrownStore, isFloor: boolean) => Promise<() => Promise<unknown>>;

const flatRow = (size: keyof typeof names, what: string, calls: number, ask: Ask, floor = ''): Row => ({
  what: `${what}, p50, ${names[size]} events`,
  floor: `10 thousand events${floor}`,
  unit: 'ms',
  target: { atMost: 1.3 },
  async open(setting) {
    const count = setting.quick ? 5 : calls;
    const asking = async (of: GrownSize) => {
      const store = await openGrown(setting, of);
      const run = await ask(await store.serve(), store, of === '10k');
      await timesMs(count, run); // warm
      return async () => median(await timesMs(count, run));
    };
    const [small, large] = [await asking('10k'), await asking(size)];
    return { floor: small, ours: large, async close() {} };
  },
});

/** The part/put of the append rows, one in flight. */
const append: Ask = async ({ daemon }) => {
  const puts = await PartPuts.open(await daemon.connect());
  return () => puts.append();
};

const behind = 100;
/** From a cursor near head, until all behind it has come. */
const resume: Ask = async ({ client }) => {
  const { head: from } = await client.call('daemon/status', {});
  const puts = await PartPuts.open(client);
  await puts.appendMany(behind - 2, behind); // its session and message are two
  return async () => {
    let missing = behind;
    let arrived = () => {};
    const all = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { unsubscribe } = await client.subscribe({ from }, (delivery) => {
      if (delivery.type !== 'events/batch') return;
      missing -= delivery.params.events.length;
      if (missing <= 0) arrived();
    });
    await all;
    await unsubscribe();
  };
};

const sessions: Ask =
  async ({ client }) =>
  () =>
    client.call('session/list', {});

const messages: Ask = async ({ client }, { grown }, isFloor) => {
  const sessionId = isFloor ? grown.shortSession : grown.longSession;
  const params: Params<'message/list'> = { sessionId, order: 'desc', limit: 50 };
  return () => client.call('message/list', params);
};

/** Each time another word, so that nothing is found because it was found before. */
const search: Ask = async ({ client }, { grown }) => {
  let asked = 0;
  return async () => {
    asked += 1;
    const query = rareWord(Math.floor((asked * 0.618_034 * grown.words) % grown.words));
    const { items } = await client.call('session/search', { query });
    if (items.length !== 3) throw new Error(`${query} is found ${items.length} times`);
  };
};

const resumeWhat = `resume from ${behind} events behind head`;
const messagesWhat = 'last 50 messages of a session of 100,000';
const ofShort = ', a session of 100';

/** In this order: what takes something away from a store comes last. */
export const grownRows: Record<string, Row> = {
  'start-1m': start1m,
  'start-10m': start10m,
  'append-10m': flatRow('10m', 'append, 1 in flight', 1_500, append),
  'resume-1m': flatRow('1m', resumeWhat, 200, resume),
  'resume-10m': flatRow('10m', resumeWhat, 200, resume),
  'sessions-1m': flatRow('1m', 'one page of session/list', 200, sessions),
  'sessions-10m': flatRow('10m', 'one page of session/list', 200, sessions),
  'messages-1m': flatRow('1m', messagesWhat, 200, messages, ofShort),
  'messages-10m': flatRow('10m', messagesWhat, 200, messages, ofShort),
  'search-1m': flatRow('1m', 'search for a word of three parts', 200, search),
  'search-10m': flatRow('10m', 'search for a word of three parts', 200, search),
  'memory-1m': memory1m,
  'memory-10m': memory10m,
  retention,
};
