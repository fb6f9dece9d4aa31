/** A rehearsal under Docker Compose: a project and a network of its own, the copy in a container on it, the older images beside. */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";

import type { DatabaseConfig } from "../../config/config.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { runSmokeTest } from "../../drill/checks/smoke.ts";
import type { DrillJournal, PlannedCheck } from "../../drill/journal.ts";
import { dockerProvider } from "../../drill/scratch/docker-scratch.ts";
import { type Note, noteOf, scratchName } from "../../drill/scratch/owner.ts";
import { type Ownership, type Scratch, scratchMark } from "../../drill/scratch/scratch.ts";
import { registerSecret } from "../../process/redact.ts";
import type { CommandLine } from "../../process/run.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { identifier, literal, openSession } from "../../postgres/session.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import { awaitServices, checkHealth, checkImages, checkRunning, createServices, locateHealth, servicesOf, startServices } from "../../rollback/rehearsal/compose-boot.ts";
import { type RehearsalFile, rehearsalFile } from "../../rollback/rehearsal/compose-file.ts";
import { type Address, checkEgress } from "../../rollback/rehearsal/egress.ts";
import { type Engine, engineAt, type Labels, makeNetwork, rehearsalMark, removeContainers, removeRehearsal } from "../../rollback/rehearsal/engine.ts";
import type { Finding } from "../../rollback/rehearsal/evidence.ts";
import { checkContainers, checkNetwork } from "../../rollback/rehearsal/isolation.ts";
import { openRelay } from "../../rollback/rehearsal/relay.ts";
import type { Context } from "../context.ts";
import { smoke } from "../drill/drill-checks.ts";
import { type RehearsalStage, required } from "./rehearsal-stage.ts";

const checks = {
  images: { id: "images", title: "The images of the release are there, by their content" },
  network: { id: "isolation:network", title: "The network is internal, and nobody else is on it" },
  made: { id: "application:made", title: "The containers of the release could be made" },
  containers: { id: "isolation:containers", title: "No container publishes a port, or has anything of this host" },
  egress: { id: "isolation:egress", title: "Nothing outside can be reached from the network" },
  running: { id: "application:running", title: "The containers run the images that were recorded" },
  health: { id: "application:health", title: "The release is healthy on the copy" },
  services: { id: "application:services", title: "Every service runs, and is healthy by its own health check" },
} as const satisfies Record<string, PlannedCheck>;

const databasePort = 5432;
const servicesMs = 120_000;

/** Docker's command line for the engine on which a database's application runs: by its context, or this host's own. */
export function engineCommand({ compose }: RollbackSettings): CommandLine {
  return ["docker", "--context", compose?.context ?? "default"];
}

/** The note on what a rehearsal makes, as labels; the same as on a drill's scratch. */
export const labelsOfNote = (note: Note): Labels => Object.fromEntries(Object.entries(note).map(([name, value]) => [`holdfast.${name}`, String(value)]));

/** A project that nobody else has; as with a scratch, it says which process made it. */
const projectOf = (note: Note): string => scratchName(note).replace(scratchMark, rehearsalMark);

export async function composeStage(context: Context, database: DatabaseConfig, settings: RollbackSettings, checkpoint: Checkpoint, owner: Ownership): Promise<RehearsalStage> {
  const note = await noteOf(owner);
  const project = projectOf(note);
  return new ComposeStage(context, database, settings, checkpoint, { project, labels: labelsOfNote(note), rehearsal: owner.drill });
}

interface Place {
  readonly project: string;
  readonly labels: Labels;
  readonly rehearsal: string;
}

class ComposeStage implements RehearsalStage {
  readonly place: string;
  readonly planned = [...Object.values(checks), smoke];
  readonly providers: RehearsalStage["providers"];
  readonly configured = "docker";
  readonly #context: Context;
  readonly #database: DatabaseConfig;
  readonly #settings: RollbackSettings;
  readonly #checkpoint: Checkpoint;
  readonly #place: Place;
  readonly #engine: Engine;
  #file: RehearsalFile | undefined;
  #role = "";

  constructor(context: Context, database: DatabaseConfig, settings: RollbackSettings, checkpoint: Checkpoint, place: Place) {
    const { config: { pgBin, tempDir }, clock, actor } = context;
    const command = engineCommand(settings);
    this.place = place.project;
    this.#context = context;
    this.#database = database;
    this.#settings = settings;
    this.#checkpoint = checkpoint;
    this.#place = place;
    this.#engine = engineAt(command);
    const { image, storage } = database.drill;
    this.providers = [dockerProvider({ image, storage, tempDir: tempDir ?? tmpdir(), pgBin, command, network: place.project, host: actor.host, now: () => clock.now() })];
  }

  async prepare(journal: DrillJournal): Promise<void> {
    await required(journal, checks.images, () => checkImages(this.#engine, this.#checkpoint.state.workloads));
    await makeNetwork(this.#engine, this.#place.project, this.#place.labels);
  }

  async perform(scratch: Scratch, journal: DrillJournal): Promise<void> {
    const { project, labels } = this.#place;
    const engine = this.#engine;
    const { workloads } = this.#checkpoint.state;
    await required(journal, checks.network, () => checkNetwork(engine, project, [scratch.name]));
    await required(journal, checks.made, async () => {
      const file = rehearsalFile(workloads, { project, labels, database: { variable: this.#settings.databaseVariable, url: await this.#urlFor(scratch) } });
      this.#file = file;
      if (file.withoutDatabase.length === workloads.length) return { outcome: "unverified", detail: `no service has the variable ${this.#settings.databaseVariable}, so none would find the copy` };
      if (file.withoutCommand.length > 0) return { outcome: "unverified", detail: `of the command of ${file.withoutCommand.join(", ")} the checkpoint holds only a hash, so it cannot be started as it was` };
      await createServices(engine, project, file);
      return { outcome: "pass", detail: `the project ${project}, from what the checkpoint recorded of ${workloads.map(({ name }) => name).join(", ")}` };
    });
    await required(journal, checks.containers, () => checkContainers(engine, project));
    await required(journal, checks.egress, () => checkEgress(engine, { from: scratch.name, project, control: { what: "the copy", host: scratch.name, port: databasePort }, forbidden: this.#production(), production: this.#settings.compose?.project }));
    await required(journal, checks.running, async () => {
      await startServices(engine, project);
      return checkRunning(await servicesOf(engine, project), workloads);
    });
    await this.#tryOut(scratch, journal);
  }

  isolation(): ReturnType<RehearsalStage["isolation"]> {
    const { leftOut = [], placeholders = [] } = this.#file ?? {};
    return {
      measures: [
        "one container for each service, in a project of its own, from the recorded configuration without its ports, networks, labels and restarts",
        "one internal network without an address of this host on it, without a resolver; the copy and the release are alone there",
        "nothing of this host mounted, no log written; asked from this host through a program in the container of the copy",
        ...(this.#role === "" ? [] : [`the variable ${this.#settings.databaseVariable} leads to the copy, as the role ${this.#role}`]),
      ],
      leftOut,
      placeholders,
    };
  }

  stop(): Promise<void> {
    return removeContainers(this.#engine, this.#place.project);
  }

  remove(): Promise<readonly string[]> {
    return removeRehearsal(this.#engine, this.#place.project);
  }

  async #tryOut(scratch: Scratch, journal: DrillJournal): Promise<void> {
    const { clock, signal } = this.#context;
    const { project } = this.#place;
    const { workloads } = this.#checkpoint.state;
    const { health } = this.#settings;
    const without = [...(this.#file?.leftOut ?? []), ...(this.#file?.placeholders ?? [])];
    await journal.check(checks.health, async () => {
      if (health === undefined) return this.#withoutHealth();
      const trial = { through: scratch.name, settings: health, workloads, release: this.#checkpoint.running, without, clock, signal };
      return checkHealth(this.#engine, await locateHealth(this.#engine, project, trial), trial);
    });
    const answered = journal.checks.at(-1)?.outcome !== "fail";
    await journal.check(checks.services, () => awaitServices(this.#engine, project, { timeoutMs: answered ? (health?.timeoutMs ?? servicesMs) : 0, without, signal }));
    await journal.check(smoke, () => this.#smokeTest(scratch));
  }

  /** Something has to tell whether the application works: else that its containers run would pass for it. */
  async #withoutHealth(): Promise<Finding> {
    const states = await servicesOf(this.#engine, this.#place.project);
    const told = states.some(({ health }) => health !== undefined) || this.#database.drill.smoke !== undefined;
    return told ? { outcome: "left-out", detail: "no health check is configured" } : { outcome: "unverified", detail: "nothing tells whether the application works: no health check is configured, its containers have none, and there is no smoke test" };
  }

  async #smokeTest(scratch: Scratch): Promise<Finding> {
    const { smoke: test } = this.#database.drill;
    if (test === undefined) return { outcome: "left-out", detail: "no smoke test is configured" };
    if (test.command === undefined) return { outcome: "left-out", detail: "the smoke test has no command, and what its URL leads to is not of the rehearsal" };
    const { signal } = this.#context;
    const url = this.#settings.health?.url ?? "http://localhost/";
    const address = await locateHealth(this.#engine, this.#place.project, { settings: { ...noHealth, url }, workloads: this.#checkpoint.state.workloads }).catch(() => undefined);
    const relay = address && (await openRelay(this.#engine, scratch.name, { host: address.service, port: address.port }));
    try {
      return await runSmokeTest(test, { url: scratch.url, signal, drill: this.#place.rehearsal, env: { HOLDFAST_REHEARSAL_URL: relay && `http://127.0.0.1:${relay.port}` } });
    } finally {
      await relay?.close();
    }
  }

  /** The live database by the address that this host knows: it is what must not be reached more than anything. */
  #production(): Address[] {
    const { host, port } = parseDatabaseUrl(this.#database.url);
    if (host === undefined || host.startsWith("/")) return [];
    return host.split(",").map((each) => ({ what: "the database in production", host: each, port: port ?? databasePort }));
  }

  /**
   * The application comes as the role of the configured URL, with what is granted to it and set for it; where that one is not
   * there or may not write, as a backup's own role, as the scratch's superuser.
   */
  async #urlFor({ server, database, name }: Scratch): Promise<string> {
    const { env, schema } = parseDatabaseUrl(this.#database.url);
    const { PGUSER: configured = "", PGOPTIONS: options } = env;
    const password = randomBytes(24).toString("hex");
    registerSecret(password);
    const session = await openSession(server.target(database), { signal: this.#context.signal });
    try {
      const found = await session.rows(`
        SELECT 1 FROM pg_roles r WHERE r.rolname = ${literal(configured)} AND r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT')
           AND EXISTS (SELECT 1 FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                       AND has_table_privilege(r.oid, c.oid, 'INSERT'))`);
      this.#role = found.length > 0 ? configured : server.facts.user;
      await session.execute("SET password_encryption = 'scram-sha-256'");
      await session.execute(`ALTER ROLE ${identifier(this.#role)} PASSWORD ${literal(password)} VALID UNTIL 'infinity'`);
    } finally {
      await session.close();
    }
    const query = new URLSearchParams({ ...(schema !== undefined && { schema }), ...(options !== undefined && { options }) }).toString();
    return `postgresql://${encodeURIComponent(this.#role)}:${password}@${name}:${databasePort}/${encodeURIComponent(database)}${query === "" ? "" : `?${query}`}`;
  }
}

/** For finding the service only. */
const noHealth = { status: 200, expect: {}, versionPath: undefined, times: 1, intervalMs: 0, timeoutMs: 0 } as const;
