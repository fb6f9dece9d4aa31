/** What follows a backup once it is published: none of it can undo that, and each of it is tried whatever became of the others. */
import type { Manifest } from "../../catalog/manifest.ts";
import { HoldfastError } from "../../errors.ts";
import { cancellationSaying } from "../cancellation.ts";
import type { Context } from "../context.ts";
import { copyRepository } from "../repository/copy-repository.ts";

/** A step that follows a backup. */
export interface FollowUp {
  /** What it does, for the sentence "…, but NAME failed: …". */
  readonly name: string;
  /** What to run to make up for it. */
  readonly again: string;
  run(context: Context, manifest: Manifest): Promise<unknown>;
}

/** Each configured copy gets what it lacks since its newest backup: what its own retention removed does not come back. */
export function copyFollowUps(context: Context, lockWaitMs?: number): FollowUp[] {
  return [...(context.config.copies?.keys() ?? [])].map((to) => ({
    name: `the copy to ${to}`,
    again: `Copy again with \`holdfast repository copy --to ${to} --newer\`.`,
    run: (own, { database, id }) => copyRepository(own, { to, database, choice: "newer", verify: false, lockWaitMs, reason: `after backup ${id}` }),
  }));
}

/**
 * Takes the steps that follow a published backup.
 * @throws HoldfastError `done-with-warnings` naming the backup and each step that failed; a cancellation ends the steps at once
 */
export async function afterBackup(context: Context, manifest: Manifest, followUps: readonly FollowUp[]): Promise<void> {
  const failures: { readonly step: FollowUp; readonly error: HoldfastError }[] = [];
  for (const step of followUps) {
    try {
      await step.run(context, manifest);
    } catch (error) {
      if (error instanceof HoldfastError && error.code === "cancelled") throw cancellationSaying(error, `${manifest.id} was published before`);
      // A bug is one also behind a backup that succeeded.
      if (!(error instanceof HoldfastError)) throw error;
      failures.push({ step, error });
    }
  }
  if (failures.length === 0) return;
  const { id, database } = manifest;
  throw new HoldfastError("done-with-warnings", `${id} was backed up, but ${failures.map(({ step, error }) => `${step.name} failed: ${error.message}`).join("; ")}`, {
    hints: [...new Set([...failures.flatMap(({ error }) => error.hints), "The backup counts.", ...failures.map(({ step }) => step.again)])],
    details: { backup: id, database, failed: failures.map(({ step, error }) => ({ step: step.name, code: error.code })) },
    cause: failures[0]?.error,
  });
}
