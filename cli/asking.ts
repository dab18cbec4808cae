// One question of this process: put into a session, waited for, and taken back when nobody waits for it any more. Its ids are
// made once, so that it may be sent again after a lost connection and is there once.
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../protocol/client.ts';
import { RpcError } from '../protocol/errors.ts';
import type { Blocker, OpParams } from '../protocol/schema.ts';
import { TransportClosedError } from '../protocol/transport.ts';
import { findBlocker } from './blockers.ts';
import { connect } from './connect.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';
import { newId } from './new-id.ts';
import { resolveSession } from './resolve.ts';

/** Where to ask: a session as it was typed, else the newest of a folder. */
export type Place = { session?: string | undefined; dir: string };
type Asked = Pick<OpParams['blocker/ask'], 'kind' | 'request'>;

/** Why nobody waits any more, as the inbox is told too, and the code to exit with. */
export type Stop = { reason: string; code: number };

/** Before a connection that was lost is made again, so that a daemon that is told to stop is gone by then. */
const pauseMs = 1000;
/** For taking a question back: whoever ended this process waits for it. */
const takeBackMs = 5000;

export class Asking {
  readonly blockerId = newId('blk');
  readonly #opId = newId('op');
  readonly #ownSession = { opId: newId('op'), sessionId: newId('ses') };
  readonly #context: Context;
  readonly #place: Place;
  readonly #asked: Asked;
  /** Fixed when it is known: the same op must not be sent again with another one. */
  #sessionId: string | undefined;
  #isOver = false;

  constructor(context: Context, place: Place, asked: Asked) {
    this.#context = context;
    this.#place = place;
    this.#asked = asked;
  }

  /**
   * Resolves when it is resolved. `isWaiting` is called once the inbox holds it. `stopped` resolves when nobody waits any
   * more: then it is taken back and this rejects with a CliError of that, unless somebody was faster with an answer.
   */
  async answer(stopped: Promise<Stop>, isWaiting: () => Promise<void>): Promise<Blocker> {
    const ended = stopped.then((stop) => ({ stop }));
    for (;;) {
      const attempt = this.#attempt(isWaiting).then((blocker) => ({ blocker }));
      attempt.catch(() => {}); // one that was stopped is not waited for
      try {
        const first = await Promise.race([attempt, ended]);
        if ('blocker' in first) return first.blocker;
        return await this.#takeBack(first.stop);
      } catch (error) {
        if (!isLost(error)) throw error;
      }
      const paused = await Promise.race([sleep(pauseMs), ended]);
      if (paused) return this.#takeBack(paused.stop);
    }
  }

  async #attempt(isWaiting: () => Promise<void>): Promise<Blocker> {
    const { client } = await connect(this.#context);
    try {
      const { blockerId } = this;
      this.#sessionId ??= await this.#findSession(client);
      if (this.#isOver) throw new TransportClosedError(); // it was not asked yet, and is not any more
      await client.call('blocker/ask', { opId: this.#opId, sessionId: this.#sessionId, blockerId, ...this.#asked });
      await isWaiting();
      for (;;) {
        const { blocker } = await client.call('blocker/wait', { blockerId });
        if (blocker.state !== 'pending') return blocker;
      }
    } finally {
      client.close();
    }
  }

  /** The session that is meant; without any in the folder, one that is made for it. */
  async #findSession(client: Client): Promise<string> {
    const { session, dir } = this.#place;
    if (session !== undefined) return (await resolveSession(this.#context, client, session)).id;
    const folders = new Set([resolve(dir), realpathOf(dir)]);
    for (const directory of folders) {
      const { items } = await client.call('session/list', { directory, parentId: null, archived: false, limit: 1 });
      if (items[0]) return items[0].id;
    }
    const title = 'Asked from a shell';
    const [directory] = folders;
    const own = { ...this.#ownSession, agent: 'shell', title, directory: directory! };
    await client.call('session/create', own).catch(noneMade);
    return this.#ownSession.sessionId;
  }

  /**
   * Rejects what was asked, over a connection of its own: the other may be stuck. One that comes before what was asked is
   * kept, and that is then born rejected.
   */
  async #takeBack({ reason, code }: Stop): Promise<Blocker> {
    this.#isOver = true;
    const stays = 'could not be taken back and stays in the inbox';
    const late = sleep(takeBackMs, stays, { ref: false });
    const end = await Promise.race([this.#reject(reason).catch(() => stays), late]);
    if (typeof end === 'object') return end;
    throw new CliError(code, `${reason}; the question ${end ?? 'is taken back'}`);
  }

  /** The blocker, when somebody resolved it before. */
  async #reject(reason: string): Promise<Blocker | undefined> {
    const { blockerId } = this;
    const sessionId = this.#sessionId;
    if (sessionId === undefined) return undefined;
    const { client } = await connect({ ...this.#context, spawn: false });
    try {
      await client.call('blocker/reject', { sessionId, blockerId, reason });
      return undefined;
    } catch (error) {
      if (error instanceof RpcError && error.kind === 'AlreadyResolved') return await findBlocker(client, blockerId);
      throw error;
    } finally {
      client.close();
    }
  }
}

/** Whether the same may be sent again: the connection ended, or a daemon that is just ending. */
function isLost(error: unknown): boolean {
  if (error instanceof TransportClosedError) return true;
  if (!(error instanceof RpcError)) return false;
  return error.kind === 'ShuttingDown' || (error.kind === 'StoreUnavailable' && error.data.reason === 'io');
}

/** Who may not make one is told how to do without. */
function noneMade(error: unknown): never {
  if (!(error instanceof RpcError) || error.kind !== 'Forbidden') throw error;
  const message = 'the token has no session in this folder, and may make none';
  const hint = 'give --session ID, or --dir with the folder of a session that the token has';
  throw new CliError(exitCodes.notAuthorised, message, hint, error.kind);
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
