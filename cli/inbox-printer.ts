// Prints the inbox: entries, and with --watch what becomes of them. It knows what it has printed, so that what is told
// again is printed once, and only the end of what was printed is told.
import type { Client } from '../protocol/client.ts';
import type { Blocker, Session } from '../protocol/schema.ts';
import type { Context } from './context.ts';
import { blockerText } from './render/blocker.ts';
import { cleanLine } from './render/clean.ts';
import { entryLines } from './render/inbox.ts';
import { connectLines } from './render/inbox-connect.ts';
import { shortIds } from './render/short-id.ts';
import { localTime } from './render/time.ts';
import { wrap } from './render/width.ts';
import { findSession } from './resolve.ts';

type Shown = { blocker: Blocker; shownId: string };

export class InboxPrinter {
  readonly #context: Context;
  readonly #client: Client;
  readonly #isWanted: (session: Pick<Session, 'directory'>) => boolean;
  /** What was printed and waits still, by id. */
  readonly #shown = new Map<string, Shown>();
  #hasPrinted = false;

  constructor(context: Context, client: Client, isWanted?: (session: Pick<Session, 'directory'>) => boolean) {
    this.#context = context;
    this.#client = client;
    this.#isWanted = isWanted ?? (() => true);
  }

  /** All that waits. Of none that, and how to connect an agent; or with `watches` that more is waited for. */
  async printAll(blockers: Blocker[], { watches = false } = {}): Promise<void> {
    const ids = shortIds(
      blockers.map(({ id }) => id),
      false,
    );
    for (const blocker of blockers) await this.#print(blocker, ids.get(blocker.id)!);
    if (this.#hasPrinted || this.#context.json) return;
    this.#hasPrinted = true;
    const { out } = this.#context;
    const none = watches ? ['Nothing waits for an answer; watching (Ctrl-C ends).'] : connectLines(this.#context);
    await out.lines(none.flatMap((line) => (line.startsWith(' ') ? [line] : wrap(line, out.width))));
  }

  /** What became of a blocker: one more waits, or one that was printed waits no more. */
  async tell(blocker: Blocker): Promise<void> {
    const held = this.#shown.get(blocker.id);
    if (blocker.state === 'pending') {
      if (!held) await this.#print(blocker, shortIds([blocker.id, ...this.#shown.keys()], false).get(blocker.id)!);
      return;
    }
    if (!held) return;
    this.#shown.delete(blocker.id);
    const { out, json, now } = this.#context;
    if (json) return out.json({ blocker, session: await this.#askerOf(blocker) });
    const at = localTime(blocker.resolvedAt ?? now());
    await out.lines([
      '',
      ...wrap(`${cleanLine(held.shownId)}  ${at} ${blockerText(blocker)}`, out.width).map(out.style.green),
    ]);
  }

  /** A session is gone, and what waited in it with it. */
  async tellDeleted(sessionId: string): Promise<void> {
    const { out, json } = this.#context;
    for (const { blocker, shownId } of [...this.#shown.values()]) {
      if (blocker.sessionId !== sessionId) continue;
      this.#shown.delete(blocker.id);
      if (json) await out.json({ blocker, session: null, deleted: true });
      else await out.lines(['', `${cleanLine(shownId)}  its session was deleted`]);
    }
  }

  async #print(blocker: Blocker, shownId: string): Promise<void> {
    const { out, json, home, commandLine, now } = this.#context;
    const session = await this.#askerOf(blocker);
    if (!this.#isWanted(session ?? { directory: null })) return;
    const isFirst = !this.#hasPrinted;
    this.#hasPrinted = true;
    this.#shown.set(blocker.id, { blocker, shownId });
    if (json) return out.json({ blocker, session });
    const { width, style } = out;
    const lines = entryLines(blocker, session ?? undefined, shownId, { width, style, now: now(), home, commandLine });
    await out.lines([...(isFirst ? [] : ['']), ...lines]);
  }

  /** Looked up anew: its title may have changed. */
  async #askerOf({ sessionId }: Blocker): Promise<Session | null> {
    return (await findSession(this.#client, sessionId)) ?? null;
  }
}
