// One subscriber of a run: follows the journal over connections that end, resumes as its plan says, and keeps all that it
// was told.
import { within } from '../deadline.ts';
import type { Message } from '../wire.ts';
import { Dice } from './dice.ts';
import { entryOf } from './entry.ts';
import type { Dialect, Entry, Stream, SubscribeParams } from './history.ts';
import type { Line, Reply } from './line.ts';
import type { LineDialect } from './line-end.ts';
import type { Stage } from './stage.ts';
import { boundsOf, seqOf } from './stage.ts';
import { leaveUnread } from './stall.ts';

/** What it does to its own connection, once the run has come that far. */
export type Act = {
  at: number;
  kind: 'reconnect' | 'stall' | 'again' | 'takeOver' | 'sync' | 'ack' | 'ackOlder' | 'tamper' | 'older';
};

export type SubscriberPlan<D extends Dialect = Dialect> = {
  who: string;
  dialect: D;
  /** As given with each subscription; `from` with the first. */
  params: SubscribeParams;
  pace: 'fast' | 'slow';
  /** Named only: how often it resumes without saying from where. */
  byName: number;
  /** Where it begins anew when its cursor was refused. */
  anew: 'start' | 'now';
  acts: Act[];
};

/** How a stream went on: the connection ended, it ended, or all is done. */
type Ending = 'lost' | 'ended' | 'done';

export class RunSubscriber {
  /** The seq up to which it knows that it has all. */
  synced = 0;
  readonly #stage: Stage;
  readonly #plan: SubscriberPlan<LineDialect>;
  readonly #dice: Dice;
  readonly #acts: Act[];
  #line!: Line;
  #life = 0;
  #stream!: Stream;
  #subscription: string | undefined;
  /** What it was told last, to resume from; undefined: from nothing. */
  #told: string | undefined;
  #hasView = false;
  /** Cursors that it was told, some of them, for those who resume from older ones. */
  readonly #older: string[] = [];
  #wasReset = false;
  /** The streams of each connection, by the id of the subscription. */
  readonly #streams = new WeakMap<Line, Map<string, Stream>>();

  constructor(stage: Stage, plan: SubscriberPlan<LineDialect>) {
    this.#stage = stage;
    this.#plan = plan;
    this.#dice = new Dice(stage.history.seed, plan.who);
    this.#acts = plan.acts.toSorted((a, b) => a.at - b.at);
  }

  /** Resolves when it has all that was written, on a subscription that is still open. */
  async run(): Promise<void> {
    let from = this.#told === undefined ? this.#plan.params.from : undefined;
    for (;;) {
      await this.#connect();
      for (;;) {
        const started = await this.#subscribe(from);
        from = undefined;
        const ending = started === 'started' ? await this.#live() : started;
        if (ending === 'done') return;
        if (ending === 'lost') break;
        // Refused, or ended by retention: it begins anew.
        if (ending === 'refused' || this.#wasReset) {
          this.#forget();
          from = this.#plan.anew;
        }
      }
    }
  }

  /** Resolves when it has also what was written since `run`. */
  async catchUp(): Promise<void> {
    if (await this.#finish()) return;
    this.#endStream(this.#stream, this.#line.isClosed ? 'lost' : 'closed');
    this.#line.close();
    await this.run();
  }

  /** Resolves when its last connection has ended. */
  async closed(): Promise<void> {
    await this.#stage.until('the connection to end', () => this.#line.isClosed);
  }

  async #connect(): Promise<void> {
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, this.#dice.int(0, 2)));
    const pause = this.#plan.pace === 'slow' ? slow : undefined;
    // What comes for a subscription goes to the stream that was started last on this line.
    const line: Line = await this.#stage.connect(
      this.#plan.dialect,
      (message, bytes) => this.#take(line, message, bytes),
      pause,
    );
    this.#line = line;
    this.#life = this.#stage.life;
  }

  async #subscribe(from: string | undefined): Promise<'started' | 'refused' | 'lost'> {
    const line = this.#line;
    const { name } = this.#plan.params;
    const before = await boundsOf(line);
    if (!before) return 'lost';
    const params: SubscribeParams = { ...this.#plan.params };
    delete params.from;
    const resumesByName = name !== undefined && this.#hasView && this.#dice.chance(this.#plan.byName);
    const start = from ?? this.#told ?? (this.#hasView ? undefined : this.#plan.params.from);
    if (!resumesByName && start !== undefined) params.from = start;
    const stream: Stream = {
      ...{ who: this.#plan.who, life: this.#life, dialect: this.#plan.dialect, n: this.#stage.next(), params, before },
      ...{ continues: this.#hasView, entries: [], end: 'open' },
    };
    this.#stream = stream;
    this.#wasReset = false;
    this.#subscription = undefined;
    this.#stage.history.streams.push(stream);
    const reply = await line.call('events/subscribe', params, (answer) => this.#start(line, stream, answer));
    if (!reply) {
      this.#endStream(stream, 'lost');
      return 'lost';
    }
    const after = await boundsOf(line);
    if (after) stream.after = after;
    if (reply.error?.data?.kind === 'ShuttingDown') {
      await this.#stage.until('the connection to end', () => line.isClosed);
      return 'lost';
    }
    // The name could not be written down.
    if (reply.error?.data?.kind === 'StoreUnavailable') {
      line.close();
      return 'lost';
    }
    return reply.error ? 'refused' : 'started';
  }

  /** It begins with the reply, before any message behind that. */
  #start(line: Line, stream: Stream, { result, error }: Reply): void {
    const n = this.#stage.next();
    stream.answer = error ? { n, error } : { n, result };
    if (error) return;
    this.#subscription = result.subscription;
    const streams = this.#streams.get(line) ?? new Map<string, Stream>();
    this.#streams.set(line, streams.set(result.subscription, stream));
    if (result.mode === 'snapshot') return;
    this.#hasView = true;
    this.#tell(result.cursor);
  }

  #take(line: Line, message: Message, bytes: number): void {
    const { method = '', params } = message;
    const stream = this.#streams.get(line)?.get(params?.subscription);
    // What comes for a subscription that nobody started is for the checker too.
    const entry = entryOf(method, params, bytes, { n: this.#stage.next(), at: Date.now() });
    (stream ?? this.#stream).entries.push(stream ? entry : { ...entry, kind: 'unknown', method: `stray ${method}` });
    if (stream === this.#stream) this.#follow(entry);
    this.#stage.wake();
  }

  #follow(entry: Entry): void {
    if (entry.kind === 'reset') this.#wasReset = true;
    if (entry.kind === 'snapshot' && entry.done) {
      this.#hasView = true;
      this.#wasReset = false;
    }
    if ('cursor' in entry && entry.cursor !== undefined && entry.kind !== 'sync') this.#tell(entry.cursor);
    if (entry.kind === 'batch') this.#stage.told(entry.events.at(-1)?.seq ?? 0);
  }

  #tell(cursor: string): void {
    this.#told = cursor;
    this.#stage.told(seqOf(cursor));
    if (this.#dice.chance(0.1)) this.#older.push(cursor);
  }

  /** It begins anew, with nothing: what it was told before is not in its view. */
  #forget(): void {
    this.#told = undefined;
    this.#hasView = false;
    this.#older.length = 0;
  }

  #endStream(stream: Stream, end: 'lost' | 'closed'): void {
    if (stream.end === 'open') stream.end = end;
  }

  get #isEnded(): boolean {
    return this.#stream.entries.at(-1)?.kind === 'ended';
  }

  /** Follows the stream until it ends, and does what the plan says meanwhile. */
  async #live(): Promise<Ending> {
    for (;;) {
      await this.#stage.whileWritten(`${this.#plan.who} to go on`, () => {
        return this.#line.isClosed || this.#isEnded || this.#stage.isOver || this.#isDue;
      });
      if (this.#line.isClosed) {
        this.#endStream(this.#stream, 'lost');
        return 'lost';
      }
      if (this.#isEnded) return 'ended';
      if (this.#isDue) {
        const ending = await this.#act(this.#acts.shift()!.kind);
        if (ending) return ending;
      } else if (this.#stage.isOver && (await this.#finish())) return 'done';
    }
  }

  get #isDue(): boolean {
    return this.#acts.length > 0 && this.#acts[0]!.at <= this.#stage.progress;
  }

  /** Waits for all that was written, and then for what says so. */
  async #finish(): Promise<boolean> {
    const stream = this.#stream;
    if (!(await this.#sync())) return false;
    const { seen } = this.#stage;
    const { bookmarkMs } = this.#plan.params;
    const isTold = (entry: Entry) => 'cursor' in entry && entry.cursor !== undefined && seqOf(entry.cursor) >= seen;
    const isMarked = () => stream.entries.some((entry) => isTold(entry) && entry.kind === 'bookmark');
    if (bookmarkMs !== undefined) {
      const isOver = () => this.#line.isClosed || this.#isEnded || isMarked();
      await this.#stage.until(`${this.#plan.who} to be told how far it is`, isOver);
    }
    return !this.#line.isClosed && !this.#isEnded;
  }

  /** False where the subscription or the connection ended before the reply. */
  async #sync(): Promise<boolean> {
    const stream = this.#stream;
    const [asked, atLeast] = [this.#stage.next(), this.#stage.seen];
    const reply = await this.#line.call('events/sync', { subscription: this.#subscription }, ({ result }) => {
      if (!result || this.#isEnded) return;
      stream.entries.push({ ...this.#now(), kind: 'sync', asked, cursor: result.cursor, atLeast });
      this.synced = seqOf(result.cursor);
    });
    return reply?.result !== undefined && !this.#isEnded;
  }

  #now(): { n: number; at: number } {
    return { n: this.#stage.next(), at: Date.now() };
  }

  async #act(kind: Act['kind']): Promise<Ending | undefined> {
    const stream = this.#stream;
    switch (kind) {
      case 'sync':
        await this.#sync();
        return undefined;
      case 'reconnect':
      case 'tamper':
      case 'older':
        this.#endStream(stream, 'closed');
        this.#line.close();
        if (kind !== 'reconnect') await this.#resumeElsewhere(kind);
        return 'lost';
      case 'stall':
        stream.entries.push({ ...this.#now(), kind: 'stall' });
        await leaveUnread(this.#stage, this.#line);
        return undefined;
      case 'again': {
        stream.entries.push({ ...this.#now(), kind: 'unsubscribe' });
        const reply = await this.#line.call('events/unsubscribe', { subscription: this.#subscription });
        if (!reply) return 'lost';
        await this.#stage.until('the end that was asked for', () => this.#line.isClosed || this.#isEnded);
        return this.#line.isClosed ? 'lost' : 'ended';
      }
      case 'takeOver':
        return this.#takeOver();
      case 'ack':
        await this.#ack(this.#line, this.#told, true);
        return undefined;
      case 'ackOlder':
        await this.#ack(this.#line, this.#older[0], true);
        return undefined;
    }
  }

  /** Resumes from a cursor that is not its last: an older one, or one that this store never gave. */
  async #resumeElsewhere(kind: 'tamper' | 'older'): Promise<void> {
    const cursor = this.#told;
    if (cursor === undefined) return;
    if (kind === 'older') {
      this.#told = this.#older.length > 0 ? this.#dice.pick(this.#older) : cursor;
      return;
    }
    const [storeId, seq, tag] = cursor.split('.') as [string, string, string];
    this.#told = this.#dice.pick([
      `${storeId.split('').reverse().join('')}x.${seq}.${tag}`,
      `${storeId}.${Number(seq) + 1_000_000}.${tag}`,
      `${storeId}.${seq}.${tag === '0' ? '1' : '0'}`,
    ]);
  }

  /** Another connection of its own comes and takes the name. */
  async #takeOver(): Promise<Ending | undefined> {
    const [old, oldStream] = [this.#line, this.#stream];
    await this.#connect();
    const started = await this.#subscribe(undefined);
    const isEnded = () => old.isClosed || oldStream.entries.at(-1)?.kind === 'ended';
    if (started === 'started') await within('the one before to be told', this.#stage.until('its end', isEnded));
    if (started === 'started' && !old.isClosed) await this.#ack(old, this.#told, false);
    this.#endStream(oldStream, old.isClosed ? 'lost' : 'closed');
    old.close();
    if (started === 'refused') {
      this.#line.close();
      this.#forget();
    }
    return started === 'started' ? undefined : 'lost';
  }

  async #ack(line: Line, cursor: string | undefined, isHolder: boolean): Promise<void> {
    const { name } = this.#plan.params;
    if (cursor === undefined || name === undefined) return;
    const ack = { n: this.#stage.next(), who: this.#plan.who, name, cursor, isHolder };
    const { acks } = this.#stage.history;
    const index = acks.push(ack) - 1;
    const reply = await line.call('events/ack', { name, cursor });
    if (reply)
      acks[index] = {
        ...ack,
        answered: this.#stage.next(),
        ...(reply.error ? { error: reply.error } : { result: reply.result }),
      };
  }
}
