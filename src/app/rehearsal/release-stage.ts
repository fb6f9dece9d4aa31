/**
 * A release that is brought up on a copy: in which order it is made, looked at, started and asked. What stands behind each
 * of these, a platform's place knows; nothing of the release is started before everything that keeps it apart was seen to hold.
 */
import type { DatabaseConfig } from "../../config/config.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { runSmokeTest } from "../../drill/checks/smoke.ts";
import type { DrillJournal, PlannedCheck } from "../../drill/journal.ts";
import type { Scratch, ScratchProvider } from "../../drill/scratch/scratch.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import type { Finding } from "../../rollback/rehearsal/evidence.ts";
import { type Answering, askHealth } from "../../rollback/rehearsal/health-trial.ts";
import { awaitServices, type ServiceState } from "../../rollback/rehearsal/services.ts";
import type { Address } from "../../rollback/rehearsal/trial.ts";
import type { Context } from "../context.ts";
import { smoke } from "../drill/drill-checks.ts";
import { type CopyUrl, copyUrlFor, databasePort } from "./copy-url.ts";
import { type RehearsalStage, required, type StageIsolation } from "./rehearsal-stage.ts";

/** Where a release is brought up: a Compose project or a namespace of its own. */
export interface ReleasePlace {
  readonly name: string;
  readonly providers: readonly ScratchProvider[];
  readonly configured: RehearsalStage["configured"];
  /** What {@link prepare} checks. */
  readonly planned: readonly PlannedCheck[];
  /** Makes the place, and looks at what can be looked at without a copy. @throws DrillStopped; the cancellation */
  prepare(journal: DrillJournal): Promise<void>;
  /** Whether the place is closed, and nobody else in it. */
  checkNetwork(scratch: Scratch): Promise<Finding>;
  /** The copy, as the application finds it there. */
  hostOf(scratch: Scratch): Promise<string>;
  /** Makes the release, and starts nothing of it. @param database - the variable that has to lead to the copy, and its URL; secret */
  make(database: { readonly variable: string; readonly url: string }): Promise<Finding>;
  /** Whether what was made is apart. */
  checkMade(): Promise<Finding>;
  /** Tries to get out. @param production - what must not be reached more than anything */
  checkEgress(scratch: Scratch, production: readonly Address[]): Promise<Finding>;
  /** Starts the release. @returns whether it runs what was recorded */
  start(): Promise<Finding>;
  services(): Promise<readonly ServiceState[]>;
  /** What a URL is about, and the way there. @throws HoldfastError `drill-unverified` if it cannot be told */
  reach(scratch: Scratch, url: string): Promise<Answering>;
  /** As far as it came. @param variable - that leads to the copy */
  isolation(): StageIsolation;
  /** As {@link RehearsalStage.stop}. */
  stop(): Promise<void>;
  /** As {@link RehearsalStage.remove}. */
  remove(): Promise<readonly string[]>;
}

export interface ReleaseOptions {
  readonly context: Context;
  readonly database: DatabaseConfig;
  readonly settings: RollbackSettings;
  readonly checkpoint: Checkpoint;
  /** The rehearsal's id. */
  readonly rehearsal: string;
}

const checks = {
  network: { id: "isolation:network", title: "The network is closed, and nobody else is on it" },
  made: { id: "application:made", title: "The containers of the release could be made" },
  containers: { id: "isolation:containers", title: "No container publishes a port, or has anything of its host" },
  egress: { id: "isolation:egress", title: "Nothing outside can be reached from the network" },
  running: { id: "application:running", title: "The containers run the images that were recorded" },
  health: { id: "application:health", title: "The release is healthy on the copy" },
  services: { id: "application:services", title: "Every service runs, and is healthy by its own health check" },
} as const satisfies Record<string, PlannedCheck>;

const servicesMs = 120_000;

export function releaseStage(place: ReleasePlace, options: ReleaseOptions): RehearsalStage {
  const { context, database, settings } = options;
  let copy: CopyUrl | undefined;
  return {
    place: place.name,
    planned: [...place.planned, ...Object.values(checks), smoke],
    providers: place.providers,
    configured: place.configured,
    prepare: (journal) => place.prepare(journal),
    async perform(scratch, journal) {
      const { databaseVariable: variable } = settings;
      await required(journal, checks.network, () => place.checkNetwork(scratch));
      await required(journal, checks.made, async () => {
        copy = await copyUrlFor(scratch, database.url, await place.hostOf(scratch), context.signal);
        return place.make({ variable, url: copy.url });
      });
      await required(journal, checks.containers, () => place.checkMade());
      await required(journal, checks.egress, () => place.checkEgress(scratch, production(database)));
      await required(journal, checks.running, () => place.start());
      await tryOut(place, scratch, journal, options);
    },
    isolation() {
      const { measures, leftOut, placeholders } = place.isolation();
      const led = copy === undefined ? [] : [`the variable ${settings.databaseVariable} leads to the copy, as the role ${copy.role}`];
      return { measures: [...measures, ...led], leftOut, placeholders };
    },
    stop: () => place.stop(),
    remove: () => place.remove(),
  };
}

/** The live database by the address that this host knows. */
function production({ url }: DatabaseConfig): Address[] {
  const { host, port } = parseDatabaseUrl(url);
  if (host === undefined || host.startsWith("/")) return [];
  return host.split(",").map((each) => ({ what: "the database in production", host: each, port: port ?? databasePort }));
}

async function tryOut(place: ReleasePlace, scratch: Scratch, journal: DrillJournal, { context: { clock, signal }, database, settings: { health }, checkpoint, rehearsal }: ReleaseOptions): Promise<void> {
  const { leftOut, placeholders } = place.isolation();
  const without = [...leftOut, ...placeholders];
  const whileOpen = async <T>(answering: Answering, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } finally {
      await answering.close();
    }
  };
  await journal.check(checks.health, async () => {
    if (health === undefined) return withoutHealth(place, database);
    const answering = await place.reach(scratch, health.url);
    return whileOpen(answering, () => askHealth(answering, { settings: health, release: checkpoint.running, without, clock, signal }));
  });
  const answered = journal.checks.at(-1)?.outcome !== "fail";
  await journal.check(checks.services, () => awaitServices(() => place.services(), { timeoutMs: answered ? (health?.timeoutMs ?? servicesMs) : 0, without, signal }));
  await journal.check(smoke, async () => {
    const { smoke: test } = database.drill;
    if (test === undefined) return { outcome: "left-out", detail: "no smoke test is configured" };
    if (test.command === undefined) return { outcome: "left-out", detail: "the smoke test has no command, and what its URL leads to is not of the rehearsal" };
    const answering = await place.reach(scratch, health?.url ?? "http://localhost/").catch(() => undefined);
    const run = (): Promise<Finding> => runSmokeTest(test, { url: scratch.url, signal, drill: rehearsal, env: { HOLDFAST_REHEARSAL_URL: answering && `http://127.0.0.1:${answering.port}` } });
    return answering === undefined ? run() : whileOpen(answering, run);
  });
}

/** Something has to tell whether the application works: else that its containers run would pass for it. */
async function withoutHealth(place: ReleasePlace, { drill }: DatabaseConfig): Promise<Finding> {
  const told = (await place.services()).some(({ health }) => health !== undefined) || drill.smoke !== undefined;
  return told ? { outcome: "left-out", detail: "no health check is configured" } : { outcome: "unverified", detail: "nothing tells whether the application works: no health check is configured, its containers have none, and there is no smoke test" };
}
