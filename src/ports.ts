/** What the stories need from the outside world, so that tests can replace exactly these and nothing else. */

export interface Clock {
  now(): Date;
}

export interface Ids {
  /** Four lower-case hexadecimal digits, the random tail of a backup id. */
  suffix(): string;
}

/** A step of a story as a person would name it: `{ id: "data", title: "dump data" }`. */
export interface Step {
  readonly id: string;
  readonly title: string;
}

/** What happened, in the domain's terms. A terminal, a plain log and a JSON log each render these in their own way. */
export type Event =
  /** The steps that are about to run, in order. Emitted once, before the first of them starts. */
  | { readonly type: "plan"; readonly steps: readonly Step[] }
  | { readonly type: "step-started"; readonly step: string }
  /** `bytes` so far of the step's stream; `total` is an estimate and may be passed. At most a few a second are shown. */
  | { readonly type: "progress"; readonly step: string; readonly bytes: number; readonly total?: number }
  /** `detail` says what came out of it: "12 tables, 40 512 rows". */
  | { readonly type: "step-finished"; readonly step: string; readonly detail?: string }
  | { readonly type: "step-skipped"; readonly step: string; readonly why: string }
  | { readonly type: "step-failed"; readonly step: string; readonly message: string }
  /** What a drill found, once its evidence is published: for whoever has to be told. */
  | { readonly type: "drill-verdict"; readonly drill: string; readonly database: string; readonly backup: string | null; readonly verdict: "pass" | "fail" | "unverified"; readonly summary: string; readonly evidence: string; readonly rtoSeconds: number; readonly missesNext: boolean | null }
  | { readonly type: "note"; readonly level: "debug" | "info" | "warn"; readonly message: string };

export interface Reporter {
  emit(event: Event): void;
}

/** A reporter for callers that do not listen. */
export const silentReporter: Reporter = { emit: () => undefined };

/**
 * Runs one step of a story between its started and finished (or failed) events.
 * @param work - its returned `detail`, if any, is shown beside the finished step
 */
export async function runStep<T>(
  reporter: Reporter,
  step: string,
  work: () => Promise<T>,
  detail?: (result: T) => string,
): Promise<T> {
  reporter.emit({ type: "step-started", step });
  try {
    const result = await work();
    reporter.emit({ type: "step-finished", step, ...(detail && { detail: detail(result) }) });
    return result;
  } catch (error) {
    reporter.emit({ type: "step-failed", step, message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}
