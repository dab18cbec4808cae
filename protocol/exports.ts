// What `import … from 'sessiond'` gives wherever it runs: the client, the reducer and the types. Beside it stands what only
// browsers have (exports-browser.ts) or Node (node/exports.ts). These lists are the package's surface, and nothing here imports them.
export type { Delivery, Listener, Started, Subscription } from './client.ts';
export { Client } from './client.ts';
export type { ConnectOptions } from './connect.ts';
export type { Connection, NewOp } from './connection.ts';
export type { ConnectionState } from './connection-state.ts';
export { isNewer, parseCursor } from './cursor.ts';
export type { ErrorData, ErrorKind, Rejection } from './errors.ts';
export { errorCodes, RpcError } from './errors.ts';
export type { Acknowledged, IntentOptions, Intents } from './intents.ts';
export type { HandedBack } from './intents-back.ts';
export { HandedBackError, IntentsFullError, OpIdTakenError, UnacknowledgedError } from './intents-back.ts';
export type { IntentStore } from './intents-store.ts';
export { IntentsLockedError, memoryIntents } from './intents-store.ts';
export type { LastingSubscription, News, NewsListener, Reset, SubscriptionEnd } from './lasting-subscription.ts';
export type { LiveView, ViewChange, ViewFilter, ViewOptions } from './live-view.ts';
export type {
  Filter,
  MethodName,
  Params,
  Result,
  SearchHit,
  SessionUsage,
  SnapshotItem,
  SourceStatus,
  Subscriber,
} from './methods.ts';
export type { Notification, NotificationName } from './notifications.ts';
export type { ReconnectOptions } from './reconnect.ts';
export { DisconnectedError } from './reconnect.ts';
export type {
  Artifact,
  Blocker,
  Event,
  EventType,
  Message,
  Model,
  Op,
  OpType,
  Part,
  PartContent,
  Session,
  Turn,
  Usage,
} from './schema.ts';
export type { Transport } from './transport.ts';
export { TransportClosedError } from './transport.ts';
export { protocolVersion } from './version.ts';
export type { MessageView, SessionView, View } from './view.ts';
export { addSnapshotItem, artifactKey, emptyView, reduce } from './view.ts';
