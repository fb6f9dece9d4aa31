/**
 * A believable clinic database for the quickstart and the tests: the same bytes every time, since every value comes from a
 * hash of its row's number. Nobody in it exists: names are drawn from lists, and contact data from ranges kept for examples.
 */
import { clinicCare } from "./clinic-care.ts";
import { clinicFoundation } from "./clinic-foundation.ts";
import { clinicMigrations } from "./clinic-migrations.ts";
import { clinicPeople } from "./clinic-people.ts";
import { clinicPrograms } from "./clinic-programs.ts";

export interface ClinicOptions {
  /** How many patients; everything else follows from it. 2,000 make about 35 MB in two seconds. */
  readonly patients?: number;
}

/** The roles that the script makes in the server if they are not there, and grants rights to. */
export const clinicRoles = ["clinic_app", "clinic_readonly", "clinic_owner"] as const;

/**
 * A psql script that fills an empty database of PostgreSQL 13 or later. Run it as a superuser with ON_ERROR_STOP.
 * Running it twice in one server, in two databases, is fine; twice in one database is not.
 */
export function clinicSql({ patients = 2_000 }: ClinicOptions = {}): string {
  if (!Number.isSafeInteger(patients) || patients < 1) throw new RangeError(`patients must be a whole number above 0: ${patients}`);
  const parts = [clinicPeople(patients), clinicCare(patients), clinicPrograms(), clinicMigrations()];
  // A value added to an enum type can be used only after its transaction has ended.
  return [clinicFoundation(clinicRoles), "BEGIN;", ...parts, "COMMIT;", "ANALYZE;"].join("\n");
}
