import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, onTestFinished } from "vitest";

import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { lockContract } from "./lock.contract.ts";
import { storeContract } from "./store.contract.ts";
import { timelineContract } from "./timeline.contract.ts";

async function open(): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // Not there yet: the first object makes it.
  return openStore(pathToFileURL(join(folder, "not yet", "répertoire")).href);
}

describe("a repository in a folder", () => { storeContract(open); });
describe("a lock in a folder", () => { lockContract(open, 20); });
describe("a timeline in a folder", () => { timelineContract(open); });
