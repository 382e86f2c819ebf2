import { defineConfig } from 'vitest/config'

const hour = 3_600_000
/** Where nobody watches, a test that fails is tried once more, and shown as such: other work may take the machine's time. */
const retry = process.env['CI'] ? 1 : 0

export default defineConfig({
  test: {
    // Around all projects: nothing may be left behind.
    globalSetup: ['test/support/audit/setup.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          retry,
        },
      },
      { test: { name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, retry } },
      { test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          globalSetup: ['test/vm/setup.ts'],
          fileParallelism: false,
          testTimeout: hour / 12,
          hookTimeout: hour / 4,
          retry,
        },
      },
    ],
  },
})
