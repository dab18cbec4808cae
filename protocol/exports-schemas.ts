// What `import … from 'sessiond/protocol'` gives: the contract as zod schemas and tables, for who checks what crosses the wire
// or speaks it without the client. The same as an OpenRPC document: `sessiond/protocol/openrpc.json`.
export { AuditEntry, Capability, rights } from './capability.ts';
export { errorCodes, jsonRpcCodes } from './errors.ts';
export type { Dialect, Frame } from './framing.ts';
export { encodeFrame, FrameDecoder } from './framing.ts';
export type { MethodName, Params, Result } from './methods.ts';
export {
  Filter,
  methods,
  protocolVersion,
  SearchHit,
  SessionUsage,
  SnapshotItem,
  SourceStatus,
  Subscriber,
} from './methods.ts';
export type { Notification, NotificationName } from './notifications.ts';
export { notifications } from './notifications.ts';
export { Batch, GuestOp, GuestResult, ReplicaItem, Share, SinkStatus } from './outbox.ts';
export type { EventType, OpType } from './schema.ts';
export {
  Artifact,
  Blocker,
  Event,
  eventData,
  Message,
  Model,
  Op,
  opParams,
  Part,
  PartContent,
  Session,
  schemaVersion,
  Turn,
  Usage,
} from './schema.ts';
