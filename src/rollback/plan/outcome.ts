/** How a rollback ended: signed, and beside its plan and journal for whoever asks later. */
import { z } from "zod";

import { healthShape } from "../health/health.ts";
import { planSchema } from "./plan.ts";

const instant = z.iso.datetime({ precision: 3 });

export const outcomeSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-rollback-outcome"),
  rollback: z.string(),
  database: z.string(),
  to: z.string(),
  /** `left`: ended by a person as it stands, neither finished nor taken back. */
  outcome: z.enum(["done", "aborted", "left"]),
  message: z.string(),
  startedAt: instant,
  finishedAt: instant,
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  /** SHA-256 of the plan's bytes. */
  planSha256: z.string(),
  journalEntries: z.int().nonnegative(),
  incident: z.string().nullable(),
  /** What each step left in the journal, by its id. */
  facts: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  healthBefore: healthShape.nullable(),
  healthAfter: healthShape.nullable(),
  signer: z.string(),
});
export type RollbackOutcome = z.infer<typeof outcomeSchema>;

/** What is signed when a rollback begins: the plan that it follows, with its id and what surrounds it. */
export const begunSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-rollback"),
  id: z.string(),
  database: z.string(),
  startedAt: instant,
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  reason: z.string().nullable(),
  incident: z.string().nullable(),
  drainMs: z.int().nonnegative(),
  plan: planSchema,
  signer: z.string(),
});
export type BegunRollback = z.infer<typeof begunSchema>;
