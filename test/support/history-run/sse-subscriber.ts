// One subscriber of a run that is a page in a browser: its EventSource connects and resumes by itself, the page does no more
// than open it, anew where it was refused, or from the id that it kept where the page is loaded again.
import { Dice } from './dice.ts';
import { entryOf } from './entry.ts';
import { UnixEventSource } from './event-source.ts';
import type { SseEvent } from './event-stream.ts';
import type { Entry, Stream, SubscribeParams } from './history.ts';
import type { Stage } from './stage.ts';
import { seqOf } from './stage.ts';
import { leaveUnread } from './stall.ts';
import type { Act, SubscriberPlan } from './subscriber.ts';

/** How the page comes to need another EventSource, or none. */
type Ending = 'failed' | 'reload' | 'done';

export class RunSseSubscriber {
  readonly #stage: Stage;
  readonly #plan: SubscriberPlan<'sse'>;
  readonly #dice: Dice;
  readonly #acts: Act[];
  #source!: UnixEventSource;
  /** What its address says: for as long as it was told no id. */
  #from = '';
  #stream: Stream | undefined;
  #hasView = false;
  /** The newest place that it was told, for who waits for it: the EventSource keeps its own. */
  #told = -1;
  /** It was told that it has caught up, and no gap since. */
  #isLive = false;
  #hasFailed = false;
  #isDone = false;

  constructor(stage: Stage, plan: SubscriberPlan<'sse'>) {
    this.#stage = stage;
    this.#plan = plan;
    this.#dice = new Dice(stage.history.seed, plan.who);
    this.#acts = plan.acts.toSorted((a, b) => a.at - b.at);
  }

  /** The seq up to which it knows that it has all. */
  get synced(): number {
    return this.#isLive ? this.#told : -1;
  }

  /** Resolves when it has all that was written, on a stream that is still open. */
  run(): Promise<void> {
    return this.#read(this.#plan.params.from!);
  }

  /** Resolves when it has also what was written since `run`. */
  catchUp(): Promise<void> {
    return this.#read(this.#leave());
  }

  /** Resolves when its last stream has ended, and nothing is left of it. */
  async closed(): Promise<void> {
    await this.#stage.until('the stream to end', () => this.#source.isClosed);
  }

  async #read(from: string): Promise<void> {
    for (let at = from; ; ) {
      this.#open(at);
      const ending = await this.#follow();
      if (ending === 'done') return;
      at = ending === 'reload' ? this.#leave() : this.#plan.anew;
      if (ending === 'failed') this.#hasView = false;
    }
  }

  /** The page goes, and keeps the id for the next. */
  #leave(): string {
    this.#end('closed');
    this.#source.close();
    return this.#source.lastEventId || this.#from;
  }

  #open(from: string): void {
    const params: SubscribeParams = { ...this.#plan.params, from };
    this.#from = from;
    this.#hasFailed = false;
    this.#isDone = false;
    this.#isLive = false;
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, this.#dice.int(0, 2)));
    const source: UnixEventSource = new UnixEventSource(this.#stage.home.paths.socket, `/events?${queryOf(params)}`, {
      connecting: (lastEventId) => this.#connecting(source, params, lastEventId),
      event: (event) => this.#take(event),
      lost: () => this.#lost(),
      failed: (status, body) => this.#failed(status, body),
      pause: this.#plan.pace === 'slow' ? slow : undefined,
    });
    this.#source = source;
    this.#stream = undefined;
    source.run().catch((error: unknown) => this.#stage.fail(error));
  }

  async #connecting(source: UnixEventSource, params: SubscribeParams, lastEventId: string): Promise<void> {
    const stage = this.#stage;
    let before: Stream['before'];
    while (!before) {
      await stage.until('the daemon to be up', () => stage.isUp || source.isClosed);
      if (source.isClosed) return;
      before = await stage.bounds();
      // It died a moment ago, and its end is not told yet.
      if (!before) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (source.isClosed) return;
    this.#stream = {
      ...{ who: this.#plan.who, life: stage.life, dialect: 'sse', n: stage.next(), before },
      params: lastEventId === '' ? params : { ...params, from: lastEventId },
      ...(lastEventId === '' ? {} : { lastEventId }),
      ...{ continues: this.#hasView, entries: [], end: 'open' },
    };
    stage.history.streams.push(this.#stream);
  }

  #take({ name, data, id, bytes }: SseEvent): void {
    const stream = this.#stream!;
    const params = JSON.parse(data) as { subscription: string };
    const now = { n: this.#stage.next(), at: Date.now() };
    if (!stream.answer && name === 'subscribed') {
      const result = params as Extract<NonNullable<Stream['answer']>, { result: unknown }>['result'];
      stream.answer = { n: now.n, result, ...(id === undefined ? {} : { id }) };
      if (result.mode !== 'snapshot') this.#tell(result.cursor);
      void this.#look(stream);
    } else {
      const entry = { ...entryOf(`events/${name}`, params, bytes, now), ...(id === undefined ? {} : { id }) };
      const { answer } = stream;
      const isIts = answer && 'result' in answer && answer.result.subscription === params.subscription;
      stream.entries.push(isIts ? entry : { ...now, kind: 'unknown', method: `stray ${name}` });
      this.#note(entry);
    }
    this.#stage.wake();
  }

  #note(entry: Entry): void {
    if (entry.kind === 'reset') this.#isLive = false;
    if (entry.kind === 'caughtUp') this.#isLive = true;
    if (entry.kind === 'batch') this.#stage.told(entry.events.at(-1)?.seq ?? 0);
    if ('cursor' in entry && entry.cursor !== undefined) this.#tell(entry.cursor);
  }

  #tell(cursor: string): void {
    this.#hasView = true;
    this.#told = seqOf(cursor);
    this.#stage.told(this.#told);
  }

  async #look(stream: Stream): Promise<void> {
    const after = await this.#stage.bounds();
    if (after) stream.after = after;
  }

  #lost(): void {
    if (this.#isDone) this.#source.close();
    else this.#end('lost');
    this.#isLive = false;
    this.#stage.wake();
  }

  /** The page sees no more than that; the status and its text are for the checker. */
  #failed(status: number, body: string): void {
    const error = body.startsWith('{') ? JSON.parse(body).error : { code: 0, message: body };
    this.#stream!.answer = { n: this.#stage.next(), error, status };
    this.#hasFailed = true;
    this.#stage.wake();
  }

  #end(end: 'lost' | 'closed'): void {
    if (this.#stream?.end === 'open') this.#stream.end = end;
  }

  /** Follows the EventSource, and does what the plan says meanwhile. */
  async #follow(): Promise<Ending> {
    const stage = this.#stage;
    for (;;) {
      await stage.whileWritten(`${this.#plan.who} to go on`, () => this.#hasFailed || stage.isOver || this.#isDue);
      if (this.#hasFailed) return 'failed';
      if (this.#isDue) {
        const { kind } = this.#acts.shift()!;
        if (kind === 'again') return 'reload';
        if (kind === 'reconnect') this.#drop();
        if (kind === 'stall') await this.#stall();
        continue;
      }
      const ending = await this.#finish();
      this.#isDone = ending === 'done';
      return ending;
    }
  }

  get #isDue(): boolean {
    const [next] = this.#acts;
    const { progress, isOver } = this.#stage;
    return next !== undefined && next.at <= progress && !isOver && this.#stream?.answer !== undefined;
  }

  #drop(): void {
    this.#end('closed');
    this.#isLive = false;
    this.#source.drop();
  }

  async #stall(): Promise<void> {
    const [stream, source] = [this.#stream!, this.#source];
    if (stream.end !== 'open') return;
    stream.entries.push({ n: this.#stage.next(), at: Date.now(), kind: 'stall' });
    await leaveUnread(this.#stage, {
      get isClosed() {
        return stream.end !== 'open' || source.isClosed;
      },
      stall: () => source.stall(),
      resume: () => source.resume(),
    });
  }

  /** Waits for all that was written. */
  async #finish(): Promise<Ending> {
    const stage = this.#stage;
    const { filter, deltas } = this.#plan.params;
    const { seen } = stage;
    const hasAll = () => this.synced >= seen;
    const isTold = () => this.#hasFailed || hasAll();
    // There is no fence over SSE. Who is told all is told in the end how far it is; the others, when they come again.
    const isWhole = !filter && deltas !== false;
    const isLive = () => this.#hasFailed || this.#isLive;
    await stage.until(`${this.#plan.who} to be told all`, isWhole ? isTold : isLive);
    if (this.#hasFailed) return 'failed';
    return hasAll() ? 'done' : 'reload';
  }
}

function queryOf({ from, snapshot, deltas, filter }: SubscribeParams): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ from, snapshot, deltas, ...filter })) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query;
}
