// A home for what is measured. It lies on the disk that TMPDIR names, not in memory as the tests' homes do: an fsync that
// costs nothing would leave only the price of the rows in the floor.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Home } from '../../test/support/home.ts';
import { makeHome } from '../../test/support/home.ts';

/** It goes when the process does, however that ends. */
export function ownHome(): Home {
  const home = makeHome(mkdtempSync(join(tmpdir(), 'sd-')));
  process.once('exit', () => home.remove());
  return home;
}
