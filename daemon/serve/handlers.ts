// The method table bound to the engine; thin. What a method means is in core/, store/ and engine/.

import { rights } from '../../protocol/capability.ts';
import { formatCursor } from '../../protocol/cursor.ts';
import { RefusedError, refuse } from '../../protocol/errors.ts';
import { protocolVersion } from '../../protocol/methods.ts';
import type { Op, OpType } from '../../protocol/schema.ts';
import { opEnvelope, opTypes } from '../../protocol/schema.ts';
import type { Bell } from '../engine/bell.ts';
import type { Capabilities } from '../engine/capabilities.ts';
import type { Compaction } from '../engine/compaction.ts';
import type { ExportPlace } from '../engine/export.ts';
import { exportFormats, exportPage } from '../engine/export.ts';
import type { FeedDeps } from '../engine/feed.ts';
import { unauthorized } from '../engine/grant.ts';
import type { Page, Reads } from '../engine/reads.ts';
import type { Retention } from '../engine/retention.ts';
import type { Runtime } from '../engine/runtime.ts';
import type { Series } from '../engine/series.ts';
import type { Sources } from '../engine/sources.ts';
import type { StoreTasks } from '../engine/store-tasks.ts';
import type { Subscribers } from '../engine/subscribers.ts';
import type { AppendedOne, Writer } from '../engine/writer.ts';
import { Caller } from './caller.ts';
import { capabilityHandlers, redeem } from './capabilities.ts';
import { dayIn } from './day.ts';
import { eventsReadHandler } from './events-read.ts';
import type { Limits } from './limits.ts';
import { RawJson } from './message.ts';
import { openRpcDocument } from './openrpc.ts';
import type { OutboxDeps } from './outbox.ts';
import { outboxHandlers } from './outbox.ts';
import type { Pages } from './page.ts';
import type { Peer } from './peer.ts';
import type { ReplicaDeps } from './replicas.ts';
import { replicaHandlers } from './replicas.ts';
import type { Handlers } from './rpc.ts';
import type { SearchDeps } from './search.ts';
import { searchSessions } from './search.ts';
import { subscribeHandlers } from './subscribe.ts';
import { subscriberHandlers } from './subscribers.ts';
import { waitForBlocker } from './wait.ts';

/** What the handlers stand on. */
export type HandlerDeps = Reads &
  Pick<SearchDeps, 'indexer' | 'searcher'> &
  OutboxDeps &
  ReplicaDeps & {
    capabilities: Capabilities;
    writer: Writer;
    series: Series;
    bell: Bell;
    runtime: Runtime;
    limits: Limits;
    pages: Pages;
    version: string;
    startedAt: number;
    peers: ReadonlySet<Peer>;
    retention: Pick<Retention, 'floor'>;
    subscribers: Subscribers;
    feeds: FeedDeps;
    compaction: Compaction;
    storeTasks: StoreTasks;
    /** How long op ids are kept (PROTOCOL.md 5), ms. */
    ledgerMaxAgeMs: number;
    storeBytes(): number;
    sources: Pick<Sources, 'list' | 'rescan' | 'add' | 'remove'>;
    /** Where it is reached over TCP. */
    url(): string | undefined;
    shutdown(): void;
  };

export function createHandlers(deps: HandlerDeps): Handlers {
  const { journal, lists, writer, series, pages } = deps;
  const head = () => formatCursor(journal.head);
  let openRpc: RawJson | undefined;

  const noSession = (id: string) =>
    new RefusedError(refuse('NotFound', `there is no session ${id}`, { what: 'session', id }));
  const pageOf = (caller: Caller, page: Page | undefined, sessionId: string) => {
    if (!page) throw noSession(sessionId);
    return pages.result(caller, page, head());
  };

  const rowsOf = (kind: 'turn' | 'blocker', { limit = 100, pageToken, ...query }: RowParams, caller: Caller) => {
    const after = pages.placeOf(caller, pageToken, 'pair');
    const page = lists.readRows(kind, { ...query, sessions: caller.sessions }, limit, after);
    return pageOf(caller, page, query.sessionId ?? '');
  };

  /** Where transcripts lie, and how far they were read, tells of sessions that may be hidden. */
  const sourcesFor = ({ sessions }: Caller) => (sessions ? [] : deps.sources.list());

  return {
    ...opHandlers(writer, deps.runtime),
    ...subscribeHandlers(deps),
    ...subscriberHandlers(deps),
    ...capabilityHandlers(deps),
    ...eventsReadHandler(deps),
    ...outboxHandlers(deps),
    ...replicaHandlers(deps),

    initialize: async (params, peer) => {
      peer.peer.introduce(params.client.name);
      if (params.token !== undefined) await redeem(deps.capabilities, peer.peer, params.token);
      if (peer.peer.isNobody) throw new RefusedError(unauthorized('unknown'));
      const { author, grant } = new Caller(peer.peer);
      return {
        protocolVersion,
        server: { name: 'sessiond', version: deps.version, pid: process.pid },
        storeId: journal.storeId,
        head: head(),
        connectionId: peer.id,
        actorId: author.actorId,
        rights: [...(grant?.capability.rights ?? rights)],
        ledgerMaxAgeMs: deps.ledgerMaxAgeMs,
      };
    },
    ping: () => ({}),
    'rpc.discover': (_params, _peer, call) => {
      openRpc ??= new RawJson(JSON.stringify(openRpcDocument(deps.version)));
      return call.read(() => openRpc!);
    },

    'ops/append': ({ ops, ...options }, peer) =>
      writer.append(peer.author, ops, { ...options, floor: deps.retention.floor }),

    'session/fork': ({ opId = deps.runtime.newId('op'), ...params }, peer) =>
      series.forkSession(peer.author, { opId, ...params }).then(seriesResult),
    'session/import': ({ opId = deps.runtime.newId('op'), ...params }, peer) =>
      series.importSession(peer.author, { opId, ...params }).then(seriesResult),
    'session/export': ({ sessionId, format, pageToken }, peer) => {
      const { lists: shown } = exportFormats[format];
      const place = pages.placeOf(peer, pageToken, 'export', (given) => shown.includes((given as ExportPlace)[0]));
      const from = place === undefined ? undefined : (JSON.parse(place) as ExportPlace);
      const page = exportPage(lists, sessionId, exportFormats[format], from);
      if (!page) throw noSession(sessionId);
      return { text: page.text, ...pages.next(peer, page.next && JSON.stringify(page.next)), cursor: head() };
    },

    'session/list': ({ limit = 100, pageToken, ...query }, peer) => {
      const after = pages.placeOf(peer, pageToken, 'numbers');
      return pages.result(peer, lists.readSessions({ ...query, sessions: peer.sessions }, limit, after), head());
    },
    'session/get': ({ sessionId }) => {
      const session = lists.findSession(sessionId);
      if (session === undefined) throw noSession(sessionId);
      const turns = lists.openTurns(sessionId).join(',');
      const blockers = lists.pendingBlockers(sessionId).join(',');
      const replica = writer.isReplica(sessionId) ? '"replica":true,' : '';
      const records = `"session":${session},"turns":[${turns}],"blockers":[${blockers}]`;
      return new RawJson(`{${records},${replica}"cursor":"${head()}"}`);
    },
    'session/search': (params, peer) => searchSessions(deps, { ...params, sessions: peer.sessions }, peer),
    'turn/list': (params, peer) => rowsOf('turn', params, peer),
    'blocker/list': (params, peer) => rowsOf('blocker', params, peer),
    'blocker/wait': (params, peer, call) => waitForBlocker(deps, params, peer, call),
    'message/list': ({ sessionId, order = 'asc', limit = 100, pageToken }, peer) => {
      const after = pages.placeOf(peer, pageToken, 'index');
      return pageOf(peer, lists.readMessages(sessionId, order, limit, after), sessionId);
    },
    'artifact/list': ({ sessionId, kind, limit = 100, pageToken }, peer) => {
      const after = pages.placeOf(peer, pageToken, 'texts');
      return pageOf(peer, lists.readArtifacts(sessionId, kind, limit, after), sessionId);
    },

    'session/usage': ({ since = 0, timeZone = 'UTC', limit = 100, pageToken }, peer) => {
      const dayOf = dayIn(timeZone);
      const after = pages.placeOf(peer, pageToken, 'pair');
      return pages.result(peer, lists.readUsage(since, dayOf, limit, after, peer.sessions), head());
    },

    'source/list': (_params, peer) => ({ items: sourcesFor(peer), cursor: head() }),
    'source/add': async ({ kind, path }) => ({ source: await deps.sources.add(kind, path) }),
    'source/remove': async ({ name }) => {
      await deps.sources.remove(name);
      return {};
    },
    'source/rescan': async ({ name }) => ({ files: await deps.sources.rescan(name) }),

    'daemon/status': (_params, peer) => ({
      version: deps.version,
      pid: process.pid,
      startedAt: deps.startedAt,
      storeId: journal.storeId,
      head: head(),
      earliest: formatCursor(journal.cursorAt(deps.retention.floor)),
      storeBytes: peer.sessions ? 0 : deps.storeBytes(),
      sessions: lists.countSessions(peer.sessions),
      events: journal.count(),
      connections: [...deps.peers].filter((other) => !peer.sessions || other === peer.peer).map(connectionStatus),
      sinks: peer.sessions ? [] : deps.dispatch.list(),
      sources: sourcesFor(peer),
      memoryBytes: process.memoryUsage.rss(),
      http: peer.grant ? null : (deps.url() ?? null),
    }),
    'store/backup': ({ path }) => deps.storeTasks.backup(path),
    'store/check': () => deps.storeTasks.check(),
    'store/compact': async () => ({ freedBytes: await deps.compaction.run(), storeBytes: deps.storeBytes() }),
    'daemon/shutdown': (_params, _peer, call) => {
      call.afterReply(deps.shutdown);
      return {};
    },
  };
}

function connectionStatus({ id, client, feeds, connection }: Peer) {
  const lag = Math.max(0, ...[...feeds.values()].map((feed) => feed.lag));
  return { id, client, subscriptions: feeds.size, lag, bufferedBytes: connection.bufferedBytes };
}

/** A series answers as an op does. What its op id keeps beside the new session is not for the caller. */
function seriesResult({ cursor, seq, version, duplicate, ids: { sessionId } }: AppendedOne) {
  return { cursor, seq, version, duplicate, ids: { sessionId: sessionId! } };
}

type RowParams = {
  sessionId?: string | undefined;
  state?: string | undefined;
  limit?: number | undefined;
  pageToken?: string | undefined;
};

type OpHandlers = Pick<Handlers, OpType>;

/** Each op type is also a method of its name, with what goes around an op beside its params. */
function opHandlers(writer: Writer, runtime: Runtime): OpHandlers {
  const handler = (type: OpType) => (given: Record<string, unknown>, peer: Caller) => {
    const envelope: Record<string, unknown> = {};
    const params: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(given)) (name in opEnvelope ? envelope : params)[name] = value;
    envelope.opId ??= runtime.newId('op');
    const op = { type, params, ...envelope } as unknown as Op;
    return writer.appendOne(peer.author, op).then(({ cursor, seq, version, duplicate, ids }) => ({
      cursor,
      seq,
      version,
      duplicate,
      ids,
    }));
  };
  return Object.fromEntries(opTypes.map((type) => [type, handler(type)])) as unknown as OpHandlers;
}
