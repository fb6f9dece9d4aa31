/** What past rollbacks, checkpoints and rehearsals say about the next rollback. */
import type { Repository } from "../../catalog/repository.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { type CheckpointRecord, listCheckpoints } from "../../rollback/checkpoint/records.ts";
import { listRollbacks } from "../../rollback/plan/records.ts";
import { lastRehearsal } from "../../rollback/rehearsal/records.ts";
import { formatDuration } from "../../text/format.ts";
import { boundBackup } from "../checkpoint/bound-backup.ts";
import type { Context } from "../context.ts";
import type { Area } from "./doctor-area.ts";

const dayMs = 86_400_000;

export async function checkReadiness(area: Area, context: Context, repository: Repository, database: DatabaseConfig): Promise<void> {
  await area.attempt("unfinished", () => checkUnfinished(area, repository, database.name));
  const newest = await area.attempt("checkpoint", () => checkNewest(area, context, repository, database.name));
  if (newest) await area.attempt("rehearsal", () => checkRehearsed(area, context, repository, database, newest));
}

/** The next rollback would be refused while one has not ended. */
async function checkUnfinished(area: Area, repository: Repository, database: string): Promise<true> {
  const records = await listRollbacks(repository, database);
  const [open] = records.filter(({ begun, outcome }) => begun !== undefined && outcome === undefined);
  const untrusted = records.filter(({ problem }) => problem !== undefined);
  if (open !== undefined) area.fail("unfinished", "refused", `${open.id} was begun ${open.begun?.startedAt ?? ""} and has not ended`, `If nobody is at it: \`holdfast rollback resume ${open.id}\`, or \`holdfast rollback abort ${open.id}\`.`);
  else area.add("unfinished", "ok", "no rollback waits for its end");
  if (untrusted.length > 0) area.add("unfinished", "warn", `the records of ${untrusted.map(({ id }) => id).join(", ")} cannot be trusted`, "Run `holdfast repository check`.");
  return true;
}

/** @returns false if there is none that can be gone back to */
async function checkNewest(area: Area, { clock }: Context, repository: Repository, database: string): Promise<CheckpointRecord | false> {
  const entries = await listCheckpoints(repository, database);
  const [first] = entries;
  const newest = entries.find((entry): entry is CheckpointRecord => entry.problem === undefined);
  if (first?.problem !== undefined) area.add("checkpoint", "warn", `${first.id} is the newest, and does not count: ${first.problem.message}`, "Find out who wrote it: `holdfast checkpoint list`.");
  if (newest === undefined) {
    area.add("checkpoint", "warn", "there is none: nothing could be gone back to", "Before each deploy, run `holdfast checkpoint create --release NAME`.");
    return false;
  }
  const { state, detail } = await boundBackup(repository, newest.checkpoint);
  const shown = `${newest.id}, ${ago(clock.now(), newest.checkpoint.takenAt)}: back to ${newest.checkpoint.running}`;
  if (state === "there") area.add("checkpoint", "ok", `${shown}, with backup ${newest.checkpoint.backup.id}`);
  else area.fail("checkpoint", "integrity", `${shown}, but its backup is ${state}: ${detail}`, "Take a checkpoint of what runs now; images alone could still be gone back to.");
  return newest;
}

/** As long as a drill counts: what a rehearsal needs of its host and its engine changes as well. */
async function checkRehearsed(area: Area, { clock }: Context, repository: Repository, { name, drill }: DatabaseConfig, { id, checkpoint }: CheckpointRecord): Promise<true> {
  const found = await lastRehearsal(repository, name, id);
  const hint = `Rehearse it with \`holdfast rollback rehearse --to ${checkpoint.running}\` while there is time.`;
  if (found === undefined) area.add("rehearsal", "warn", `the way back to checkpoint ${id} was never rehearsed`, hint);
  else if (found.verdict !== "pass") area.add("rehearsal", "warn", `${found.id}, ${ago(clock.now(), found.finishedAt)}, did not pass: ${found.summary}`, hint);
  else if (clock.now().getTime() - Date.parse(found.finishedAt) > drill.everyDays * dayMs) area.add("rehearsal", "warn", `${found.id} passed ${ago(clock.now(), found.finishedAt)}, which is longer than the ${drill.everyDays} days that a drill counts`, hint);
  else area.add("rehearsal", "ok", `${found.id} passed ${ago(clock.now(), found.finishedAt)}`);
  return true;
}

function ago(now: Date, at: string): string {
  const seconds = (now.getTime() - Date.parse(at)) / 1000;
  return seconds < 60 ? "just now" : `${formatDuration(seconds)} ago`;
}
