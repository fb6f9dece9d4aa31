import { defineConfig } from "vitest/config";

/** PostgreSQL's own regression database, there and back; making it takes a minute or two, once a machine. */
export default defineConfig({
  test: {
    include: ["test/regression/**/*.test.ts"],
    testTimeout: 300_000,
    hookTimeout: 900_000,
    globalSetup: ["test/regression/setup.ts"],
  },
});
