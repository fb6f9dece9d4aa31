/** Looking at checkpoints: nothing here changes anything, and what is not signed by a trusted key is shown as untrusted. */
import type { Verification } from "../../retention/backup.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import { type CheckpointEntry, type CheckpointRecord, type DeployedEntry, findBefore, listCheckpoints, listDeployed } from "../../rollback/checkpoint/records.ts";
import { gatherFacts } from "../backup/retention-facts.ts";
import { type Context, databaseNamed, openWorkplace, type Workplace } from "../context.ts";
import { type BoundBackup, boundBackup } from "./bound-backup.ts";

/** What became of the backup that a checkpoint is bound to. */
export interface CheckpointBackup extends BoundBackup {
  /** What the timeline knows of its being verified; null unless it is there. */
  readonly verification: Verification | null;
  /** When a drill last proved it; null if none did. */
  readonly proved: Date | null;
}

export interface ListedCheckpoint {
  readonly entry: CheckpointEntry;
  /** What was seen after its deploy, newest first. */
  readonly deployed: readonly DeployedEntry[];
}

export interface ShownCheckpoint extends CheckpointRecord {
  readonly deployed: readonly DeployedEntry[];
  readonly boundTo: CheckpointBackup;
}

/** The checkpoints of a database, newest first, also those that cannot be trusted. */
export async function listDatabaseCheckpoints(context: Context, database?: string): Promise<ListedCheckpoint[]> {
  const { name } = databaseNamed(context.config, database);
  return atWork(context, async ({ repository }) => {
    const [entries, deployed] = await Promise.all([listCheckpoints(repository, name), listDeployed(repository, name)]);
    return entries.map((entry) => ({ entry, deployed: deployed.filter(({ checkpoint }) => checkpoint === entry.id) }));
  });
}

/**
 * One checkpoint, with what was seen after its deploy, and its backup.
 * @param of - the release that was coming, or the id; by default the newest
 * @throws HoldfastError `not-found`; `integrity` if it cannot be trusted
 */
export async function showCheckpoint(context: Context, of?: string, database?: string): Promise<ShownCheckpoint> {
  const { name } = databaseNamed(context.config, database);
  return atWork(context, async (workplace) => {
    const { repository } = workplace;
    const record = findBefore(await listCheckpoints(repository, name), of);
    const [deployed, boundTo] = await Promise.all([listDeployed(repository, name, record.id), backupOf(context, workplace, record.checkpoint)]);
    return { ...record, deployed, boundTo };
  });
}

async function backupOf({ clock }: Context, workplace: Workplace, checkpoint: Checkpoint): Promise<CheckpointBackup> {
  const found = await boundBackup(workplace.repository, checkpoint);
  if (found.state !== "there") return { ...found, verification: null, proved: null };
  const facts = (await gatherFacts(workplace, checkpoint.database, clock.now())).backups.find(({ id }) => id === checkpoint.backup.id);
  return { ...found, verification: facts?.verification ?? { state: "never" }, proved: facts?.proved ?? null };
}

async function atWork<T>(context: Context, work: (workplace: Workplace) => Promise<T>): Promise<T> {
  const workplace = await openWorkplace(context);
  try {
    return await work(workplace);
  } finally {
    await workplace.close();
  }
}
