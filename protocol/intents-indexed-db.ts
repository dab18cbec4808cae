// The outbox of a page: in IndexedDB, so that it survives a reload, under a Web Lock, so that one page at a time holds it.
import type { Batch, HeldIntents, Intent, IntentStore } from './intents-store.ts';
import { IntentsLockedError } from './intents-store.ts';

// What is used of a browser, written out: its own types would be there for all of the code, which runs elsewhere too.
type Request<T> = { result: T; error: unknown; onsuccess: (() => void) | null; onerror: (() => void) | null };
type ObjectStore = {
  put(value: unknown, key?: string): unknown;
  delete(key: number | string): unknown;
  get(key: string): Request<unknown>;
  getAll(): Request<unknown[]>;
};
type Transaction = {
  objectStore(name: string): ObjectStore;
  error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
};
type Database = {
  createObjectStore(name: string, options?: { keyPath: string }): unknown;
  transaction(names: string[], mode: string, options?: { durability: string }): Transaction;
  close(): void;
};
type OpenRequest = Request<Database> & { onupgradeneeded: (() => void) | null };
type Browser = {
  indexedDB: { open(name: string, version: number): OpenRequest };
  navigator: {
    locks: { request(name: string, options: { signal: AbortSignal }, held: () => Promise<void>): Promise<void> };
  };
};

const names = ['intents', 'about'];

/**
 * Keeps ops in the IndexedDB database `name` of the page's origin. Opening waits `lockWaitMs` for another page that holds it, as
 * the one before a reload may for a moment.
 */
export function indexedDbIntents(name = 'sessiond-intents', { lockWaitMs = 2_000 } = {}): IntentStore {
  const { indexedDB, navigator } = globalThis as unknown as Browser;
  let database: Database;
  let unlock = () => {};

  /** Resolves when what `work` did is on disk. */
  const change = (work: (store: (name: string) => ObjectStore) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(names, 'readwrite', { durability: 'strict' });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      work((name) => transaction.objectStore(name));
    });

  return {
    lasts: true,
    open: async (newClientId) => {
      unlock = await lock(navigator.locks, name, lockWaitMs);
      try {
        database = await openDatabase(indexedDB, name);
        const held = await read(database);
        if (held.clientId !== '') return held;
        const clientId = newClientId();
        await change((store) => store('about').put(clientId, 'clientId'));
        return { ...held, clientId };
      } catch (error) {
        unlock();
        throw error;
      }
    },
    add: (intent) => change((store) => store('intents').put(intent)),
    bind: (batch) => change((store) => store('about').put(batch, 'batch')),
    remove: (ns) =>
      change((store) => {
        for (const n of ns) store('intents').delete(n);
        store('about').delete('batch');
      }),
    keepCursor: (cursor) => change((store) => store('about').put(cursor, 'cursor')),
    close: async () => {
      database.close();
      unlock();
    },
  };
}

/** Resolves with what lets go of it. */
function lock(locks: Browser['navigator']['locks'], name: string, waitMs: number): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const waiting = new AbortController();
    const late = setTimeout(() => waiting.abort(), waitMs);
    const held = () =>
      new Promise<void>((release) => {
        clearTimeout(late);
        resolve(release);
      });
    locks.request(`${name} of sessiond`, { signal: waiting.signal }, held).catch((error: unknown) => {
      clearTimeout(late);
      reject(waiting.signal.aborted ? new IntentsLockedError(`the database ${name}`, 'another page') : error);
    });
  });
}

async function openDatabase(indexedDB: Browser['indexedDB'], name: string): Promise<Database> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('intents', { keyPath: 'n' });
    request.result.createObjectStore('about');
  };
  return done(request);
}

async function read(database: Database): Promise<HeldIntents> {
  const transaction = database.transaction(names, 'readonly');
  const about = transaction.objectStore('about');
  const [intents, clientId, cursor, batch] = await Promise.all([
    done(transaction.objectStore('intents').getAll()),
    done(about.get('clientId')),
    done(about.get('cursor')),
    done(about.get('batch')),
  ]);
  return {
    clientId: (clientId as string | undefined) ?? '',
    cursor: cursor as string | undefined,
    intents: intents as Intent[],
    batch: batch as Batch | undefined,
  };
}

function done<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
