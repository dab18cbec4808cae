// The tables as they stand at one moment, whatever is written meanwhile. On a connection of its own: what is read in turns
// of the event loop between which others write must still be of one version.
import { Journal } from './journal.ts';
import { Lists } from './lists.ts';
import type { Shown } from './write-ahead.ts';

export type Reader = { lists: Lists; close(): void };

/**
 * Reads at this moment, on what `shown` opens. While it is open the write-ahead log cannot be emptied, so it must be closed
 * soon, whatever a client does.
 */
export function openReader({ db, close }: Shown): Reader {
  try {
    return { lists: new Lists(db, new Journal(db)), close };
  } catch (error) {
    close();
    throw error;
  }
}
