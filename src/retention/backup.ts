/** What a decision about a backup depends on, whoever found it out and wherever. */

/** How a backup fared the last time it was verified. */
export type Verification =
  | { readonly state: "never" }
  | { readonly state: "passed"; readonly at: Date; readonly level: VerificationLevel }
  | { readonly state: "failed"; readonly at: Date; readonly why: string };

/** From the shallowest to the deepest; each includes those before it. A drill is the deepest proof of all. */
export const verificationLevels = ["stat", "hash", "archive"] as const;
export type VerificationLevel = (typeof verificationLevels)[number];

export interface RetainedBackup {
  readonly id: string;
  readonly database: string;
  readonly label: string | null;
  /** The recovery point. */
  readonly snapshotAt: Date;
  /** Why its manifest cannot be trusted; null for a committed backup with a valid signature. */
  readonly problem: string | null;
  readonly verification: Verification;
  /** When a drill last restored it and found it equal to its truth; null if none did. */
  readonly proved: Date | null;
  /** The hold that is in force; `until` null until it is released. */
  readonly held: { readonly reason: string; readonly until: Date | null } | null;
  /** Until when the store itself refuses to delete it; null if it does not. */
  readonly locked: Date | null;
  /** Id of the checkpoint that needs it; null if none does. */
  readonly checkpoint: string | null;
}

/** Newest recovery point first; of two at one instant, the one whose id comes later. */
export function newestFirst(a: Pick<RetainedBackup, "id" | "snapshotAt">, b: Pick<RetainedBackup, "id" | "snapshotAt">): number {
  return b.snapshotAt.getTime() - a.snapshotAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
