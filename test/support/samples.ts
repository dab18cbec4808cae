// The real transcripts beside the repository: test input only, never copied into it. Tests that need them skip by name
// where they are absent.
import { cpSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './build.ts';

/** The folder of real samples, or undefined where it is absent. `SESSIOND_SAMPLES` says where; .ci/run sets it. */
export const samples: string | undefined = [process.env.SESSIOND_SAMPLES, resolve(root, '../shared/transcripts')].find(
  (folder) => folder && existsSync(folder),
);

/** Lays Claude Code's samples where Claude Code itself would have written them. */
export function layClaudeSamples(projects: string): void {
  cpSync(join(samples!, 'claude-code'), projects, { recursive: true, mode: 0 });
}
