/** What a preflight looked at before anything is touched. */
export interface PreflightFinding {
  /** Stable: `images`, `database`, `space`, `backup`, `gitops`, `paused`, `disruption-budget`, `health-check`, `jobs`… */
  readonly id: string;
  /** What was looked at, in words: "images of the target are there". */
  readonly title: string;
  /** `blocked`: the rollback is refused; `warn`: it is shown before the confirmation. */
  readonly outcome: "ok" | "warn" | "blocked";
  /** What was found; names and numbers, never a secret. */
  readonly detail: string;
  /** A whole sentence that says what to do, for what is not ok. */
  readonly hint?: string;
}
