/** Decisions in words: every backup is told why it stays or goes. */
import { type RetainedBackup, verificationLevels } from "./backup.ts";
import type { LabelPolicy } from "./policy.ts";

const dayMs = 86_400_000;

/** `90 days`, `36 hours`, `250 ms`: the largest unit that fits without a rest. */
export function spell(ms: number): string {
  const units = [["day", dayMs], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]] as const;
  const [name, size] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  const count = ms / size;
  return `${count} ${name}${name === "ms" || count === 1 ? "" : "s"}`;
}

/** An age is told in whole days, or in whole hours below two days. */
export function spellAge(ms: number): string {
  return ms < 2 * dayMs ? spell(Math.floor(Math.max(ms, 0) / 3_600_000) * 3_600_000).replace(/^0 ms$/, "less than an hour") : spell(Math.floor(ms / dayMs) * dayMs);
}

/** Why a backup does not count towards what the rules keep; undefined if it does. */
export function whyItDoesNotCount(backup: RetainedBackup, { requireVerified }: LabelPolicy): string | undefined {
  const { verification } = backup;
  if (backup.problem !== null) return `does not count: ${backup.problem}`;
  if (verification.state === "failed") return `does not count: it failed verification at ${verification.at.toISOString()}: ${verification.why}`;
  if (requireVerified === null || backup.proved !== null) return undefined;
  if (verification.state === "never") return `does not count: it was never verified, and the policy asks for ${requireVerified}`;
  if (verificationLevels.indexOf(verification.level) >= verificationLevels.indexOf(requireVerified)) return undefined;
  return `does not count: it was verified no deeper than ${verification.level}, and the policy asks for ${requireVerified}`;
}

/** `newest of 2026-10-25, daily 3 of 7`. */
export function periodReason(period: string, rule: string, rank: number, of: number): string {
  return `newest of ${period}, ${rule} ${rank} of ${of}`;
}

export function rulesInWords(policy: LabelPolicy): string {
  const counts = (["hourly", "daily", "weekly", "monthly", "yearly"] as const).flatMap((rule) => (policy[rule] > 0 ? [`${rule} ${policy[rule]}`] : []));
  return [
    ...(policy.keepLast > 0 ? [`last ${policy.keepLast}`] : []),
    ...(policy.keepWithinMs > 0 ? [`within ${spell(policy.keepWithinMs)}`] : []),
    ...counts,
  ].join(", ");
}
