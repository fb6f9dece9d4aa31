/** A lock on a store in memory, under a clock that the test turns. */
import { HoldfastError } from "../../../src/errors.ts";
import { type Lock, type LockOptions, acquireLock } from "../../../src/lock/lease.ts";
import type { LockRecord } from "../../../src/lock/record.ts";
import { FakeTime } from "../../harness/fake-time.ts";
import { type MemoryStore, memoryStore } from "../../harness/memory-store.ts";

export const key = "ehr/locks/write.json";

export function bench() {
  const time = new FakeTime();
  const store = memoryStore(time);
  const acquire = (host: string, more: Partial<LockOptions> = {}) => acquireLock(store, key, { action: "backup", actor: { user: "postgres", host }, clock: time, timers: time, ...more });
  return { time, store, acquire };
}

export const recordOf = (store: MemoryStore) => JSON.parse(store.objects.get(key)!.bytes.toString()) as LockRecord;
export const refusal = (attempt: Promise<unknown>): Promise<HoldfastError> =>
  attempt.then(
    () => { throw new Error("was not refused"); },
    (error: unknown) => {
      if (error instanceof HoldfastError) return error;
      throw error;
    },
  );

/** What a story does at its end: the check, then the conditional put of the manifest. */
export async function publish(store: MemoryStore, lock: Lock, name: string): Promise<void> {
  await lock.assertHeld();
  await store.put(`ehr/backups/${name}/manifest.json`, Buffer.from(name), { ifAbsent: true });
}
