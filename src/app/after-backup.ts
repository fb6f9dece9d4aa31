/** What follows a backup once it is published: none of it can undo that, and each of it is tried whatever became of the others. */
import type { Manifest } from "../catalog/manifest.ts";
import { HoldfastError, messageOf } from "../errors.ts";
import { cancellationSaying } from "./cancellation.ts";
import type { Context } from "./context.ts";
import { copyRepository } from "./copy-repository.ts";

/** A step that follows a backup. */
export interface FollowUp {
  /** What it does, for the sentence "…, but NAME failed: …". */
  readonly name: string;
  run(context: Context, manifest: Manifest): Promise<unknown>;
}

/** Each configured copy gets what it lacks since its newest backup: what its own retention removed does not come back. */
export function copyFollowUps(context: Context, lockWaitMs?: number): FollowUp[] {
  return [...(context.config.copies?.keys() ?? [])].map((to) => ({
    name: `the copy to ${to}`,
    run: (own, { database, id }) => copyRepository(own, { to, database, choice: "newer", verify: false, lockWaitMs, reason: `after backup ${id}` }),
  }));
}

/**
 * Takes the steps that follow a published backup.
 * @throws HoldfastError `done-with-warnings` naming the backup and each step that failed; a cancellation ends the steps at once
 */
export async function afterBackup(context: Context, manifest: Manifest, followUps: readonly FollowUp[]): Promise<void> {
  const failures: { readonly name: string; readonly error: unknown }[] = [];
  for (const step of followUps) {
    try {
      await step.run(context, manifest);
    } catch (error) {
      if (error instanceof HoldfastError && error.code === "cancelled") throw cancellationSaying(error, `backup ${manifest.id} was published before`);
      // A bug is one also behind a backup that succeeded.
      if (!(error instanceof HoldfastError)) throw error;
      failures.push({ name: step.name, error });
    }
  }
  if (failures.length === 0) return;
  throw new HoldfastError("done-with-warnings", `backup ${manifest.id} was published, but ${failures.map(({ name, error }) => `${name} failed: ${messageOf(error)}`).join("; ")}`, {
    hints: failures.flatMap(({ error }) => (error instanceof HoldfastError ? error.hints : [])),
    details: { backup: manifest.id, failed: failures.map(({ name, error }) => ({ step: name, ...(error instanceof HoldfastError && { code: error.code }) })) },
    cause: failures[0]?.error,
  });
}
