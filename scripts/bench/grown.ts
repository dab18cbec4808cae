// The grown stores, each made once for all rows that look at it. One daemon serves a store to the rows that only read or
// append a little; a row that starts its own ends that one first.
import { constants, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../protocol/client.ts';
import type { MeasuredDaemon } from './daemon.ts';
import { startDaemon } from './daemon.ts';
import type { Grown } from './grown-store.ts';
import { growStore } from './grown-store.ts';
import { indexed } from './indexed.ts';
import { ownHome } from './own-home.ts';
import { progress } from './progress.ts';
import type { Setting } from './row.ts';

const sizes = {
  '10k': { events: 10_000, longMessages: 1_000 },
  '1m': { events: 1_000_000, longMessages: 100_000 },
  '10m': { events: 10_000_000, longMessages: 100_000 },
};
const quickSizes: typeof sizes = {
  '10k': { events: 1_000, longMessages: 100 },
  '1m': { events: 2_000, longMessages: 200 },
  '10m': { events: 3_000, longMessages: 300 },
};
export type GrownSize = keyof typeof sizes;

/** For config.toml: all is kept, however much it is. */
export const keepAll = '[retention]\nmaxEvents = 1000000000\n';

export type Served = { daemon: MeasuredDaemon; client: Client };

export class GrownStore {
  readonly setting: Setting;
  readonly grown: Grown;
  #served: Promise<Served> | undefined;

  constructor(setting: Setting, grown: Grown) {
    this.setting = setting;
    this.grown = grown;
  }

  /** The daemon that the rows share. */
  serve(): Promise<Served> {
    this.#served ??= this.start().then(async (daemon) => ({ daemon, client: await daemon.connect() }));
    return this.#served;
  }

  /** One that its row stops. */
  async start(config = keepAll): Promise<MeasuredDaemon> {
    return startDaemon(this.setting, { config });
  }

  /** Ends the shared one, if it runs. */
  async rest(): Promise<void> {
    const served = await this.#served;
    this.#served = undefined;
    await served?.daemon.stop();
  }
}

const made = new Map<GrownSize, Promise<GrownStore>>();

/** `setting`: of a row; the store has a home of its own. */
export function openGrown(setting: Setting, size: GrownSize): Promise<GrownStore> {
  if (!made.has(size)) made.set(size, make(setting, size));
  return made.get(size)!;
}

export async function closeGrown(): Promise<void> {
  for (const store of made.values()) await (await store).rest();
}

async function make(row: Setting, size: GrownSize): Promise<GrownStore> {
  const setting = { ...row, home: ownHome(), profileFolder: undefined };
  const { events, longMessages } = (row.quick ? quickSizes : sizes)[size];
  const { data } = setting.home.paths;
  const kept = row.storesFolder && join(row.storesFolder, String(events));
  let grown = kept && takeKept(kept, data);
  if (!grown) {
    const tell = (count: number) => progress(`a store of ${events} events: ${count}`);
    grown = await growStore(data, events, longMessages, tell);
    const store = new GrownStore(setting, grown);
    const { client } = await store.serve();
    await indexed(client, (seq) => progress(`a store of ${events} events: ${seq} in its search index`));
    await store.rest();
    if (kept) keep(data, kept, grown);
  }
  return new GrownStore({ ...setting, profileFolder: row.profileFolder }, grown);
}

const files = ['store.db', 'search.db'];
const told = 'grown.json';

/** Rows write to their store: what is kept stays as it was made. */
function takeKept(kept: string, data: string): Grown | undefined {
  if (!existsSync(join(kept, told))) return undefined;
  copyFiles(kept, data);
  return JSON.parse(readFileSync(join(kept, told), 'utf8')) as Grown;
}

function keep(data: string, kept: string, grown: Grown): void {
  copyFiles(data, kept);
  // Last: where it is, the others are whole.
  writeFileSync(join(kept, told), JSON.stringify(grown));
}

function copyFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const file of files) copyFileSync(join(from, file), join(to, file), constants.COPYFILE_FICLONE);
}
