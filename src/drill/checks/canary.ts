/** Whether the row that was put into the source just before the snapshot came back with it. */
import { findCanary } from "../../postgres/canary.ts";
import type { Session } from "../../postgres/session.ts";
import type { Truth } from "../../postgres/truth/truth.ts";
import type { Finding } from "./check.ts";

/** @param session - of the copy */
export async function checkCanary(session: Session, { canary }: Pick<Truth, "canary">): Promise<Finding> {
  if (canary === undefined) return { outcome: "left-out", detail: "no canary was written with this backup; `canary` in the configuration has one written" };
  const table = `${canary.schema}.${canary.table}`;
  const found = await findCanary(session, canary);
  if (found === undefined) return { outcome: "fail", detail: `the copy has no table ${table}, to which a canary was written at ${canary.writtenAt}`, compared: 1 };
  if (found === 0) return { outcome: "fail", detail: `the canary that was written to ${table} at ${canary.writtenAt} is not in the copy`, compared: 1 };
  return { outcome: "pass", detail: `the canary that was written to ${table} at ${canary.writtenAt} is in the copy`, compared: 1 };
}
