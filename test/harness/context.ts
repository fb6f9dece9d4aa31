/** The stories without a command line: a context as the commands build it, with its own keys, repository and ears. */
import { execaSync } from "execa";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";

import { type Context, databaseNamed, openWorkplace, reachTarget, requireIdentities } from "../../src/app/context.ts";
import { createBackup } from "../../src/app/backup/create-backup.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { openBackupKey } from "../../src/app/backup/open-part.ts";
import { restoreBackup, type RestoreOptions, type RestoreResult, type RestoreWork } from "../../src/app/restore/restore-backup.ts";
import { backupKey, manifestFile, signatureSuffix } from "../../src/catalog/layout.ts";
import { type Manifest, serializeManifest } from "../../src/catalog/manifest.ts";
import { loadSigner } from "../../src/catalog/signatures.ts";
import type { Config, DatabaseConfig } from "../../src/config/config.ts";
import { drillDefaults } from "../../src/config/drill-settings.ts";
import type { Event } from "../../src/ports.ts";
import { openAdminSession } from "../../src/postgres/server.ts";
import { openConfiguredStore } from "../../src/app/open-configured-store.ts";
import { targetOf, withSession } from "./postgres.ts";

export interface Bench {
  readonly folder: string;
  readonly context: Context;
  /** Everything that was told so far. */
  readonly events: Event[];
  /** Called with each event, before the story goes on. */
  listen(ear: (event: Event) => void): void;
  backup(): Promise<Manifest>;
  restore(options: Partial<RestoreOptions> & { readonly into: string }): Promise<RestoreResult>;
  /** What the steps of a restore share, for a test that runs one of them alone. */
  work(manifest: Manifest, options: Partial<RestoreOptions> & { readonly into: string }): Promise<RestoreWork>;
  /** Changes a published manifest and signs it again. */
  republish(manifest: Manifest, change: (manifest: Manifest) => Manifest): Promise<void>;
  /** The bench with other parts of its context. */
  with(context: Partial<Context>): Bench;
}

export interface BenchOptions {
  readonly database?: Partial<DatabaseConfig>;
  readonly config?: Partial<Config>;
}

const plain: Omit<RestoreOptions, "into"> = {
  choice: { latest: true }, swap: false, dryRun: false, tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: false, drainMs: 0,
};

/** A fresh bench for one database; its folder is removed after the test. */
export async function bench(url: string, options: BenchOptions = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const keys = await generateKeys(join(folder, "keys"));
  const ehr: DatabaseConfig = {
    name: "ehr", url, tools: undefined, include: { tables: [], schemas: [] }, exclude: { tables: [], schemas: [] }, excludeTableData: [], digests: "none", rolePasswords: false,
    appVersion: undefined, compressionLevel: 1, canary: undefined, drill: drillDefaults, retention: undefined, ...options.database,
  };
  const config: Config = {
    databases: new Map([["ehr", ehr]]),
    repository: { url: `file://${join(folder, "repository")}` },
    recipients: [keys.recipient],
    identityFile: keys.files.identity,
    signingKeyFile: keys.files.signingKey,
    trustedSigners: await readFile(keys.files.trustedSigners, "utf8"),
    pgBin: undefined, operator: undefined, stateDir: join(folder, "state"), tempDir: folder, source: undefined, warnings: [],
    ...options.config,
  };
  const events: Event[] = [];
  const ears: ((event: Event) => void)[] = [];
  let serial = 0;
  const context: Context = {
    config,
    clock: { now: () => new Date() },
    ids: { suffix: () => (serial++).toString(16).padStart(4, "0") },
    reporter: { emit: (event) => { events.push(event); for (const ear of ears) ear(event); } },
    signal: new AbortController().signal,
    actor: { user: "tester", host: "here", operator: null, tty: false },
    version: "0.0.0",
  };
  await initialiseRepository(context);
  return benchOf(folder, context, events, (ear) => { ears.push(ear); });
}

function benchOf(folder: string, context: Context, events: Event[], listen: Bench["listen"]): Bench {
  return {
    folder, context, events, listen,
    backup: async () => (await createBackup(context, {})).manifest,
    restore: (options) => restoreBackup(context, { ...plain, ...options }),
    work: async (manifest, options) => {
      const workplace = await openWorkplace(context);
      const { server, name: target } = await reachTarget(context, databaseNamed(context.config), options.into);
      const admin = await openAdminSession(server, context.signal, target);
      onTestFinished(async () => {
        await admin.close();
        await workplace.close();
      });
      const identity = await openBackupKey(workplace.repository, manifest, await requireIdentities(context.config));
      const { pid: adminPid } = await admin.row<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      return { context, workplace, server, admin, adminPid, manifest, identity, target, options: { ...plain, ...options } };
    },
    republish: async (manifest, change) => {
      const signer = loadSigner(await readFile(context.config.signingKeyFile!, "utf8"), "test");
      const bytes = serializeManifest(change(manifest));
      const store = await openConfiguredStore(context.config);
      try {
        const key = backupKey(manifest.database, manifest.id, manifestFile);
        await store.put(key, bytes);
        await store.put(key + signatureSuffix, signer.sign(bytes));
      } finally {
        await store.close();
      }
    },
    with: (parts) => benchOf(folder, { ...context, ...parts }, events, listen),
  };
}

/** The databases of the test server whose names begin with `prefix`. */
export async function databasesLike(prefix: string): Promise<string[]> {
  return withSession("postgres", async (session) => (await session.rows<{ datname: string }>("SELECT datname FROM pg_database ORDER BY datname")).map(({ datname }) => datname).filter((name) => name.startsWith(prefix)));
}

/** Runs SQL before the story goes on: for what somebody else does in the middle of it. */
export function runSqlNow(database: string, sql: string): void {
  const { psql, env } = targetOf(database);
  execaSync(psql[0], ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql], { env });
}

/** A text that holds `part`, as an expectation. */
export function containing(part: string): string {
  return expect.stringContaining(part) as string;
}
