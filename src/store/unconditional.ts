/**
 * A store that honours no conditional writes, made usable: what a condition would have decided is looked up before a
 * plain write. Between the two somebody else may write, so who uses it must be kept alone by other means.
 */
import type { PutCondition, Store } from "./store.ts";

export interface UnconditionalStore extends Store {
  readonly conditionalWrites: false;
}

export function isUnconditional(store: Store): store is UnconditionalStore {
  return "conditionalWrites" in store;
}

export function withoutConditions(store: Store): UnconditionalStore {
  const put = async (key: string, bytes: Uint8Array, condition?: PutCondition): Promise<string | undefined> => {
    if (condition !== undefined) {
      const present = await store.get(key);
      if ("ifAbsent" in condition ? present !== undefined : present?.version !== condition.ifVersion) return undefined;
    }
    return store.put(key, bytes);
  };
  return new Proxy(store, {
    has: (target, name) => name === "conditionalWrites" || name in target,
    get: (target, name) => {
      if (name === "put") return put;
      if (name === "conditionalWrites") return false;
      const value: unknown = Reflect.get(target, name);
      // Bound to the store itself: its private fields are not the proxy's.
      return typeof value === "function" ? (value as (...given: unknown[]) => unknown).bind(target) : value;
    },
  }) as UnconditionalStore;
}
