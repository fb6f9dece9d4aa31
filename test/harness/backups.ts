/** Many backups from one: copies of it under other ids and times, each signed again. */
import { backupFolder, backupId, backupKey, keyFile } from "../../src/catalog/layout.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import type { RetentionSettings } from "../../src/config/retention-settings.ts";
import { openConfiguredStore } from "../../src/app/open-configured-store.ts";
import { removeBackup } from "../../src/catalog/removal.ts";
import { collect } from "./streams.ts";
import type { Bench } from "./context.ts";

const day = 86_400_000;

/** A retention that keeps nothing by itself, but for the default limits. */
export function retentionOf(changes: Partial<RetentionSettings>): RetentionSettings {
  return { keepLast: 0, keepWithinMs: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, timeZone: "UTC", minimumAgeMs: 90 * day, minimumCount: 1, requireVerified: null, labels: {}, prune: "after-backup", ...changes };
}

/**
 * Makes one backup and copies of it, as old as `ages` say (milliseconds), and removes the original.
 * @returns their ids, in the order of `ages`
 */
export async function history(bench: Bench, ages: readonly number[], changes: (n: number) => Partial<Manifest> = () => ({})): Promise<string[]> {
  const original = await bench.backup();
  const store = await openConfiguredStore(bench.context.config);
  const now = bench.context.clock.now().getTime();
  const ids: string[] = [];
  try {
    for (const [n, age] of ages.entries()) {
      const at = new Date(now - age);
      const id = backupId("ehr", at, n.toString(16).padStart(4, "0"));
      for (const file of [keyFile, `${keyFile}.sig`, ...original.parts.map((part) => part.file)]) {
        const { bytes } = (await store.get(backupKey("ehr", original.id, file)))!;
        await store.put(backupKey("ehr", id, file), bytes);
      }
      await bench.republish({ ...original, id }, (manifest) => ({ ...manifest, startedAt: at.toISOString(), snapshotAt: at.toISOString(), finishedAt: at.toISOString(), ...changes(n) }));
      ids.push(id);
    }
    await removeBackup(store, "ehr", original.id);
    return ids;
  } finally {
    await store.close();
  }
}

/** All keys of a backup's folder that a listing shows. */
export async function filesOf(bench: Bench, id: string): Promise<string[]> {
  const store = await openConfiguredStore(bench.context.config);
  try {
    return (await collect(store.list(backupFolder("ehr", id)))).map(({ key }) => key);
  } finally {
    await store.close();
  }
}
