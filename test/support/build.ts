// Before all tests: builds what they run. The build with failpoints lies under node_modules/, never in dist/ (P36).
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The shipped bundles. */
export const dist = join(root, 'dist');
/** The same with failpoints. */
export const crashBuild = join(root, 'node_modules/.cache/sessiond-failpoints');

export default function buildAll(): void {
  const tsx = join(root, 'node_modules/.bin/tsx');
  execFileSync(tsx, ['scripts/build.ts', '--no-types'], { cwd: root, stdio: 'inherit' });
  execFileSync(tsx, ['scripts/build.ts', '--failpoints', '--out', crashBuild], { cwd: root, stdio: 'inherit' });
}
