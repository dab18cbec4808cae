// A view of sessions that stays true: folded by the one reducer (view.ts) from what one subscription tells, over connections
// that end. Nothing else is ever written into it: what a reply shows may be older than what was told meanwhile (P27).
import { Listeners } from './connection-state.ts';
import { isNewer } from './cursor.ts';
import type { News, SubscriptionHost } from './lasting-subscription.ts';
import { LastingSubscription } from './lasting-subscription.ts';
import type { Filter } from './methods.ts';
import type { SessionView, View } from './view.ts';
import { addSnapshotItem, emptyView, reduce } from './view.ts';

/** Without `types`: what of a session follows from events that are left out would be wrong. */
export type ViewFilter = Omit<Filter, 'types'>;
/** `deltas`: false leaves streamed text out until its turn ends. */
export type ViewOptions = { deltas?: boolean };

/** The sessions that changed; `all` when the view was begun anew. */
export type ViewChange = ReadonlySet<string> | 'all';

export class LiveView {
  readonly subscription: LastingSubscription;
  /** Resolves when it first shows all there was; rejects where it ended before. */
  readonly ready: Promise<void>;
  #view: View = emptyView();
  /** The state that comes, in pieces: nobody sees it before it is whole. */
  #coming: View | undefined;
  #cursor: string | undefined;
  #isReady!: () => void;
  readonly #listeners = new Listeners<ViewChange>();

  constructor(filter: ViewFilter, { deltas }: ViewOptions, host: SubscriptionHost) {
    const params = { snapshot: 'always', filter, ...(deltas === undefined ? {} : { deltas }) } as const;
    this.subscription = new LastingSubscription(params, (news) => this.#take(news), host);
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      void this.subscription.ended.then(({ reason, error }) => reject(error ?? new Error(`the view ended: ${reason}`)));
    });
    this.ready.catch(() => {}); // who does not wait for it learns by the subscription's end
  }

  /** By id. The map changes as events come and is another one after a reset; the records in it are replaced, never changed. */
  get sessions(): ReadonlyMap<string, SessionView> {
    return this.#view;
  }

  /** What it shows; undefined before `ready`. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /**
   * Whether it shows a later state than a reply with this cursor: what that says of the same records is old then, and is to be
   * thrown away. Undefined where the two cannot be compared.
   */
  isNewerThan(reply: { cursor: string }): boolean | undefined {
    return this.#cursor === undefined ? undefined : isNewer(this.#cursor, reply.cursor);
  }

  /** Resolves when it shows all that was acknowledged to anyone before this call. Rejects as a call does. */
  sync(): Promise<void> {
    return this.subscription.sync();
  }

  /** `listener` is called when the view shows the change. Returns what takes the listener back. */
  onChange(listener: (change: ViewChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** It stays as it is from here on. */
  close(): void {
    this.subscription.close();
    this.#listeners.clear();
  }

  #take(news: News): void {
    switch (news.type) {
      case 'started':
        // Of one that was cut off, what came is worth nothing.
        this.#coming = news.params.mode === 'snapshot' ? emptyView() : undefined;
        return;
      case 'events/reset':
        this.#coming = emptyView();
        return;
      case 'events/snapshot':
        for (const item of news.params.items) addSnapshotItem(this.#coming!, item);
        if (!news.params.done) return;
        this.#view = this.#coming!;
        this.#coming = undefined;
        this.#cursor = news.params.cursor;
        this.#isReady();
        this.#listeners.tell('all');
        return;
      case 'events/batch': {
        for (const event of news.params.events) reduce(this.#view, event);
        this.#cursor = news.params.cursor ?? this.#cursor;
        this.#listeners.tell(new Set(news.params.events.map(({ sessionId }) => sessionId)));
        return;
      }
      case 'events/caughtUp':
      case 'events/bookmark':
        this.#cursor = news.params.cursor;
        return;
      default:
        return;
    }
  }
}
