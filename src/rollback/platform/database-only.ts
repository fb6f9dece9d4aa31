/** No platform: the database is rolled back, and whoever runs the application stops and starts it. */
import type { Platform } from "./platform.ts";

/** @param name - the live database's name, which is what the operator types to confirm */
export function databaseOnly(name: string): Platform {
  const address = { database: name };
  return {
    kind: "none",
    address,
    confirmName: name,
    capture: () => Promise.resolve({ platform: "none", address, workloads: [], settings: [] }),
    pin: (state) => Promise.resolve(state),
    unpin: () => Promise.resolve({ released: new Map(), failed: [] }),
    preflight: () => Promise.resolve([]),
    stopWriters: () => ({ id: "maintenance-on", title: "stop the writers (none is known)", isDone: () => Promise.resolve(true), perform: () => Promise.resolve({}) }),
    startTarget: () => [],
    observe: () => Promise.resolve([]),
  };
}
