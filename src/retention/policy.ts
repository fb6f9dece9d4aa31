/** Which backups a policy asks to keep, and the limits that no policy passes. */
import { HoldfastError } from "../errors.ts";
import { isTimeZone } from "../time-zone.ts";
import type { VerificationLevel } from "./backup.ts";
import { periods } from "./calendar.ts";

/** Durations in milliseconds; counts are whole numbers, 0 for none. */
export interface RetentionRules {
  /** The newest so many. */
  readonly keepLast: number;
  /** All that are not older than this, counted back from the newest backup that counts: when backups stop, none ages out. */
  readonly keepWithinMs: number;
  /** The newest backup of each of the last so many hours, days… in which there is one. */
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
}

export interface RetentionLimits {
  /** IANA name of the zone whose days, weeks, months and years the rules mean. */
  readonly timeZone: string;
  /** Nothing younger is removed, whatever the rules say. */
  readonly minimumAgeMs: number;
  /** The newest so many that count are not removed, whatever the rules say. */
  readonly minimumCount: number;
  /** Only backups count that passed a verification of at least this level, or a drill; null asks for none. */
  readonly requireVerified: VerificationLevel | null;
}

export type LabelPolicy = RetentionRules & RetentionLimits;

export interface RetentionPolicy extends LabelPolicy {
  /** Backups with these labels are kept by rules of their own, apart from the others. */
  readonly labels: ReadonlyMap<string, LabelPolicy>;
}

export const noRules: RetentionRules = { keepLast: 0, keepWithinMs: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 };

/** True if the rules ask for nothing: only age and count would keep a backup from being removed. */
export function keepsNothing(rules: RetentionRules): boolean {
  return rules.keepLast === 0 && rules.keepWithinMs === 0 && periods.every((period) => rules[period] === 0);
}

/** @throws HoldfastError `configuration` for a policy that keeps nothing, has negative or broken counts, or an unknown time zone */
export function checkPolicy(policy: RetentionPolicy): void {
  checkOne(policy, "the retention policy");
  for (const [label, own] of policy.labels) checkOne(own, `the retention policy of the label ${label}`);
}

function checkOne(policy: LabelPolicy, name: string): void {
  const numbers = Object.entries(policy).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  for (const [key, value] of numbers) {
    if (!Number.isSafeInteger(value) || value < 0) throw new HoldfastError("configuration", `${name} has ${key} ${value}, but it must be a whole number of 0 or more`);
  }
  if (!isTimeZone(policy.timeZone)) {
    throw new HoldfastError("configuration", `${name} has the time zone ${JSON.stringify(policy.timeZone)}, which this machine does not know`, { hints: ["Write an IANA name, like Europe/Berlin or UTC."] });
  }
  if (keepsNothing(policy)) {
    throw new HoldfastError("configuration", `${name} keeps nothing: every rule is 0`, {
      hints: ["Set at least one of keepLast, keepWithin, hourly, daily, weekly, monthly and yearly, or leave the whole policy out: then nothing is ever removed."],
    });
  }
}
