import { defineConfig } from "vitest/config";

import { requirePackages } from "./scripts/debian.ts";

/** Makes sure of a browser. @returns why not, where it cannot be had */
async function missingForPages(): Promise<string | undefined> {
  try {
    await requirePackages(["chromium"], (text) => process.stderr.write(`${text}\n`));
    return undefined;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0];
  }
}

const missing = await missingForPages();
if (missing !== undefined) process.stderr.write(`page tests skipped: ${missing}\n`);

/** Reports as a real browser shows them. */
export default defineConfig({
  test: {
    include: missing === undefined ? ["test/pages/**/*.test.ts"] : [],
    passWithNoTests: missing !== undefined,
    ...(missing !== undefined && { reporters: [] }),
    testTimeout: 60_000,
    hookTimeout: 90_000,
    fileParallelism: false,
  },
});
