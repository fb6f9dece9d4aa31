/**
 * What a rehearsal leaves behind: a signed JSON that says whether the images of a checkpoint and its backup fit, how that
 * was tried, apart from everything in production, and what was not looked at.
 */
import { z } from "zod";

const instant = z.iso.datetime({ precision: 3 });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * `left-out`: not asked for, or not possible on this platform; it says so and proves nothing.
 * `unverified`: asked for, and could not be looked at: the rehearsal cannot pass.
 */
const outcomes = ["pass", "fail", "unverified", "left-out"] as const;
const verdicts = ["pass", "fail", "unverified"] as const;

const check = z.strictObject({
  /** Stable: `restore`, `rows`, `images`, `isolation:egress`, `application:health`, `smoke`… */
  id: z.string(),
  title: z.string(),
  outcome: z.enum(outcomes),
  /** What was looked at and what was found; names, numbers and digests, never a row's values, never a log's lines. */
  detail: z.string(),
  seconds: z.number().nonnegative(),
});

export const rehearsalSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-rehearsal-evidence"),
  id: z.string(),
  database: z.string(),
  repository: z.strictObject({ id: z.string(), url: z.string() }),
  reason: z.string().nullable(),
  /** `running`: the release that was brought up. SHA-256 of the checkpoint's bytes as they were signed. */
  checkpoint: z.strictObject({ id: z.string(), sha256, running: z.string(), release: z.string() }),
  backup: z.strictObject({ id: z.string(), snapshotAt: instant, manifestSha256: sha256 }),
  images: z.array(z.strictObject({ workload: z.string(), container: z.string(), reference: z.string(), id: z.string() })),
  platform: z.enum(["compose", "kubernetes", "none"]),
  isolation: z.strictObject({
    /** Project or namespace of its own; null where nothing but the database was tried. */
    place: z.string().nullable(),
    /** What was done to keep it apart, in words; whether it held is among the checks. */
    measures: z.array(z.string()),
    /** What the application has in production and had to do without here: volumes, secrets, other services. */
    leftOut: z.array(z.string()),
    /** Variables whose values no checkpoint holds: they were set to a placeholder. `app: SESSION_SECRET`. */
    placeholders: z.array(z.string()),
  }),
  checks: z.array(check),
  verdict: z.enum(verdicts),
  /** The verdict in one sentence. */
  summary: z.string(),
  /** That nothing of it was left, looked for afterwards. */
  removed: z.strictObject({ removed: z.boolean(), detail: z.string() }),
  startedAt: instant,
  finishedAt: instant,
  performedBy: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  /** The rehearsal before this one and the SHA-256 of its evidence: a deleted one shows. */
  previous: z.strictObject({ id: z.string(), sha256 }).nullable(),
  signer: z.string(),
});

export type RehearsalEvidence = z.infer<typeof rehearsalSchema>;
/** As the rehearsal knows it; publishing adds its place in the chain and its signer. */
export type RehearsalDraft = Omit<RehearsalEvidence, "previous" | "signer">;
export type RehearsalCheck = RehearsalEvidence["checks"][number];

/** What one check found out. */
export type Finding = Pick<RehearsalCheck, "outcome" | "detail">;

/** Fails if anything failed, passes only if everything that was asked for was looked at and held, and there was something. */
export function verdictOf(checks: readonly Pick<RehearsalCheck, "outcome">[]): RehearsalEvidence["verdict"] {
  if (checks.some(({ outcome }) => outcome === "fail")) return "fail";
  if (checks.some(({ outcome }) => outcome === "unverified")) return "unverified";
  return checks.some(({ outcome }) => outcome === "pass") ? "pass" : "unverified";
}

/** The verdict in one sentence. What was not reached only follows from what was. */
export function summaryOf(checks: readonly RehearsalCheck[], { running, backup, platform }: { readonly running: string; readonly backup: string; readonly platform: RehearsalEvidence["platform"] }): string {
  const pair = platform === "none" ? `backup ${backup}` : `release ${running} on backup ${backup}`;
  const of = (outcome: RehearsalCheck["outcome"]) => checks.filter((each) => each.outcome === outcome);
  const named = (some: readonly RehearsalCheck[]) => some.slice(0, 5).map(({ id, detail }) => `${id} (${detail})`).join("; ") + (some.length > 5 ? `; and ${some.length - 5} more` : "");
  const verdict = verdictOf(checks);
  if (verdict === "pass") return `${pair} held in all ${of("pass").length} checks that were made`;
  if (verdict === "fail") return `${pair} did not hold in ${of("fail").length} of ${checks.length} checks: ${named(of("fail"))}`;
  const reasons = of("unverified");
  const causes = reasons.filter(({ detail }) => !detail.startsWith("not reached:"));
  return `${pair} could not be verified: ${named(causes.length > 0 ? causes : reasons) || "nothing was looked at"}`;
}
