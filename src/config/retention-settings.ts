/** What the configuration says about how long a database's backups are kept. Durations in milliseconds; 0 counts ask for nothing. */

export const verifiedLevels = ["stat", "hash", "archive"] as const;

export interface LabelRetention {
  readonly keepLast: number;
  readonly keepWithinMs: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** IANA name. */
  readonly timeZone: string;
  readonly minimumAgeMs: number;
  readonly minimumCount: number;
  /** What a backup must have passed to count; null asks for nothing. */
  readonly requireVerified: (typeof verifiedLevels)[number] | null;
}

export interface RetentionSettings extends LabelRetention {
  /** By label, with what they do not say taken from the database's. */
  readonly labels: Readonly<Record<string, LabelRetention>>;
  /** Whether `backup` prunes when it has succeeded. */
  readonly prune: "after-backup" | "never";
}
