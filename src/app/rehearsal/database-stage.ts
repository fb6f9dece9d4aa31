/** A rehearsal of the database alone: nobody knows how its application is brought up, so only the smoke test tries the copy. */
import type { DatabaseConfig } from "../../config/config.ts";
import type { ScratchProvider } from "../../drill/scratch/scratch.ts";
import { runSmokeTest } from "../../drill/checks/smoke.ts";
import type { Context } from "../context.ts";
import { smoke } from "../drill/drill-checks.ts";
import type { RehearsalStage } from "./rehearsal-stage.ts";

/** @param rehearsal - its id */
export function databaseStage({ signal }: Context, { drill }: DatabaseConfig, rehearsal: string, providers: readonly ScratchProvider[]): RehearsalStage {
  return {
    place: null,
    planned: [smoke],
    providers,
    configured: drill.scratch,
    prepare: () => Promise.resolve(),
    perform: ({ url }, journal) => journal.check(smoke, async () => (drill.smoke === undefined ? { outcome: "left-out", detail: "no smoke test is configured, and no platform: only the database was tried" } : runSmokeTest(drill.smoke, { url, signal, drill: rehearsal }))),
    isolation: () => ({ measures: ["the database was restored into a scratch of its own; no image was started, since no platform is configured"], leftOut: [], placeholders: [] }),
    stop: () => Promise.resolve(),
    remove: () => Promise.resolve([]),
  };
}
