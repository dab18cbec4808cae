// The wiring: the only file that knows every room. Opens the store, listens, reads sources; closes all of it in order.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { formatCursor } from '../protocol/cursor.ts';
import { refuse } from '../protocol/errors.ts';
import { FrameRoom } from '../protocol/framing.ts';
import type { Paths } from '../protocol/node/paths.ts';
import { SocketTransport } from '../protocol/node/socket.ts';
import type { Transport } from '../protocol/transport.ts';
import type { Source } from './adapters/adapter.ts';
import { defaultAudit, defaultLedger, defaultRetention } from './config.ts';
import type { RetentionRule } from './core/retention.ts';
import { Bell } from './engine/bell.ts';
import { Capabilities } from './engine/capabilities.ts';
import type { AuditRule } from './engine/capability-audit.ts';
import { Checkpoints } from './engine/checkpoints.ts';
import { Compaction } from './engine/compaction.ts';
import { failpointBeforeWrites } from './engine/failpoint.ts';
import { Guests } from './engine/guests.ts';
import type { IndexerLimits } from './engine/indexer.ts';
import { Indexer } from './engine/indexer.ts';
import { Replicas } from './engine/replicas.ts';
import { Retention } from './engine/retention.ts';
import type { Runtime } from './engine/runtime.ts';
import type { SearchLimits } from './engine/search.ts';
import { Searcher } from './engine/search.ts';
import { Series } from './engine/series.ts';
import { SharedReads } from './engine/shared-reads.ts';
import type { SourceKinds } from './engine/sources.ts';
import { Sources } from './engine/sources.ts';
import { Spools } from './engine/spool.ts';
import { StoreTasks } from './engine/store-tasks.ts';
import { Subscribers } from './engine/subscribers.ts';
import { Sweep } from './engine/sweep.ts';
import { Writer } from './engine/writer.ts';
import type { Sending, SendingOptions } from './sending.ts';
import { wireSending } from './sending.ts';
import { Access } from './serve/access.ts';
import type { Call, Connection } from './serve/connection.ts';
import { listenOn } from './serve/given-socket.ts';
import { createHandlers } from './serve/handlers.ts';
import type { HttpListen } from './serve/http/door.ts';
import type { Limits } from './serve/limits.ts';
import { defaultLimits } from './serve/limits.ts';
import type { Listening } from './serve/listen.ts';
import { fitting } from './serve/open-files.ts';
import { Pages } from './serve/page.ts';
import type { Entry } from './serve/peer.ts';
import { Reception } from './serve/reception.ts';
import { bindMethods } from './serve/rpc.ts';
import { AuditRows } from './store/audit-rows.ts';
import { CapabilityRows } from './store/capability-rows.ts';
import { FreeSpace } from './store/free-space.ts';
import { GuestRows } from './store/guest-rows.ts';
import { Journal } from './store/journal.ts';
import { Lists } from './store/lists.ts';
import type { OpenStore } from './store/open.ts';
import { isDamage, openStore } from './store/open.ts';
import { Positions } from './store/positions.ts';
import { Pruner } from './store/pruner.ts';
import { openReader } from './store/reader.ts';
import { ReplicaRows } from './store/replica-rows.ts';
import { SessionWalk } from './store/session-walk.ts';
import { SourceRows } from './store/source-rows.ts';
import { SubscriberRows } from './store/subscriber-rows.ts';
import { Tables } from './store/tables.ts';
import { damagedStore } from './store/write-fault.ts';
import { watchFiles } from './watch-files.ts';

export type DaemonOptions = SendingOptions & {
  paths: Paths;
  version: string;
  runtime: Runtime;
  /** The sources that are there by default. */
  sources: Source[];
  /** What can be added beside them. */
  sourceKinds?: SourceKinds;
  /** The socket, where a service manager listens on it and handed it over; undefined: the daemon makes it itself. */
  givenFd?: number | undefined;
  limits?: Partial<Limits>;
  /** The bundle of the worker that searches. */
  searchWorker: string;
  /** The bundle of the worker that backs the store up and checks it. */
  storeWorker: string;
  /** The bundle of the worker that copies the store's log back. */
  checkpointWorker: string;
  search?: Partial<SearchLimits & IndexerLimits>;
  /** How long op ids are kept. */
  ledger?: { maxAgeMs: number };
  /** How long, and how much, it is kept who did what with capabilities. */
  audit?: AuditRule;
  /** Where HTTP is listened for beside the socket; undefined: nowhere. */
  http?: HttpListen | undefined;
  /** How much of the journal is kept. */
  retention?: RetentionRule;
};

/** How the daemon ended: asked to, or because the store could not be written (P11). */
export type Ending = { kind: 'stopped' } | { kind: 'failed'; error: unknown };

export class Daemon {
  /** Resolves when everything is closed. */
  readonly ended: Promise<Ending>;
  readonly #options: DaemonOptions;
  readonly #limits: Limits;
  readonly #store: OpenStore;
  readonly #writer: Writer;
  readonly #sources: Sources;
  readonly #sweep: Sweep;
  readonly #sending: Sending;
  readonly #indexer: Indexer;
  readonly #searcher: Searcher;
  readonly #storeTasks: StoreTasks;
  readonly #checkpoints: Checkpoints;
  readonly #reception: Reception;
  readonly #abort = new AbortController();
  /** The loops that write, and the one that indexes: the store stays open until they have ended. */
  readonly #writing = new Set<Promise<void>>();
  #url: string | undefined;
  #listening: Listening | undefined;
  #stopping = false;
  #isIndexing = false;
  #end!: (ending: Ending) => void;

  /** Opens the store. Throws StoreError when it cannot be had; nothing is left open then. */
  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#limits = fitting({ ...defaultLimits, ...options.limits });
    const { runtime, version } = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#store = openStore(options.paths.data, { onWrite: failpointBeforeWrites() });
    const { db, path: store } = this.#store;
    this.#checkpoints = new Checkpoints({ workerPath: options.checkpointWorker, store, runtime });
    const journal = new Journal(db);
    const tables = new Tables(db, journal);
    const bell = new Bell();
    const positions = new Positions(db);
    this.#writer = new Writer(
      this.#store,
      journal,
      tables,
      bell,
      runtime,
      (error) => void this.stop({ kind: 'failed', error }),
      (rows, bytes) => this.#checkpoints.note(rows, bytes),
    );
    const { ledger } = this.#writer;
    const lists = new Lists(db, journal);
    const { maxAgeMs: ledgerMaxAgeMs } = options.ledger ?? defaultLedger;
    const capabilities = new Capabilities({
      rows: new CapabilityRows(db),
      audit: new AuditRows(db),
      auditRule: options.audit ?? defaultAudit,
      onEnded: (ids) => {
        for (const peer of this.#reception.peers)
          if (peer.grant && ids.has(peer.grant.capability.id)) peer.endActing('revoked');
        this.#ownWriting(this.#sending.shares.endOver());
      },
      writer: this.#writer,
      runtime,
    });
    const subscribers = new Subscribers({
      rows: new SubscriberRows(db),
      journal,
      writer: this.#writer,
      runtime,
      maxNames: this.#limits.maxNames,
      isGone: (principal) => capabilities.isGone(principal),
      rootOf: (principal) => capabilities.rootOf(principal),
    });
    const walk = new SessionWalk(db);
    const openReaderNow = () => openReader(this.#store.log.openShown());
    const onLoop = (loop: Promise<void>) => this.#ownWriting(loop);
    this.#sending = wireSending({
      ...{ db, journal, lists, walk, bell, runtime, capabilities, writer: this.#writer, onLoop },
      ...{ openReader: openReaderNow, signal: this.#abort.signal, options },
    });
    const { dispatch } = this.#sending;
    const retention = new Retention({
      journal,
      pruner: new Pruner(db, journal),
      writer: this.#writer,
      runtime,
      rule: options.retention ?? defaultRetention,
      acknowledged: (floor) => [...subscribers.acknowledged(floor), ...dispatch.acknowledged(floor)],
    });
    const guestRows = new GuestRows(db);
    const replicaRows = new ReplicaRows(db);
    const guests = new Guests({
      ...{ rows: guestRows, replicas: replicaRows, records: tables, journal, audit: new AuditRows(db) },
      ...{ kin: capabilities, writer: this.#writer, runtime, limits: this.#limits },
    });
    const swept = { lists, ledger, guests: guestRows, retention, subscribers, capabilities };
    this.#sweep = new Sweep({ writer: this.#writer, ...swept, runtime, ledgerMaxAgeMs });
    const deps = { writer: this.#writer, tables, ledger, positions, runtime };
    this.#sources = new Sources({
      defaults: options.sources,
      kinds: options.sourceKinds ?? {},
      rows: new SourceRows(db),
      ingest: deps,
      signal: this.#abort.signal,
      onLoop,
    });
    const index = join(options.paths.data, 'search.db');
    const { search: searchLimits = {} } = options;
    this.#indexer = new Indexer({ path: index, db, journal, bell, runtime, limits: searchLimits });
    this.#searcher = new Searcher({
      workerPath: options.searchWorker,
      paths: { store: this.#store.path, index },
      runtime,
      limits: searchLimits,
    });
    this.#storeTasks = new StoreTasks({ workerPath: options.storeWorker, store: this.#store.path });
    const { maxFrameBytes, maxUnfinishedBytes } = this.#limits;
    const room = new FrameRoom(maxUnfinishedBytes);
    this.#reception = new Reception({
      limits: this.#limits,
      runtime,
      signal: this.#abort.signal,
      http: { capabilities, storeId: journal.storeId, head: () => formatCursor(journal.head) },
      transportOf: (socket) => new SocketTransport(socket, { maxFrameBytes, room }),
      own: (work) => this.#own(work),
      onServe: () => this.#startIndexing(),
    });
    const handlers = createHandlers({
      capabilities,
      guests,
      replicas: new Replicas({ rows: replicaRows, writer: this.#writer, guests, kin: capabilities }),
      ...this.#sending,
      indexer: this.#indexer,
      searcher: this.#searcher,
      journal,
      lists,
      ledgerMaxAgeMs,
      retention,
      subscribers,
      feeds: {
        journal,
        retention,
        lists,
        bell,
        runtime,
        reads: new SharedReads(journal),
        walk,
        spools: new Spools(options.paths.data, openReaderNow),
      },
      compaction: new Compaction({ space: new FreeSpace(db), retention, writer: this.#writer, runtime }),
      storeTasks: this.#storeTasks,
      writer: this.#writer,
      series: new Series({ writer: this.#writer, lists, records: tables, ledger, journal }),
      bell,
      runtime,
      limits: this.#limits,
      pages: new Pages(this.#store.secret),
      version,
      startedAt: runtime.now(),
      peers: this.#reception.peers,
      storeBytes: () => storeBytes(this.#store.path) + this.#indexer.bytes,
      sources: this.#sources,
      url: () => this.#url,
      shutdown: () => void this.stop(),
    });
    const onIncident = (error: unknown) => {
      const incident = runtime.newId('inc');
      runtime.log.error({ err: error, incident }, 'an unexpected error');
      return incident;
    };
    const peerOf = (connection: Connection) => this.#reception.peerOf(connection);
    const access = new Access({ lists, capabilities });
    const refusalOf = (error: unknown) => (isDamage(error) ? damagedStore() : undefined);
    const settled = () => this.#writer.settled();
    const peerOfCall = (call: Call) => peerOf(call.connection);
    this.#reception.answerWith(bindMethods(handlers, peerOfCall, access, onIncident, refusalOf, settled));
  }

  /** Listens on the socket, then starts reading sources. Rejects with ListenError; the store is closed then. */
  async start(): Promise<void> {
    try {
      const { givenFd, http, paths } = this.#options;
      this.#listening = await listenOn(givenFd, paths.socket, (socket) => this.#reception.take(socket));
      if (http) this.#url = await this.#reception.listen(http);
    } catch (error) {
      this.#listening?.close();
      this.#store.close();
      throw error;
    }
    this.#sources.start();
    this.#ownWriting(
      watchFiles(this.#listening, this.#writer, { runtime: this.#options.runtime, signal: this.#abort.signal }),
    );
    this.#ownWriting(this.#sweep.run(this.#abort.signal));
    this.#sending.dispatch.start();
    this.#sending.shares.start();
    this.#startIndexing();
  }

  /** Serves one connection until it ends; also for gateways and tests, over any transport. */
  serve(transport: Transport, entry?: Entry): Promise<void> {
    return this.#reception.serve(transport, entry);
  }

  /** Answers what was taken, refuses the rest with ShuttingDown, closes everything. Idempotent. */
  async stop(ending: Ending = { kind: 'stopped' }): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#listening?.isGiven) this.#listening.close();
    this.#abort.abort();
    await this.#writer.close(refuse('ShuttingDown', 'sessiond is shutting down: send it again when it is back', {}));
    await this.#storeTasks.close(); // they are ended, and whoever waits for one is told so
    await this.#reception.end();
    this.#sending.masker.close();
    await Promise.allSettled([...this.#writing, this.#searcher.close(), this.#checkpoints.close()]);
    // The socket goes before the lock: a successor binds only after this process holds neither.
    this.#listening?.close();
    this.#store.close();
    this.#end(ending);
  }

  /** Where it is reached over TCP; undefined where it is not. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Once, and not before somebody can ask: a daemon that cannot listen has nothing to end. */
  #startIndexing(): void {
    if (this.#isIndexing || this.#stopping) return;
    this.#isIndexing = true;
    this.#ownWriting(this.#indexer.run(this.#abort.signal));
  }

  #ownWriting(loop: Promise<void>): void {
    this.#writing.add(loop);
    this.#own(loop.finally(() => this.#writing.delete(loop)));
  }

  /** Every loop has an owner: one that fails for an unforeseen reason ends the daemon loudly. */
  #own(loop: Promise<void>): void {
    loop.catch((error: unknown) => {
      this.#options.runtime.log.error({ err: error }, 'a loop of the daemon failed');
      void this.stop({ kind: 'failed', error });
    });
  }
}

function storeBytes(path: string): number {
  return [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}
