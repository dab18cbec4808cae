// The daemon's own bundle, for what needs the store's file and no daemon (protocol/node/store-words.ts): it has the SQL.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { wholePaths } from '../protocol/node/spawn.ts';
import type { StoreWord } from '../protocol/node/store-words.ts';
import type { Context } from './context.ts';
import { CliError, exitCodes } from './exit.ts';

type WordKind = StoreWord extends infer W ? (W extends unknown ? keyof W : never) : never;
type WordOf<K extends WordKind> = Extract<StoreWord, Record<K, unknown>>[K];

export class StoreProgram {
  readonly #child: ChildProcess;
  readonly #words: AsyncIterator<string>;

  /** It ends with this process, in its own time: Ctrl-C does not reach it, so that it leaves nothing half done. */
  constructor({ daemonPath, env }: Pick<Context, 'daemonPath' | 'env'>, args: string[]) {
    const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit'];
    this.#child = spawn(process.execPath, [daemonPath, ...args], { env: wholePaths(env), detached: true, stdio });
    this.#child.stdin!.on('error', () => {}); // it has ended: its word says why
    this.#words = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Its next word, which must be of that kind. Rejects with CliError where it did nothing, and says why. */
  async word<K extends WordKind>(kind: K): Promise<WordOf<K>> {
    const { value, done } = await this.#words.next();
    if (done) throw new CliError(exitCodes.failure, "the daemon's program ended without a word");
    const word = JSON.parse(value) as Record<string, unknown>;
    if (kind in word) return word[kind] as WordOf<K>;
    const { message, exitCode } = (word as { failed: { message: string; exitCode: number } }).failed;
    throw new CliError(exitCode, message);
  }

  /** Has it go on. */
  go(): void {
    this.#child.stdin!.write('\n');
  }

  /** Ends it, where it waits; what it began is undone. */
  end(): void {
    this.#child.stdin!.end();
  }
}
