// Shares (PROTOCOL.md 7): a session, sent to a host by a sink of its own, and a link for guests there. A share is a row of its own:
// it can be taken back when its session is deleted and while its host is away (P29).
import { formatCursor } from '../../protocol/cursor.ts';
import type { Refusal } from '../../protocol/errors.ts';
import { RefusedError, refuse, refuseParams } from '../../protocol/errors.ts';
import type { Share } from '../../protocol/outbox.ts';
import type { AskedOfHost, ShareHost, Sink } from '../adapters/adapter.ts';
import { HostError } from '../adapters/adapter.ts';
import type { Backoff } from '../core/outbox.ts';
import { retryDelayMs } from '../core/outbox.ts';
import type { Journal } from '../store/journal.ts';
import type { Lists } from '../store/lists.ts';
import type { OutboxRows } from '../store/outbox-rows.ts';
import type { ShareRow, ShareRows } from '../store/share-rows.ts';
import type { Capabilities } from './capabilities.ts';
import type { Dispatch, MakeSink } from './dispatch.ts';
import type { GuestIntakeDeps } from './guest-intake.ts';
import { takeGuestsHome } from './guest-intake.ts';
import type { Author } from './op-applier.ts';
import { deletionPiece } from './outbox-snapshot.ts';
import type { Runtime } from './runtime.ts';
import { within } from './within.ts';
import type { Writer } from './writer.ts';

export type ShareRight = 'read' | 'append' | 'answer';

export type SharesDeps = GuestIntakeDeps & {
  rows: ShareRows;
  outbox: OutboxRows;
  dispatch: Dispatch;
  journal: Journal;
  lists: Lists;
  writer: Writer;
  capabilities: Capabilities;
  runtime: Runtime;
  backoff: Backoff;
  makeSink: MakeSink;
  isReplica(sessionId: string): boolean;
  /** False: nothing is shared (`[share] enabled`). */
  enabled: boolean;
  signal: AbortSignal;
  onLoop(loop: Promise<void>): void;
};

export type NewShare = {
  sessionId: string;
  host: string;
  rights: readonly ShareRight[];
  token?: string | undefined;
  expiresAt?: number | null | undefined;
};

/** All that a guest may do: what is there may be put anew, and not be removed, renamed or hidden. */
const guestOps = ['turn/start', 'turn/finish', 'message/put', 'part/put', 'part/delta', 'artifact/put', 'blocker/*'];
/** How long a host may take to answer what somebody waits for, ms. */
const answerMs = 15_000;
/** How long the first of it may take to arrive before the link is given, ms. */
const arrivalMs = 5_000;
/** How often it is looked which shares are over, ms. */
const expiryMs = 1_000;

export class Shares {
  readonly #deps: SharesDeps;
  readonly #rows = new Map<string, ShareRow>();
  /** Stops the intake of guests of a share. */
  readonly #intakes = new Map<string, AbortController>();
  readonly #ending = new Set<string>();

  constructor(deps: SharesDeps) {
    this.#deps = deps;
    for (const row of deps.rows.all()) this.#rows.set(row.id, row);
  }

  /** Goes on with all that are there; behind the start of the sinks. */
  start(): void {
    for (const row of this.#rows.values()) {
      if (row.endedAt !== null) this.#finish(row);
      else if (this.#deps.enabled) this.#takeGuests(row);
      // Before it has begun.
      else void this.#deps.dispatch.halt(row.id);
    }
    this.#deps.onLoop(this.#expire());
  }

  /**
   * Shares a session. Resolves with the link, which is shown this once, when all of it is on disk here; the session is sent from
   * then on. Throws Forbidden, NotFound, or InvalidParams where the host cannot be had or does not allow it.
   */
  async create(by: Author, { sessionId, host, rights, token, expiresAt = null }: NewShare) {
    const { dispatch, lists, writer, runtime, rows, capabilities, isReplica } = this.#deps;
    if (!this.#deps.enabled) {
      throw new RefusedError(refuse('Forbidden', turnedOff, { right: 'share', sessionId }));
    }
    const session = lists.findSession(sessionId);
    if (session === undefined) {
      throw new RefusedError(
        refuse('NotFound', `there is no session ${sessionId}`, { what: 'session', id: sessionId }),
      );
    }
    if (isReplica(sessionId)) {
      const message = `session ${sessionId} is a replica: its home is another store, which shares it`;
      throw new RefusedError(refuse('Forbidden', message, { right: 'share', sessionId }));
    }
    if (expiresAt !== null && expiresAt <= runtime.now()) {
      throw new RefusedError(refuseParams('expiresAt: it is over already', { member: 'expiresAt' }));
    }
    const { url, shown } = this.#hostOf(host, token);
    const twin = this.#twinOf(sessionId, url);
    if (twin) throw new RefusedError(twin);
    const id = runtime.newId('shr');
    const guestRights = [...new Set<ShareRight>(['read', ...rights])];
    const scope = { rights: guestRights, sessions: [sessionId], expiresAt };
    // Narrowed to ops, it brings no replicas: a guest with `append` must not be able to play home.
    const guests: AskedOfHost = { label: `guests of ${id}`, ...scope, ops: guestOps };
    // What the session is sent with outlives its guests by what it takes to take it back there.
    const own: AskedOfHost = {
      ...scope,
      label: `home of ${id}`,
      rights: [...guestRights, 'append', 'share'],
      expiresAt: null,
    };
    const mine = await this.#ask(url, shown, (there, signal) => there.attenuate(dedupe(own), signal));
    let here: string | undefined;
    try {
      const link = await this.#ask(url, mine.token, (there, signal) => there.attenuate(guests, signal));
      const capability =
        guestRights.length > 1
          ? await capabilities.grant(by, { label: guests.label, ...scope, ops: [...guestOps] })
          : undefined;
      here = capability?.capability.id;
      const filter = { sessions: [sessionId] };
      const sink = dispatch.newRow({ name: id, kind: 'http', url, token: mine.token, filter, mask: true });
      const row: ShareRow = {
        ...{
          id,
          session: sessionId,
          host: url,
          rights: JSON.stringify(guestRights),
          createdAt: runtime.now(),
          expiresAt,
        },
        ...{ maker: by.grant?.capability.id ?? null, capability: here ?? null, endedAt: null },
      };
      await writer.write((onRollback) => {
        const refusal = by.grant?.invalid() ?? this.#twinOf(sessionId, url);
        if (refusal) throw new RefusedError(refusal);
        rows.add(row);
        dispatch.addRow(sink, onRollback);
        onRollback(() => this.#rows.delete(id));
        this.#rows.set(id, row);
      });
      this.#takeGuests(row);
      // A link that is followed at once should find something.
      const { signal } = this.#deps;
      await within(runtime, arrivalMs, signal, (either) => untilEither(dispatch.find(id)?.tried, either)).catch(
        () => {},
      );
      return { shareId: id, url: `${url}/#${link.token}`, token: link.token };
    } catch (error) {
      // Nobody has it; where it cannot be taken back now, nobody ever will.
      await this.#ask(url, mine.token, (there, signal) => there.revoke(mine.capabilityId, signal)).catch(() => {});
      if (here !== undefined) await capabilities.revoke({ ...by, grant: undefined }, here, 'revoke').catch(() => {});
      throw error;
    }
  }

  /** Why a session is not shared there once more: a host could not tell who is its home. */
  #twinOf(sessionId: string, url: string): Refusal | undefined {
    const twin = [...this.#rows.values()].find((row) => row.session === sessionId && row.host === url);
    if (twin) {
      const message = `it is shared there already: a link that allows less is made of that one at the host, by \`sessiond attenuate\`, another after \`sessiond unshare ${twin.id}\``;
      return refuse('AlreadyExists', message, { what: 'share', id: twin.id });
    }
    const sender = this.#deps.dispatch.sending(sessionId, url, [...this.#rows.keys()]);
    if (sender === undefined) return undefined;
    const message = `the sink ${sender} sends it there already: a link to it is made there, by \`sessiond grant --session ${sessionId}\``;
    return refuse('AlreadyExists', message, { what: 'sink', id: sender });
  }

  /** In the order of their creation. `sessions`: which the caller may know of; undefined: all. */
  list(sessions?: readonly string[]): Share[] {
    return [...this.#rows.values()]
      .filter(({ session }) => sessions === undefined || sessions.includes(session))
      .map((row) => this.#shareOf(row));
  }

  /** Takes a share back: from now on nothing is sent or taken, and the host is told until it knows. Throws NotFound. */
  async revoke(by: Author, id: string, sessions?: readonly string[]): Promise<Share> {
    const row = this.#rows.get(id);
    if (!row || (sessions && !sessions.includes(row.session))) {
      throw new RefusedError(refuse('NotFound', `there is no share ${id}`, { what: 'share', id }));
    }
    await this.#end(by, row);
    return this.#shareOf(row);
  }

  /** Throws Forbidden for a sink that is a share's: that is taken back, and not removed. */
  checkFree(name: string): void {
    if (!this.#rows.has(name)) return;
    throw new RefusedError(
      refuse('Forbidden', `it sends a share: take that back with \`sessiond unshare ${name}\``, { right: 'share' }),
    );
  }

  async #end(by: Author, row: ShareRow): Promise<void> {
    const { rows, writer, runtime, dispatch, capabilities } = this.#deps;
    if (row.endedAt === null) {
      await writer.write((onRollback) => {
        onRollback(() => {
          row.endedAt = null;
        });
        row.endedAt = runtime.now();
        rows.end(row.id, row.endedAt);
      });
    }
    this.#intakes.get(row.id)?.abort();
    this.#intakes.delete(row.id);
    await dispatch.halt(row.id);
    if (row.capability !== null && capabilities.isKnown(row.capability)) {
      await capabilities.revoke({ ...by, grant: undefined }, row.capability, 'revoke');
    }
    this.#finish(row);
  }

  /** Tells the host, until it knows, that the session and all that was made for it there are over; then forgets the share. */
  #finish(row: ShareRow): void {
    if (this.#ending.has(row.id)) return;
    this.#ending.add(row.id);
    this.#deps.onLoop(this.#finishing(row).finally(() => this.#ending.delete(row.id)));
  }

  async #finishing({ id, session, host }: ShareRow): Promise<void> {
    const { journal, runtime, backoff, outbox, makeSink, signal, writer, rows, dispatch } = this.#deps;
    await dispatch.halt(id);
    const row = outbox.sinks().find(({ name }) => name === id);
    for (let attempts = 1; row?.token && !signal.aborted; attempts += 1) {
      const sink = makeSink('http', row.url, row.token);
      try {
        const seq = journal.head.seq;
        // Of what is not there version 0 is held: a share made anew begins with its first event.
        const item = deletionPiece({ sessionId: session, id, seq, maxBytes: 0 }, 0, runtime.now());
        const outgoing = {
          origin: journal.storeId,
          batchId: `end:${id}`,
          through: formatCursor(journal.head),
          items: `[${item}]`,
        };
        const delivered = await within(runtime, answerMs, signal, (either) => sink.deliver(outgoing, either));
        if (delivered.kind === 'retry') throw new HostError(delivered.reason, false, delivered.atLeastMs);
        // What does not take the replica away takes back who may read it all the same.
        const [capabilityId] = row.token.split('.');
        await within(runtime, answerMs, signal, (either) => sink.host!.revoke(capabilityId!, either));
        break;
      } catch (error) {
        if (signal.aborted) return;
        // Also where it is refused: a door before the host may say so, and the host still have the link. That the host itself
        // does not know the token any more is no error here.
        this.#lastErrors.set(id, (error as Error).message);
        const atLeastMs = error instanceof HostError ? error.atLeastMs : undefined;
        await runtime.sleep(retryDelayMs(attempts, backoff, runtime.random(), atLeastMs), signal).catch(() => {});
      } finally {
        await sink.close();
      }
    }
    for (;;) {
      if (signal.aborted) return;
      try {
        await writer.write(() => {
          outbox.dropSink(id);
          rows.drop(id);
        });
        break;
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        await runtime.sleep(backoff.maxMs, signal).catch(() => {});
      }
    }
    this.#rows.delete(id);
    this.#lastErrors.delete(id);
    await dispatch.sendWhole(session, host).catch((error: unknown) => {
      if (!(error instanceof RefusedError)) throw error;
    });
  }

  /** Whether a share of the session goes there, which is no other than `sink` itself. */
  isBeside(sessionId: string, { name, url }: { name: string; url: string }): boolean {
    for (const { id, session, host } of this.#rows.values()) {
      if (session === sessionId && host === url && id !== name) return true;
    }
    return false;
  }

  /** Why the host of a share that ends could not be told. */
  readonly #lastErrors = new Map<string, string>();

  #takeGuests({ id, capability }: ShareRow): void {
    const host = this.#deps.dispatch.find(id)?.host;
    if (capability === null || !host) return;
    const stop = new AbortController();
    this.#intakes.set(id, stop);
    const signal = AbortSignal.any([this.#deps.signal, stop.signal]);
    this.#deps.onLoop(takeGuestsHome(this.#deps, host, { shareId: id, capabilityId: capability }, signal));
  }

  /** Takes back what is over, by its time or with the capability that it was made with. */
  async #expire(): Promise<void> {
    const { runtime, signal } = this.#deps;
    while (!signal.aborted) {
      await this.endOver();
      await runtime.sleep(expiryMs, signal).catch(() => {});
    }
  }

  /** Takes back at once what is over. Resolves when that is on disk; what cannot be written is tried again. */
  async endOver(): Promise<void> {
    const now = this.#deps.runtime.now();
    for (const row of this.#rows.values()) {
      const isOver = (row.expiresAt !== null && row.expiresAt <= now) || this.#isMakerOver(row);
      if (row.endedAt !== null || !isOver) continue;
      await this.#end({ principal: 'system', actorId: 'system' }, row).catch((error: unknown) => {
        if (!(error instanceof RefusedError)) throw error;
      });
    }
  }

  #isMakerOver({ maker }: ShareRow): boolean {
    if (maker === null) return false;
    try {
      this.#deps.capabilities.actWith(maker);
      return false;
    } catch {
      return true;
    }
  }

  /** Where a host is, and what is shown there: given with it, or in its url, or what a sink there shows already. */
  #hostOf(host: string, token: string | undefined): { url: string; shown: string } {
    const wrong = (message: string) => new RefusedError(refuseParams(`host: ${message}`, { member: 'host' }));
    if (!URL.canParse(host)) throw wrong('expected a url, as https://host.example:7433');
    const parsed = new URL(host);
    if (parsed.username || parsed.password || parsed.search) {
      throw wrong('give where it is alone; the token stands behind #, or by itself');
    }
    let inUrl: string;
    try {
      inUrl = decodeURIComponent(parsed.hash.slice(1));
    } catch {
      throw wrong('what stands behind # is no token');
    }
    const url = `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '');
    const known = this.#deps.dispatch.tokenFor(url, [...this.#rows.keys()]);
    const shown = token ?? (inUrl === '' ? known : inUrl);
    if (shown !== undefined) return { url, shown };
    const message = `token: ${url} asks for one: have its owner run \`sessiond grant --rights read,append,answer,share\` and give it here`;
    throw new RefusedError(refuseParams(message, { member: 'token' }));
  }

  async #ask<T>(url: string, token: string, ask: (host: ShareHost, signal: AbortSignal) => Promise<T>): Promise<T> {
    let sink: Sink | undefined;
    try {
      sink = this.#deps.makeSink('http', url, token);
      const { host } = sink;
      return await within(this.#deps.runtime, answerMs, this.#deps.signal, (signal) => ask(host!, signal));
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new RefusedError(refuseParams(`host: ${(error as Error).message}`, { member: 'host' }));
    } finally {
      await sink?.close();
    }
  }

  #shareOf({ id, session, host, rights, createdAt, expiresAt, endedAt }: ShareRow): Share {
    const { dispatch, lists } = this.#deps;
    const record = lists.findSession(session);
    const outlet = dispatch.find(id);
    return {
      ...{ id, sessionId: session, host, createdAt, expiresAt, rights: JSON.parse(rights) as Share['rights'] },
      title: record === undefined ? null : (JSON.parse(record) as { title: string | null }).title,
      state: endedAt !== null ? 'ending' : (outlet?.row.state ?? 'paused'),
      lag: outlet && endedAt === null ? outlet.lag : 0,
      lastError: endedAt === null ? (outlet ? outlet.row.lastError : turnedOff) : (this.#lastErrors.get(id) ?? null),
    };
  }
}

const turnedOff = 'sharing is turned off: set enabled = true under [share] in config.toml and start sessiond again';

function untilEither(first: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return Promise.race([first ?? Promise.resolve(), ended]);
}

function dedupe(asked: AskedOfHost): AskedOfHost {
  return { ...asked, rights: [...new Set(asked.rights)] };
}
