import { defineConfig } from 'vitest/config';

// .ci/run counts from this file.
const results = process.env.SESSIOND_TEST_RESULTS;

export default defineConfig({
  define: { __VERSION__: JSON.stringify('0.0.0-test'), __FAILPOINTS__: 'true' },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    setupFiles: ['test/support/setup.ts'],
    // A process for each of the files would load the same modules again in each: a second of it, a file.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many tests start daemons of their own: more of them at once than this only makes each slower.
    maxWorkers: 2,
    ...(results ? { reporters: ['default', ['json', { outputFile: results }]] } : {}),
  },
});
