/** What a rollback is going to do, what it costs, and what stands against it: one document for the person, the script and the record. */
import { z } from "zod";

import { ledgerShape } from "../checkpoint/checkpoint.ts";
import { healthShape } from "../health/health.ts";
import { platformStateShape } from "../platform/platform.ts";

const instant = z.iso.datetime({ precision: 3 });

export const strategies = ["images-only", "down-sql", "restore-and-swap"] as const;
export type Strategy = (typeof strategies)[number];

/** What is known of a table's rows since the snapshot. */
export const tableLossShape = z.strictObject({
  table: z.string(),
  /** Rows that are there now and were not in the snapshot; null where that cannot be known. */
  inserted: z.int().nonnegative().nullable(),
  /** Rows now less rows then; null where the table is gone, was not counted, or had another name then. */
  difference: z.int().nullable(),
  /**
   * How it is known. `sequence`: rows beyond the last value that the snapshot gave out; `count`: only how many more there are;
   * `not-counted`: the table was locked, not readable, or too large for the time that was given.
   */
  by: z.enum(["sequence", "count", "gone", "new", "not-counted"]),
  /** Rows of the snapshot that were updated since, at most; null where that is not known. Absent from plans of earlier versions. */
  changed: z.int().nonnegative().nullable().optional(),
  /** Rows of the snapshot that were deleted since and come back, at most; null where that is not known. */
  deleted: z.int().nonnegative().nullable().optional(),
  /**
   * How those two are known. `counters`: at most, from the server's, and so exactly where it is 0; `rewritten`: unknown, because
   * the table was emptied, written anew or made anew as a whole; `unknown`.
   */
  changesBy: z.enum(["counters", "rewritten", "unknown"]).optional(),
});
export type TableLoss = z.infer<typeof tableLossShape>;

/** How far changed and deleted rows are known of all tables. Absent from plans of earlier versions, and where no data is lost. */
export const changesShape = z.strictObject({
  /** Every change that was committed before is counted; null where the counters tell nothing. */
  until: instant.nullable(),
  /** Why the counters tell nothing, as a clause; null where they do. */
  unknown: z.string().nullable(),
  /** Tables of which the digest proves that nothing was changed, deleted or added; they are not among those that lose something. */
  unchanged: z.array(z.string()),
});

/** Of down-SQL: what its statements take away, "DROP COLUMN patients.email". Absent with the other strategies, and where the scripts cannot be read. */
export const downSqlLossShape = z.array(z.string());

/** What stops, and for how long: each part from what was measured, or not known. */
export const stopsShape = z.strictObject({
  workloads: z.array(z.string()),
  /** Seconds, estimated: the sum of all parts; null where one of them was never measured. */
  seconds: z.number().nonnegative().nullable(),
  /** From what, in words: "the safety backup 12 s (the last backup, …); the start … NOT KNOWN (…)". */
  basis: z.string(),
  /** In order. Absent from plans of earlier versions, whose `seconds` left the start of the images out. */
  parts: z.array(z.strictObject({
    id: z.enum(["stop", "safety-backup", "swap", "down-sql", "start"]),
    /** Null: never measured, and not 0. */
    seconds: z.number().nonnegative().nullable(),
    /** What it was measured by, as a record's id or in words; or why it is not known. */
    from: z.string(),
  })).optional(),
});
export type DowntimePart = NonNullable<z.infer<typeof stopsShape>["parts"]>[number];

export const migrationShape = z.strictObject({
  name: z.string(),
  /** What the older release makes of it. */
  verdict: z.enum(["compatible", "incompatible", "unknown"]),
  why: z.string(),
  /** File with reviewed SQL that takes it back; null without one. */
  down: z.string().nullable(),
  /** SHA-256 (hexadecimal) of what that file held. Absent without one, and from plans of earlier versions. */
  downSha256: z.string().optional(),
});
export type MigrationVerdict = z.infer<typeof migrationShape>;

export const planSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-rollback-plan"),
  madeAt: instant,
  database: z.string(),
  /** The release that is gone back to, and the checkpoint that knows it. */
  to: z.string(),
  checkpoint: z.strictObject({ id: z.string(), sha256: z.string(), takenAt: instant, backup: z.string(), snapshotAt: instant }),
  strategy: z.enum(strategies),
  /** Why this one, in a sentence. */
  because: z.string(),
  now: z.strictObject({ release: z.string().nullable(), state: platformStateShape, ledgers: z.array(ledgerShape), health: healthShape.nullable() }),
  target: z.strictObject({ state: platformStateShape, ledgers: z.array(ledgerShape), schemaFingerprint: z.string() }),
  /** Migrations that were applied since the checkpoint, newest first. */
  migrations: z.array(migrationShape),
  /** Given where images go back although the schema does not fit. */
  acceptIncompatible: z.string().nullable(),
  skipSafetyBackup: z.string().nullable(),
  loss: z.strictObject({
    /** Whether the plan loses anything: what was written since the snapshot, or what the down-SQL takes away. */
    data: z.boolean(),
    minutes: z.number().nonnegative(),
    tables: z.array(tableLossShape),
    changes: changesShape.optional(),
    downSql: downSqlLossShape.optional(),
  }),
  stops: stopsShape,
  rehearsed: z.strictObject({ id: z.string(), at: instant, verdict: z.enum(["pass", "fail", "unverified"]) }).nullable(),
  preflight: z.array(z.strictObject({ id: z.string(), title: z.string(), outcome: z.enum(["ok", "warn", "blocked"]), detail: z.string(), hint: z.string().optional() })),
  steps: z.array(z.strictObject({ id: z.string(), title: z.string() })),
  /** What has to be typed. */
  confirm: z.string(),
});
export type RollbackPlan = z.infer<typeof planSchema>;
