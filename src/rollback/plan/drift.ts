/** Changes of a schema that no migration explains. Pure. */
import { compareSchema } from "../../postgres/truth/compare-catalog.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import type { MigrationsBetween } from "../migrations/between.ts";

/** No statement of an application depends on these. */
const harmless = ["comment", "statistics"];

/**
 * Kinds of objects that differ although nothing was applied; null where something was, since both cannot be told apart.
 * @param then - of the backup's truth
 */
export function schemaDrift(then: SchemaTruth, now: SchemaTruth, between: MigrationsBetween): string[] | null {
  return between.applied.length > 0 ? null : schemaDifferences(then, now);
}

/** Kinds of objects ("column", "index") in which two schemas differ, as far as an application can depend on them. */
export function schemaDifferences(then: SchemaTruth, now: SchemaTruth): string[] {
  return compareSchema(then, now, { leaveOut: harmless }).flatMap(({ object, severity }) => (severity === "differs" ? [object] : []));
}
