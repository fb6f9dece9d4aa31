/** A plan between the hour it was made in and the one it is carried out in. */
import { readFile, writeFile } from "node:fs/promises";

import { type RollbackPlan, parsePlan } from "../app/rollback/make-plan.ts";
import { HoldfastError, messageOf, systemCodeOf } from "../errors.ts";

/** @throws HoldfastError `usage` if the file is there already, or cannot be written */
export async function writePlanFile(file: string, plan: RollbackPlan): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(plan, null, 2)}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new HoldfastError("usage", systemCodeOf(error) === "EEXIST" ? `${file} exists already` : `the plan cannot be written to ${file}: ${messageOf(error)}`, { hints: ["Name another file with --out."], cause: error });
  }
}

/** @throws HoldfastError `usage` if it cannot be read, or is no plan */
export async function readPlanFile(file: string): Promise<RollbackPlan> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new HoldfastError("usage", `the plan ${file} cannot be read: ${messageOf(error)}`, { hints: ["Make one with `holdfast rollback plan --out FILE`."], cause: error });
  }
  const plan = parsePlan(text);
  if (plan !== undefined) return plan;
  throw new HoldfastError("usage", `${file} is no rollback plan that this holdfast knows`, { hints: ["Make one with `holdfast rollback plan --out FILE`, or keep what `holdfast rollback plan --json` prints."] });
}
