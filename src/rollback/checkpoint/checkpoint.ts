/** A checkpoint: what ran before a deploy, signed, and bound to the backup that was taken with it. */
import { z } from "zod";

import { healthShape } from "../health/health.ts";
import { platformStateShape } from "../platform/platform.ts";

const instant = z.iso.datetime({ precision: 3 });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One ledger, with the names of what was applied, in order: the difference of two says which migrations lie between. */
export const ledgerShape = z.strictObject({
  tool: z.string(),
  table: z.string(),
  head: z.string().nullable(),
  /** Applied and standing, oldest first. */
  applied: z.array(z.string()),
  /** Begun and not finished, or rolled back. */
  failed: z.int().nonnegative(),
  /** Of what may be applied again and again, and has no version: Flyway's repeatable migrations. Absent without any, and from earlier records. */
  repeatable: sha256.optional(),
  sha256,
});
export type LedgerState = z.infer<typeof ledgerShape>;

export const checkpointSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-checkpoint"),
  /** `1.4.2-20261121T020000Z`: the release that is coming, and when. */
  id: z.string(),
  database: z.string(),
  /** The release that is about to be deployed. */
  release: z.string(),
  /** The release that ran when the checkpoint was taken: the one that a rollback goes back to. */
  running: z.string(),
  takenAt: instant,
  reason: z.string().nullable(),
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  backup: z.strictObject({ id: z.string(), snapshotAt: instant, manifestSha256: sha256, reused: z.boolean() }),
  state: platformStateShape,
  ledgers: z.array(ledgerShape),
  /** SHA-256 over the catalog of the database, as in the backup's truth. */
  schemaFingerprint: z.string(),
  health: healthShape.nullable(),
  /** Migrations that the coming release brings, as far as its folder was named. */
  pending: z.array(z.string()).nullable(),
  signer: z.string(),
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

/** What was seen after the deploy: `checkpoint verify` writes one each time it is run. */
export const deployedSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-deployed"),
  checkpoint: z.string(),
  database: z.string(),
  release: z.string(),
  at: instant,
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  state: platformStateShape,
  ledgers: z.array(ledgerShape),
  schemaFingerprint: z.string(),
  health: healthShape.nullable(),
  /** What the configured hook said of the error budget; null without one. */
  errorBudget: z.strictObject({ passed: z.boolean(), detail: z.string() }).nullable(),
  verdict: z.enum(["good", "bad"]),
  problems: z.array(z.string()),
  signer: z.string(),
});
export type Deployed = z.infer<typeof deployedSchema>;
