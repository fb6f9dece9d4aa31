/** What a drill leaves behind: a signed JSON that says what was proved, how, by whom, and what was not. FORMAT.md specifies it. */
import { z } from "zod";

import { parseSigned, textOf } from "./signed-file.ts";

const instant = z.iso.datetime({ precision: 3 });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const amount = z.number().nonnegative();

/**
 * `left-out`: not asked for, or not possible on this kind of scratch; it says so and proves nothing.
 * `unverified`: asked for, and could not be done: the drill cannot pass.
 */
export const outcomes = ["pass", "fail", "unverified", "left-out"] as const;
export const verdicts = ["pass", "fail", "unverified"] as const;

const check = z.strictObject({
  /** Stable: `signature`, `hashes`, `archive`, `restore`, `rows`, `assertion:active patients`… */
  id: z.string().describe("Stable name of the check."),
  title: z.string().describe("What was checked, in words."),
  outcome: z.enum(outcomes),
  detail: z.string().describe("What was compared and what came out; names, numbers and digests, never a row's values."),
  compared: z.int().nonnegative().nullable().describe("How many things were compared; null where that is no number."),
  seconds: amount,
});

const phase = z.strictObject({
  id: z.enum(["fetch", "decrypt", "provision", "restore", "analyze", "checks"]),
  seconds: amount,
  bytes: z.int().nonnegative().nullable().describe("What the phase moved, for its rate; null where it moves nothing."),
});

const objective = z.strictObject({
  seconds: amount.describe("What was measured."),
  objectiveSeconds: amount.nullable().describe("What was promised; null where nothing was."),
  met: z.boolean().nullable(),
});

export const evidenceSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-drill-evidence"),
  id: z.string().describe("Of the drill."),
  database: z.string(),
  repository: z.strictObject({ id: z.string(), url: z.string() }),
  /** Requirement, plan and reason as an auditor asks for them. */
  requirement: z.string().describe("The rule that this drill answers, e.g. 45 CFR 164.308(a)(7)(ii)(D)."),
  plan: z.string().nullable().describe("Reference of the contingency plan's section that was tested."),
  reason: z.string().nullable().describe("Why the drill was run."),
  performedBy: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  startedAt: instant,
  finishedAt: instant,
  backup: z.strictObject({
    id: z.string(), label: z.string().nullable(), snapshotAt: instant, server: z.string(), signer: z.string(),
    storedBytes: z.int().nonnegative(), plainBytes: z.int().nonnegative(), databaseBytes: z.int().nonnegative(), manifestSha256: sha256, chosen: z.string().describe("How the backup was chosen: latest, by id, at random…"),
  }).nullable().describe("Null if none could be chosen."),
  method: z.strictObject({ provider: z.enum(["local", "docker", "server"]), description: z.string(), server: z.string(), scratch: z.string() }).nullable(),
  verdict: z.enum(verdicts),
  summary: z.string().describe("The verdict in one sentence."),
  checks: z.array(check),
  phases: z.array(phase),
  rto: objective.describe("Recovery time: the sum of all phases."),
  rpo: objective.nullable().describe("Recovery point: from the backup's snapshot to the drill's start. Null without a backup."),
  forecast: z.strictObject({ seconds: amount, basedOn: z.int().positive(), missesObjective: z.boolean().nullable(), text: z.string() }).nullable(),
  scratchRemoved: z.strictObject({ removed: z.boolean(), detail: z.string() }).describe("That nothing of the copy was left, looked for after removing it."),
  correctiveActions: z.array(z.strictObject({ action: z.string(), owner: z.string().nullable(), due: z.iso.date().nullable() })).describe("What has to be mended, by whom and until when."),
  retestOf: z.string().nullable().describe("Id of the failed drill that this one repeats."),
  history: z.array(z.strictObject({ id: z.string(), startedAt: instant, verdict: z.enum(verdicts), rtoSeconds: amount, plainBytes: z.int().nonnegative().nullable() })).describe("Drills before this one, oldest first, for the trend."),
  previous: z.strictObject({ id: z.string(), sha256 }).nullable().describe("The drill before this one and the SHA-256 of its evidence.json: a deleted one shows."),
  signer: z.string().describe("Id of the key that signed it."),
});

export type Evidence = z.infer<typeof evidenceSchema>;
/** Evidence as a drill knows it; publishing adds its place in the chain and its signer. */
export type EvidenceDraft = Omit<Evidence, "previous" | "signer">;
export type DrillCheck = Evidence["checks"][number];
export type DrillPhase = Evidence["phases"][number];
export type Verdict = Evidence["verdict"];

/** The exact bytes that are signed and stored. */
export function serializeEvidence(evidence: Evidence): Buffer {
  return textOf(evidenceSchema.parse(evidence));
}

/** Reads evidence whose signature was checked before. @throws HoldfastError `integrity` if it is none of a format that we know */
export function parseEvidence(bytes: Buffer, source: string): Evidence {
  return parseSigned(bytes, evidenceSchema, source, "evidence");
}

/** Fails if anything failed, passes only if everything that was asked for ran and passed, and something was compared. */
export function verdictOf(checks: readonly Pick<DrillCheck, "outcome">[]): Verdict {
  if (checks.some(({ outcome }) => outcome === "fail")) return "fail";
  if (checks.some(({ outcome }) => outcome === "unverified")) return "unverified";
  return checks.some(({ outcome }) => outcome === "pass") ? "pass" : "unverified";
}
