/** Flags that planning and running a rollback share. */
import * as Flags from "@oclif/core/flags";

import type { PlanOptions } from "../app/rollback/make-plan.ts";
import { inputFlag } from "./flags.ts";

export const platformFlag = Flags.option({ options: ["compose", "kubernetes", "none"] as const })({ summary: "where the application runs", env: "HOLDFAST_PLATFORM" });

export const planFlags = {
  to: Flags.string({ summary: "release to go back to, or the id of a checkpoint; by default the newest checkpoint's", helpValue: "RELEASE", env: "HOLDFAST_TO" }),
  platform: platformFlag,
  strategy: Flags.option({ options: ["images-only", "down-sql", "restore-and-swap"] as const })({ summary: "do it this way, or refuse", env: "HOLDFAST_STRATEGY" }),
  "down-file": Flags.string({ summary: "reviewed SQL that takes the later migrations back", helpValue: "FILE", env: "HOLDFAST_DOWN_FILE" }),
  // What overrides a refusal must be meant each time, so neither has an environment variable.
  "accept-incompatible": Flags.string({ summary: "put the images back although the schema does not fit them, and why", helpValue: "REASON" }),
  "skip-safety-backup": Flags.string({ summary: "do not back up the state that is left, and why", helpValue: "REASON" }),
};

/** Agreement to a step must be meant each time as well. */
export const yesStepFlag = Flags.string({ summary: "agree beforehand to a step of the runbook that wants to be confirmed", helpValue: "STEP", multiple: true });

/** For the execution of a runbook that goes on, or back. */
export const runbookFlags = { input: inputFlag, "yes-step": yesStepFlag };

interface PlanFlags {
  readonly to?: string | undefined;
  readonly platform?: PlanOptions["platform"];
  readonly strategy?: PlanOptions["strategy"];
  readonly "down-file"?: string | undefined;
  readonly "accept-incompatible"?: string | undefined;
  readonly "skip-safety-backup"?: string | undefined;
}

export function planOptions(flags: PlanFlags): PlanOptions {
  return { to: flags.to, platform: flags.platform, strategy: flags.strategy, downFile: flags["down-file"], acceptIncompatible: flags["accept-incompatible"], skipSafetyBackup: flags["skip-safety-backup"] };
}
