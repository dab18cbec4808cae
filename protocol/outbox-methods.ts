// The rows of the method table that are about sinks, shares, replicas and guests (PROTOCOL.md 7).
import { z } from 'zod';
import { token } from './capability.ts';
import type { Method } from './method.ts';
import { cursor, opEntry, page, pageOf, rejection } from './method.ts';
import {
  Batch,
  batchId,
  batchStates,
  GuestOp,
  GuestResult,
  MaskFinding,
  ReplicaItem,
  Share,
  SinkFilter,
  SinkStatus,
  shareId,
  shareRights,
  sinkKinds,
  sinkName,
  storeId,
} from './outbox.ts';
import { Op, sessionId, timestamp } from './schema.ts';

const url = z.string().min(1).max(2048);
const applied = z.object({
  cursor,
  applied: z.array(opEntry),
  duplicates: z.array(opEntry),
  rejected: z.array(rejection),
});

export const outboxMethods = {
  'sink/add': {
    params: z.strictObject({
      name: sinkName,
      kind: z.enum(sinkKinds),
      url,
      token: token.optional(),
      filter: SinkFilter.optional(),
      mask: z.boolean().optional(),
    }),
    result: z.object({ sink: SinkStatus }),
    right: 'admin',
    kind: 'mutation',
    summary: 'Adds a place that the journal is sent to, from its beginning on.',
  },
  'sink/list': {
    params: z.strictObject({}),
    result: z.object({ items: z.array(SinkStatus), cursor }),
    right: 'admin',
    kind: 'read',
    summary: 'The sinks, how far each has come, and what is wrong with it.',
  },
  'sink/remove': {
    params: z.strictObject({ name: sinkName }),
    result: z.object({}),
    right: 'admin',
    kind: 'mutation',
    summary: 'Removes a sink with what is waiting for it.',
  },
  'sink/pause': {
    params: z.strictObject({ name: sinkName }),
    result: z.object({ sink: SinkStatus }),
    right: 'admin',
    kind: 'mutation',
    summary: 'Sends nothing more to a sink until it is resumed.',
  },
  'sink/resume': {
    params: z.strictObject({ name: sinkName, token: token.optional() }),
    result: z.object({ sink: SinkStatus }),
    right: 'admin',
    kind: 'mutation',
    summary: 'Goes on with a sink, at once; with `token` it shows that one from now on.',
  },
  'outbox/list': {
    params: z.strictObject({ sink: sinkName.optional(), state: z.enum(batchStates).optional(), ...page }),
    result: pageOf(Batch),
    right: 'admin',
    kind: 'read',
    summary: 'The batches on their way to a sink, or to all, and the last that arrived.',
  },
  'outbox/retry': {
    params: z.strictObject({ batchId }),
    result: z.object({ batch: Batch }),
    right: 'admin',
    kind: 'mutation',
    summary: 'Sends a batch at once that waits or was set aside.',
  },
  'outbox/discard': {
    params: z.strictObject({ batchId }),
    result: z.object({}),
    right: 'admin',
    kind: 'mutation',
    summary: 'Gives a batch up: what is in it is never sent.',
  },
  'share/create': {
    params: z.strictObject({
      sessionId,
      host: url,
      rights: shareRights,
      token: token.optional(),
      expiresAt: timestamp.nullable().optional(),
    }),
    result: z.object({ shareId, url: z.string(), token }),
    right: 'share',
    kind: 'mutation',
    summary: 'Shares a session through another sessiond; the link, with its token, is shown this once.',
  },
  'share/list': {
    params: z.strictObject({ ...page }),
    result: pageOf(Share),
    right: 'share',
    kind: 'read',
    summary: 'The shares, and how far each has come.',
  },
  'share/revoke': {
    params: z.strictObject({ shareId }),
    result: z.object({ share: Share }),
    right: 'share',
    kind: 'mutation',
    summary: 'Takes a share back: at once here, at its host as soon as that can be reached.',
  },
  'share/preview': {
    params: z.strictObject({ sessionId }),
    result: z.object({ items: z.array(MaskFinding), more: z.boolean() }),
    right: 'share',
    kind: 'read',
    summary: 'The secrets of a session that would be masked if it were shared.',
  },
  'replica/append': {
    params: z.strictObject({
      origin: storeId,
      batchId,
      capabilityEpoch: z.int().min(0).optional(),
      expectedCursor: cursor.optional(),
      through: cursor.optional(),
      items: z.array(ReplicaItem).max(1000),
    }),
    result: applied,
    right: 'append',
    kind: 'mutation',
    summary: 'Takes ops of another store as they are; `through` is how far they go in its journal.',
  },
  'guest/append': {
    params: z.strictObject({ ops: z.array(Op).min(1).max(100) }),
    result: z.object({ ...applied.shape, pending: z.boolean().optional() }),
    right: 'read',
    kind: 'wait',
    summary: 'Hands ops to the home of a session that is a replica here; waits up to 10 s for what becomes of them.',
  },
  'guest/take': {
    params: z.strictObject({
      origin: storeId,
      limit: page.limit,
      waitMs: z.int().min(0).max(60_000).optional(),
    }),
    result: z.object({ items: z.array(GuestOp) }),
    right: 'append',
    kind: 'read',
    summary: 'The ops of guests that wait for their home; waits up to waitMs for the first.',
  },
  'guest/ack': {
    params: z.strictObject({ origin: storeId, results: z.array(GuestResult).min(1).max(1000) }),
    result: z.object({}),
    right: 'append',
    kind: 'mutation',
    summary: 'Tells what became of ops of guests at home; they are not handed out again.',
  },
} as const satisfies Record<string, Method>;
