/** What the coming release brings to the database, as the operator says it; refused where the database has it already. */
import { HoldfastError } from "../../errors.ts";
import { type ComingMigrations, decideComing, type LastRecord, type LedgerNow } from "../../rollback/migrations/coming.ts";
import { readMigrations } from "../../rollback/migrations/folder.ts";
import type { CheckpointEntry, DeployedEntry } from "../../rollback/checkpoint/records.ts";
import type { RollbackRecord } from "../../rollback/plan/records.ts";

/** How the operator tells them. */
export type ComingSource =
  | { readonly how: "folder"; readonly folder: string }
  | { readonly how: "names"; readonly names: readonly string[] }
  | { readonly how: "none" }
  | { readonly how: "unknown" };

/**
 * The migrations that are still to come; null where nobody told.
 * @throws HoldfastError `refused` if one is applied already, or if that cannot be told; `configuration` for a folder that holds none
 */
export async function requireComing(source: ComingSource, ledgers: readonly LedgerNow[], last: LastRecord | null): Promise<readonly string[] | null> {
  const decision = decideComing(ledgers, await read(source), last);
  if ("refused" in decision) throw new HoldfastError("refused", decision.refused, { hints: decision.hints });
  return decision.pending;
}

async function read(source: ComingSource): Promise<ComingMigrations> {
  switch (source.how) {
    case "folder": return { from: "folder", folder: source.folder, migrations: await readMigrations(source.folder) };
    case "names": return { from: "list", names: source.names };
    case "none": return { from: "none" };
    case "unknown": return { from: "nothing-known" };
  }
}

/** The newest trusted record of the ledgers under the release that runs: a good look after its deploy, a rollback that came back to it, or a checkpoint from when it ran. */
export function lastRecordOf(running: string, checkpoints: readonly CheckpointEntry[], deployed: readonly DeployedEntry[], rollbacks: readonly RollbackRecord[]): LastRecord | null {
  const taken = checkpoints.find(({ checkpoint }) => checkpoint?.running === running)?.checkpoint;
  const seen = deployed.find((entry) => entry.deployed?.verdict === "good" && entry.deployed.release === running)?.deployed;
  const back = rollbacks.find(({ outcome }) => outcome?.outcome === "done" && outcome.to === running);
  const found = [
    ...(taken === undefined ? [] : [{ at: taken.takenAt, name: `checkpoint ${taken.id}`, ledgers: taken.ledgers }]),
    ...(seen === undefined ? [] : [{ at: seen.at, name: `the deploy of ${running}, verified ${seen.at}`, ledgers: seen.ledgers }]),
    // With images only, the later migrations stay where they are.
    ...(back?.outcome === undefined ? [] : [{ at: back.outcome.finishedAt, name: back.id, ledgers: (back.begun.plan.strategy === "images-only" ? back.begun.plan.now : back.begun.plan.target).ledgers }]),
  ];
  const [newest] = found.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return newest === undefined ? null : { name: newest.name, ledgers: newest.ledgers };
}
