import { describe } from "vitest";

import { memoryStore } from "../harness/memory-store.ts";
import { lockContract } from "./lock.contract.ts";

describe("a lock on a store in memory", () => {
  lockContract(() => {
    const store = memoryStore();
    store.faults.before = async () => {
      for (let wait = Math.random() * 4; wait > 0; wait -= 1) await new Promise((resolve) => setImmediate(resolve));
    };
    return Promise.resolve(store);
  });
});
