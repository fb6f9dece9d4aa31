/** The checks of one area of a diagnosis. */
import { type ErrorCode, HoldfastError, messageOf } from "../../errors.ts";

export type Outcome = "ok" | "warn" | "fail" | "skip";

export interface DoctorCheck {
  /** `machine`, `database ehr`, `repository`, `keys`, `rollback ehr`. */
  readonly area: string;
  readonly name: string;
  readonly outcome: Outcome;
  readonly detail: string;
  readonly hint?: string;
  /** Of a failure: what a backup, or a rollback, would end with. */
  readonly code?: ErrorCode;
}

/** Collects checks; a step that throws is a failed check, and those that build on it are left out. */
export class Area {
  readonly checks: DoctorCheck[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  add(name: string, outcome: Exclude<Outcome, "fail">, detail: string, hint?: string): void {
    this.checks.push({ area: this.#name, name, outcome, detail, ...(hint !== undefined && { hint }) });
  }

  fail(name: string, code: ErrorCode, detail: string, hint?: string): void {
    this.checks.push({ area: this.#name, name, outcome: "fail", detail, ...(hint !== undefined && { hint }), code });
  }

  /** A check that holds if `work` succeeds; its error becomes the failure. */
  async try<T>(name: string, work: () => Promise<T> | T, detail: (result: T) => string): Promise<T | undefined> {
    const result = await this.attempt(name, work);
    if (result !== undefined) this.add(name, "ok", detail(result));
    return result;
  }

  /** As {@link try}, for a caller who judges the result himself. @param hint - where the error has none */
  async attempt<T>(name: string, work: () => Promise<T> | T, hint?: string): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const known = error instanceof HoldfastError ? error : undefined;
      this.fail(name, known?.code ?? "bug", messageOf(error), known?.hints[0] ?? hint);
      return undefined;
    }
  }
}
