// What serve/ may read of the record: positions and pages. serve/ knows the engine and not the store.
import type { Journal } from '../store/journal.ts';
import type { Lists } from '../store/lists.ts';

export type { EventFilter } from '../store/journal.ts';
export type { Page } from '../store/lists.ts';

export type Reads = { journal: Journal; lists: Lists };
