// The wiring of what goes out to others: sinks, shares, and the masking of what they are sent.
import { defaultOutbox } from './config.ts';
import type { Backoff } from './core/outbox.ts';
import type { Bell } from './engine/bell.ts';
import type { Capabilities } from './engine/capabilities.ts';
import type { MakeSink } from './engine/dispatch.ts';
import { Dispatch } from './engine/dispatch.ts';
import { Masker } from './engine/mask.ts';
import type { Runtime } from './engine/runtime.ts';
import { SharePreview } from './engine/share-preview.ts';
import { Shares } from './engine/shares.ts';
import type { Writer } from './engine/writer.ts';
import type { Journal } from './store/journal.ts';
import type { Lists } from './store/lists.ts';
import type { Db } from './store/open.ts';
import { OutboxRows } from './store/outbox-rows.ts';
import type { Reader } from './store/reader.ts';
import type { SessionWalk } from './store/session-walk.ts';
import { ShareRows } from './store/share-rows.ts';

export type SendingOptions = {
  /** The bundle of the worker that masks secrets. */
  maskWorker: string;
  /** How long to wait before what did not arrive is sent again. */
  outbox?: Backoff;
  /** Whether sessions may be shared. */
  sharing?: boolean;
  makeSink?: MakeSink;
};

export type SendingDeps = {
  db: Db;
  journal: Journal;
  lists: Lists;
  walk: SessionWalk;
  bell: Bell;
  runtime: Runtime;
  capabilities: Capabilities;
  writer: Writer;
  openReader(): Reader;
  onLoop(loop: Promise<void>): void;
  signal: AbortSignal;
  options: SendingOptions;
};

export type Sending = { dispatch: Dispatch; shares: Shares; preview: SharePreview; masker: Masker };

const noSinks: MakeSink = () => {
  throw new Error('this sessiond has no sinks');
};
/** Of a batch to a sink: as many as a subscriber is sent at once. */
const outboxLimits = { maxEvents: 200, maxBytes: 256 * 1024 };
const deliverMs = 60_000;

export function wireSending({ db, walk, bell, capabilities, openReader, options, ...deps }: SendingDeps): Sending {
  const { journal, runtime } = deps;
  const { outbox: backoff = defaultOutbox, makeSink = noSinks, sharing: enabled = true } = options;
  const { isReplica } = deps.writer;
  const masker = new Masker({ workerPath: options.maskWorker, runtime });
  const outbox = new OutboxRows(db);
  const sending = { ...deps, backoff, makeSink, isReplica };
  const dispatch = new Dispatch({
    ...{ ...sending, rows: outbox, walk, bell, openReader, deliverMs, limits: outboxLimits },
    isSharedBeside: (id, sink) => shares.isBeside(id, sink),
    mask: (items, signal) => masker.mask(items, signal),
  });
  const shares: Shares = new Shares({
    ...{ ...sending, rows: new ShareRows(db), outbox, dispatch, capabilities, enabled },
    storeId: journal.storeId,
  });
  const find = (items: readonly string[], signal: AbortSignal) => masker.find(items, signal);
  return { dispatch, shares, masker, preview: new SharePreview({ journal, openReader, find }) };
}
