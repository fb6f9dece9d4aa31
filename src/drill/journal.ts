/** What a drill has found out so far: its checks and its clock. Whatever ends it, nothing that did not run counts as passed. */
import { HoldfastError, messageOf } from "../errors.ts";
import { type Reporter, runStep } from "../ports.ts";
import { type Finding, runCheck } from "./checks/check.ts";
import type { DrillCheck, DrillPhase } from "./evidence/evidence.ts";

/** Thrown when a check that all others rest on did not pass; what it found stands in the journal. */
export class DrillStopped extends Error {
  override readonly name = "DrillStopped";
}

/** A check as it is announced, so that one that was not reached can be named. */
export interface PlannedCheck {
  readonly id: string;
  readonly title: string;
}

export class DrillJournal {
  readonly checks: DrillCheck[] = [];
  readonly phases: DrillPhase[] = [];
  readonly #reporter: Reporter;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  /**
   * Runs a phase on the clock, also one that fails.
   * @param bytes - what it moves
   */
  async phase<T>(id: DrillPhase["id"], bytes: number | null, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await runStep(this.#reporter, id, work);
    } finally {
      this.phases.push({ id, seconds: Math.round(performance.now() - started) / 1000, bytes });
    }
  }

  /** Runs a check beside others. */
  async check({ id, title }: PlannedCheck, work: () => Promise<Finding>): Promise<void> {
    this.add(await runCheck(id, title, work));
  }

  /**
   * Runs a check without which nothing after it means anything.
   * @throws DrillStopped if it did not pass; a cancellation or a bug as it is
   */
  async essential<T>({ id, title }: PlannedCheck, work: () => Promise<T>, finding: (result: T) => Omit<Finding, "outcome">): Promise<T> {
    let result: { readonly value: T } | undefined;
    const check = await runCheck(id, title, async () => {
      try {
        const value = await work();
        result = { value };
        return { outcome: "pass", ...finding(value) };
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
        return { outcome: outcomeOf(error), detail: messageOf(error) };
      }
    });
    this.add(check);
    if (result === undefined) throw new DrillStopped(`${title}: ${check.detail}`);
    return result.value;
  }

  add(check: DrillCheck): void {
    this.checks.push(check);
  }

  /** Names every check that was planned and not reached. */
  close(planned: readonly PlannedCheck[], why: string): void {
    const reached = new Set(this.checks.map(({ id }) => id));
    for (const { id, title } of planned) if (!reached.has(id)) this.add({ id, title, outcome: "unverified", detail: `not reached: ${why}`, compared: null, seconds: 0 });
  }
}

/** Room and connections belong to the scratch: that they end says nothing about the backup. */
const surroundings = /no space left on device|disk full|could not (?:extend|write) (?:file|to file)|server closed the connection|terminating connection|connection to server|temporary folder/i;

/** What an error of an essential check says: that the backup is bad, or only that it could not be tried. */
function outcomeOf(error: HoldfastError): "fail" | "unverified" {
  if (error.code === "integrity") return "fail";
  return error.code === "restore-failed" && !surroundings.test(error.message) ? "fail" : "unverified";
}
