/** The place in which the release of a checkpoint is brought up, by the platform that it was recorded on. */
import type { DatabaseConfig } from "../../config/config.ts";
import type { Ownership, ScratchProvider } from "../../drill/scratch/scratch.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import type { Context } from "../context.ts";
import { composeStage } from "./compose-stage.ts";
import { requireRollbackSettings } from "../rollback/configured-platform.ts";
import { databaseStage } from "./database-stage.ts";
import { kubernetesStage } from "./kubernetes-stage.ts";
import type { RehearsalStage } from "./rehearsal-stage.ts";

/**
 * @param providers - of scratches for the database alone
 * @throws HoldfastError `configuration`
 */
export async function chooseStage(context: Context, database: DatabaseConfig, checkpoint: Checkpoint, owner: Ownership, providers: readonly ScratchProvider[]): Promise<RehearsalStage> {
  const { platform } = checkpoint.state;
  if (platform === "none") return databaseStage(context, database, owner.drill, providers);
  const options = { context, database, settings: requireRollbackSettings(database), checkpoint, rehearsal: owner.drill };
  return platform === "compose" ? composeStage(options, owner) : kubernetesStage(options, owner);
}
