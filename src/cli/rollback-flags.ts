/** Flags that planning and running a rollback share. */
import * as Flags from "@oclif/core/flags";

import type { PlanOptions } from "../app/rollback/make-plan.ts";
import { HoldfastError } from "../errors.ts";
import { shellWord } from "../process/shell-word.ts";
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

/** @throws HoldfastError `usage` for an override without its reason */
export function planOptions(flags: PlanFlags): PlanOptions {
  for (const name of ["accept-incompatible", "skip-safety-backup"] as const) requireReason(name, flags[name]);
  return { to: flags.to, platform: flags.platform, strategy: flags.strategy, downFile: flags["down-file"], acceptIncompatible: flags["accept-incompatible"], skipSafetyBackup: flags["skip-safety-backup"] };
}

/** A script whose variable is not set gives an empty text, and must not override anything by it. @throws HoldfastError `usage` */
export function requireReason(flag: string, reason: string | undefined): void {
  if (reason?.trim() === "") throw new HoldfastError("usage", `--${flag} is empty, but must say why`, { hints: ["The reason stands in the record and in the timeline; leave the flag out where there is none."] });
}

/** The words that carry out a plan that was shown: its file, or all flags that made it, without which it would be another one. */
export function planAgain({ out, ...flags }: PlanFlags & { readonly out?: string | undefined }, plan: { readonly to: string }): string[] {
  if (out !== undefined) return ["--plan", shellWord(out)];
  const given = { ...flags, to: flags.to ?? plan.to };
  return (["to", "platform", "strategy", "down-file", "accept-incompatible", "skip-safety-backup"] as const).flatMap((name) => (given[name] === undefined ? [] : [`--${name}`, shellWord(given[name])]));
}
