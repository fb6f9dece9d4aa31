/**
 * The journal of a rollback: what was begun, noted, done, failed and taken back, each entry on this host's disk before the
 * run goes on, and then in the repository. Who resumes reads it, here or on another host.
 */
import { z } from "zod";

const facts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const common = {
  /** Id of the rollback, so that an entry of another cannot stand here. */
  run: z.string(),
  /** From 1, without a gap. */
  sequence: z.int().positive(),
  /** SHA-256 (hexadecimal) of the text of the entry before; null in the first. */
  previous: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
  at: z.iso.datetime({ precision: 3 }),
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), pid: z.int() }),
};

export const journalEntrySchema = z.discriminatedUnion("kind", [
  z.strictObject({ ...common, kind: z.literal("step-begun"), step: z.string() }),
  /** What the step was about to do, where that must survive a kill. */
  z.strictObject({ ...common, kind: z.literal("step-noted"), step: z.string(), facts }),
  /** `found`: it had been done by a run that was killed before it could say so. */
  z.strictObject({ ...common, kind: z.literal("step-done"), step: z.string(), facts, found: z.boolean() }),
  z.strictObject({ ...common, kind: z.literal("step-failed"), step: z.string(), code: z.string(), message: z.string() }),
  z.strictObject({ ...common, kind: z.literal("undo-begun"), step: z.string() }),
  z.strictObject({ ...common, kind: z.literal("undo-done"), step: z.string(), facts }),
  z.strictObject({ ...common, kind: z.literal("undo-failed"), step: z.string(), code: z.string(), message: z.string() }),
  z.strictObject({ ...common, kind: z.literal("resumed") }),
  z.strictObject({ ...common, kind: z.literal("aborting") }),
  /** The last entry: nothing is resumed after it. */
  z.strictObject({ ...common, kind: z.literal("ended"), outcome: z.enum(["done", "failed", "aborted"]), message: z.string() }),
]);
export type JournalEntry = z.infer<typeof journalEntrySchema>;

type WithoutCommon<T> = T extends unknown ? Omit<T, keyof typeof common> : never;
/** An entry as a run tells it; the journal adds its place in the chain, the time and who. */
export type JournalNote = WithoutCommon<JournalEntry>;

export interface Journal {
  /** Of the rollback, or of the execution of a runbook. */
  readonly id: string;
  readonly entries: readonly JournalEntry[];
  /** Resolves when the entry is on this host's disk, and the repository has it or could not be reached. */
  append(note: JournalNote): Promise<void>;
}
