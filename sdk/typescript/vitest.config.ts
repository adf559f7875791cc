import { defineConfig } from 'vitest/config';

/** The package names itself as its users do; tests run its sources. */
const resolve = { conditions: ['huntcore-source'] };
const ssr = { resolve };

export default defineConfig({
  test: {
    projects: [
      { resolve, ssr, test: { name: 'unit', include: ['tests/unit/**/*.test.ts'] } },
      {
        resolve,
        ssr,
        test: {
          name: 'server',
          include: ['tests/server/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Each file starts a server of its own.
          fileParallelism: false,
        },
      },
    ],
  },
});
