/** What a check of the repository found, as data. */

/**
 * `damage`: something that must be there is missing, changed or not ours; never repaired and never removed.
 * `garbage`: nobody can ever use it; a repair removes it. `note`: worth knowing, and right as it is.
 */
export type Severity = "damage" | "garbage" | "note";

export type FindingKind =
  | "unsigned-manifest" | "changed-manifest" | "strangers-manifest" | "misplaced-manifest" | "invalid-manifest" | "lost-manifest"
  | "missing-part" | "wrong-size" | "wrong-hash" | "missing-key" | "wrong-key"
  | "foreign-object" | "timeline" | "drill" | "checkpoint" | "checkpoint-backup" | "hidden-backup" | "rehearsal" | "hold" | "incident" | "journal"
  | "unfinished-backup" | "orphaned-key" | "orphaned-signature" | "stale-upload" | "expired-lock" | "unreadable-lock" | "stale-probe" | "unusable-index" | "hidden-versions"
  | "being-written" | "outdated-index" | "unproved";

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** The object, or the folder with a slash at its end; empty where it is about no one object. */
  readonly key: string;
  readonly database?: string;
  readonly backup?: string;
  /** One sentence without a full stop. */
  readonly detail: string;
  /** Seconds since it was last written, where that is known. */
  readonly age?: number;
  /** Of garbage, when a repair was asked for: whether it is gone, looked for afterwards. */
  readonly repaired?: boolean;
  /** Why it is not. */
  readonly unrepaired?: string;
}

export type CheckLevel = "stat" | "hash";

export interface CheckReport {
  readonly url: string;
  readonly level: CheckLevel;
  /** What was looked at: that nothing was found counts only as far as this goes. */
  readonly checked: {
    readonly objects: number;
    readonly bytes: number;
    readonly databases: readonly string[];
    /** Folders with a manifest. */
    readonly backups: number;
    readonly parts: number;
    /** Of the timeline; null where only one database was looked at. */
    readonly entries: number | null;
    readonly drills: number;
  };
  /** Damage first. */
  readonly findings: readonly Finding[];
  /** Backups were there, and neither damage nor garbage is left. */
  readonly clean: boolean;
}
