import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/containers/**", "test/kubernetes/**", "test/regression/**", "test/pages/**", "node_modules/**"],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    globalSetup: ["test/harness/global-setup.ts", "test/harness/s3-setup.ts"],
  },
});
