import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, onTestFinished } from "vitest";

import { openStore } from "../../src/store/open.ts";
import { storeContract } from "./store.contract.ts";

describe("a repository in a folder", () => {
  storeContract(async () => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-store-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    // Not there yet: the first object makes it.
    return openStore(pathToFileURL(join(folder, "not yet", "répertoire")).href);
  });
});
