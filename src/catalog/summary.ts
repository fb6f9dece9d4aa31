/** What a listing and the retention need to know of a backup: its manifest without what was in the database. */
import { z } from "zod";

import { type Manifest, manifestSchema } from "./manifest.ts";

/** Unknown fields are dropped: `summaryOf` makes a summary of a manifest with it. */
export const summarySchema = manifestSchema.omit({ truth: true, sequencesAfter: true, roles: true }).strip().extend({
  /** Of all tables together, as far as they were counted. */
  rows: z.int().nonnegative(),
  /** Of the application that used the database, where it was known. */
  appVersion: z.string().nullable(),
});

export type BackupSummary = z.infer<typeof summarySchema>;

export function summaryOf(manifest: Manifest): BackupSummary {
  const { tables, application } = manifest.truth;
  return summarySchema.parse({ ...manifest, rows: tables.reduce((sum, { rows }) => sum + (rows ?? 0), 0), appVersion: application?.version ?? null });
}
