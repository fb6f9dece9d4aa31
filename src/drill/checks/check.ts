/** One check of a drill, from the work that it does to the line that it leaves in the evidence. */
import { HoldfastError, messageOf } from "../../errors.ts";
import type { DrillCheck } from "../evidence/evidence.ts";

/** What a check found out. */
export type Finding = Pick<DrillCheck, "outcome" | "detail"> & { readonly compared?: number | undefined };

/** Runs a check. Whatever it throws makes it `unverified`, but for a cancellation: a check that did not run has not passed. */
export async function runCheck(id: string, title: string, work: () => Promise<Finding>): Promise<DrillCheck> {
  const started = performance.now();
  const seconds = (): number => Math.round(performance.now() - started) / 1000;
  try {
    const { outcome, detail, compared } = await work();
    return { id, title, outcome, detail, compared: compared ?? null, seconds: seconds() };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "cancelled") throw error;
    return { id, title, outcome: "unverified", detail: `could not be checked: ${messageOf(error)}`, compared: null, seconds: seconds() };
  }
}
