import { describe } from "vitest";

import { memoryStore } from "../harness/memory-store.ts";
import { timelineContract } from "./timeline.contract.ts";

describe("a timeline on a store in memory", () => {
  timelineContract(() => Promise.resolve(memoryStore()));
});
