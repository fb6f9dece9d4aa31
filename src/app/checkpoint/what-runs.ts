/** Which release runs, from whoever knows it best. */
import { HoldfastError } from "../../errors.ts";
import type { DeployedEntry } from "../../rollback/checkpoint/records.ts";
import { checkRelease, isRelease } from "../../rollback/checkpoint/names.ts";
import type { RollbackRecord } from "../../rollback/plan/records.ts";
import type { Health } from "../../rollback/health/health.ts";

export interface Hearsay {
  /** `--running`. */
  readonly said: string | undefined;
  readonly health: Health | null;
  /** Newest first. */
  readonly deployed: readonly DeployedEntry[];
  /** Newest first. */
  readonly rollbacks: readonly RollbackRecord[];
  /** The configured `appVersion` of the database. */
  readonly configured: string | undefined;
}

/**
 * The operator is believed first, then the application itself, then the record of the last good deploy, or of the rollback that came
 * after it, then the configuration.
 * @returns the release, and what to warn of
 * @throws HoldfastError `usage` if nobody knows; `refused` if the coming release seems to run already
 */
export function whatRuns(release: string, { said, health, deployed, rollbacks, configured }: Hearsay): { readonly running: string; readonly warnings: readonly string[] } {
  const own = health?.version ?? undefined;
  if (said !== undefined) {
    checkRelease(said, "--running");
    return { running: said, warnings: own !== undefined && own !== said ? [`--running says ${said}, but the application says that it is ${own}`] : [] };
  }
  const last = lastSeen(deployed, rollbacks);
  const running = own ?? last ?? configured;
  if (running === undefined) {
    throw new HoldfastError("usage", `nobody tells which release runs now: the health check names no version, no deploy was verified${rollbacks.length > 0 ? " since the last rollback" : ""}, and no appVersion is configured`, {
      hints: ["Say it with --running, as in --running 1.4.1: it is the release that a rollback will go back to."],
    });
  }
  if (!isRelease(running)) {
    throw new HoldfastError("usage", `${JSON.stringify(running.slice(0, 100))}, as which the application is known, is not the name of a release: letters, digits and . _ + - only, a letter or digit first`, { hints: ["Say with --running what runs now."] });
  }
  if (running === release) {
    throw new HoldfastError("refused", `${release} runs already, but a checkpoint is taken before the deploy of its release`, {
      hints: [`If ${release} is about to be deployed once more, say so with --running ${release}.`, "If its deploy has begun, its checkpoint comes too late: what ran before is not to be seen any more."],
    });
  }
  return { running, warnings: own === undefined && last === undefined ? [`that ${running} runs is known from the configuration only`] : [] };
}

/** A rollback that stands half-way, or was left as it was, makes what was known before it worthless; one that was aborted changes nothing. */
function lastSeen(deployed: readonly DeployedEntry[], rollbacks: readonly RollbackRecord[]): string | undefined {
  const good = deployed.find((entry) => entry.deployed?.verdict === "good")?.deployed;
  const back = rollbacks.find(({ begun, outcome }) => begun !== undefined && outcome?.outcome !== "aborted");
  if (back?.begun === undefined || (good !== undefined && good.at > (back.outcome?.finishedAt ?? back.begun.startedAt))) return good?.release;
  return back.outcome?.outcome === "done" ? back.begun.plan.to : undefined;
}
