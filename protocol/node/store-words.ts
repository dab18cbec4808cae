// What the daemon's bundle tells when it works on the store's file without a daemon (`--check`, `--restore FILE`): lines of JSON
// on stdout, for the CLI, which has no SQL.

/** What is in a backup that is to be restored: `head` is the cursor that it was made at. */
export type Prepared = { file: string; bytes: number; schema: number; head: string; sessions: number };

/**
 * `aside`: where the store is that was replaced; left out where there was none. `withdrawn`: capabilities and shares of the
 * backup that were taken back since, and stay so; null where the store that was replaced is too damaged to tell.
 */
export type Restored = {
  path: string;
  storeId: string;
  head: string;
  aside?: string | undefined;
  withdrawn: number | null;
};

/** `newestSchema`: the newest that this sessiond knows. */
export type StoreReport = { path: string; schema: number; newestSchema: number; problems: string[] };

export type StoreWord =
  /** null: there is no store yet. */
  | { checked: StoreReport | null }
  /** It waits for a line on stdin, and goes on then; the end of stdin ends it. */
  | { prepared: Prepared }
  | { restored: Restored }
  /** Why it did nothing. `exitCode`: 7 where another process has the store. */
  | { failed: { message: string; exitCode: number } };
