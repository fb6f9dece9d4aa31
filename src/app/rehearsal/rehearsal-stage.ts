/** Where a rehearsal brings up the older release: what differs between platforms. */
import type { DrillSettings } from "../../config/drill-settings.ts";
import { type DrillJournal, DrillStopped, type PlannedCheck } from "../../drill/journal.ts";
import type { Scratch, ScratchProvider } from "../../drill/scratch/scratch.ts";
import type { Finding } from "../../rollback/rehearsal/evidence.ts";

export interface RehearsalStage {
  /** Project or namespace of its own; null where only the database is tried. */
  readonly place: string | null;
  /** Every check that it makes beside those of the copy, so that what was not reached can be named. */
  readonly planned: readonly PlannedCheck[];
  /** Where the copy is made, so that the application reaches it there. */
  readonly providers: readonly ScratchProvider[];
  /** As {@link DrillSettings.scratch}. */
  readonly configured: DrillSettings["scratch"];
  /** What can be looked at before anything is restored, and has to be there first. @throws DrillStopped; the cancellation */
  prepare(journal: DrillJournal): Promise<void>;
  /** Brings the release up on the copy and looks at it. @throws DrillStopped; the cancellation */
  perform(scratch: Scratch, journal: DrillJournal): Promise<void>;
  /** What was done and left out, as far as it came. */
  isolation(): StageIsolation;
  /** Ends the application; the scratch is removed after it, and what is left with {@link remove}. Never rejects. */
  stop(): Promise<void>;
  /** Removes everything else of the place. Never rejects. @returns what is still there, looked for afterwards */
  remove(): Promise<readonly string[]>;
}

export interface StageIsolation {
  readonly measures: readonly string[];
  readonly leftOut: readonly string[];
  readonly placeholders: readonly string[];
}

/** Runs a check without which nothing after it may be done. @throws DrillStopped if it did not pass */
export async function required(journal: DrillJournal, check: PlannedCheck, work: () => Promise<Finding>): Promise<void> {
  await journal.check(check, work);
  const made = journal.checks.at(-1);
  if (made?.outcome !== "pass") throw new DrillStopped(`${check.title}: ${made?.detail ?? ""}`);
}
