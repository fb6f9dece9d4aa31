/** Checkpoints in tests: a source with a migration ledger, a health check that answers, and a platform that runs what the test says. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

import { createCheckpoint, type CreateCheckpointOptions, type CreatedCheckpoint } from "../../src/app/checkpoint/create-checkpoint.ts";
import type { Context } from "../../src/app/context.ts";
import type { DatabaseConfig } from "../../src/config/config.ts";
import type { HealthSettings, RollbackSettings } from "../../src/config/rollback-settings.ts";
import { type Bench, bench } from "./context.ts";
import { source } from "./databases.ts";
import { fakePlatform, type FakePlatform } from "./platforms.ts";
import { runSql, type TestDatabase } from "./postgres.ts";

/** Prisma's ledger, as Prisma makes it. */
export const prismaLedger = `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
  logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0)`;

/** SQL that notes a migration as applied. */
export function applied(name: string): string {
  return `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) VALUES (gen_random_uuid()::text, md5('${name}'), clock_timestamp(), '${name}', clock_timestamp(), 1)`;
}

export interface Application {
  /** What it answers with; undefined: status 503. */
  answer: Readonly<Record<string, unknown>> | undefined;
  readonly settings: HealthSettings;
}

/** A health check over HTTP, asked once or three times in quick succession. */
export async function application(version: string): Promise<Application> {
  const app: { answer: Application["answer"] } = { answer: { status: "healthy", version, database: "connected" } };
  const server = createServer((_question, response) => { response.writeHead(app.answer === undefined ? 503 : 200, { "content-type": "application/json" }).end(JSON.stringify(app.answer ?? {})); });
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  onTestFinished(() => new Promise((resolve) => { server.close(() => { resolve(); }); server.closeAllConnections(); }));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/health`;
  return Object.assign(app, { settings: { url, status: 200, expect: { status: "healthy", database: "connected" }, versionPath: "version", times: 3, intervalMs: 5, timeoutMs: 400 } });
}

export const rollbackDefaults: RollbackSettings = {
  platform: "none", compose: undefined, kubernetes: undefined, migrations: undefined, health: undefined, maintenance: undefined, errorBudget: undefined,
  databaseVariable: "DATABASE_URL", runbooks: undefined, severity: "SEV-2", stakeholders: [],
};

export interface Deployment {
  readonly on: Bench;
  readonly database: TestDatabase;
  readonly app: Application;
  readonly platform: FakePlatform;
  /** A checkpoint before 1.4.2, which brings `2_widen`, unless told otherwise. */
  checkpoint(options?: Partial<CreateCheckpointOptions> & { readonly context?: Context }): Promise<CreatedCheckpoint>;
  /** The deploy of 1.4.2: its images, its migration, its version. */
  deploy(): Promise<void>;
  sql(text: string): Promise<void>;
}

/** Release 1.4.1 runs, with migration `1_init`; every look at the clock is a second later than the one before. */
export async function deployment(changes: { readonly rollback?: Partial<RollbackSettings>; readonly database?: Partial<DatabaseConfig> } = {}): Promise<Deployment> {
  const database = await source(`CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people VALUES (1, 'Ada'); ${prismaLedger}; ${applied("1_init")}`);
  const app = await application("1.4.1");
  const rollback = { ...rollbackDefaults, health: app.settings, ...changes.rollback };
  const on = await bench(database.url, { database: { rollback, ...changes.database } });
  let seconds = 0;
  const timed = on.with({ clock: { now: () => new Date(Date.now() + 1000 * seconds++) } });
  const platform = fakePlatform("1.4.1");
  const sql = (text: string): Promise<void> => runSql(database.name, text);
  return {
    on: timed, database, app, platform, sql,
    checkpoint: ({ context = timed.context, ...options } = {}) => createCheckpoint(context, { release: "1.4.2", coming: { how: "names", names: ["2_widen"] }, runsOn: platform, ...options }),
    deploy: async () => {
      platform.deploy("1.4.2");
      await sql(`ALTER TABLE people ADD note text; ${applied("2_widen")}`);
      app.answer = { ...app.answer, version: "1.4.2" };
    },
  };
}

/** The context of a bench with another configuration of its database. */
export function openAs({ context }: Bench, changes: Partial<DatabaseConfig>): Context {
  const ehr = { ...context.config.databases.get("ehr")!, ...changes };
  return { ...context, config: { ...context.config, databases: new Map([["ehr", ehr]]) } };
}
