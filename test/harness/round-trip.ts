/** There and back through the product: backup, verify, restore beside, each told by its own story. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";

import type { Context } from "../../src/app/context.ts";
import { createBackup } from "../../src/app/backup/create-backup.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { restoreBackup, type RestoreResult } from "../../src/app/restore/restore-backup.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dropDatabase, urlOf } from "./postgres.ts";
import { s3Server } from "./s3.ts";

export type StoreKind = "file" | "s3";

export interface RoundTrip {
  readonly manifest: Manifest;
  /** The restored database; dropped after the test. */
  readonly copy: string;
  readonly restored: RestoreResult;
}

/** A context whose configuration comes from the environment alone, with keys, repository and digests of all tables. */
export async function contextFor(database: string, store: StoreKind): Promise<Context> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-round-trip-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { recipient, files } = await generateKeys(join(folder, "keys"));
  const env = {
    HOME: folder,
    DATABASE_URL: urlOf(database),
    HOLDFAST_DATABASE: "ehr",
    HOLDFAST_RECIPIENTS: recipient,
    HOLDFAST_IDENTITY_FILE: files.identity,
    HOLDFAST_SIGNING_KEY_FILE: files.signingKey,
    HOLDFAST_TRUSTED_SIGNERS: files.trustedSigners,
    HOLDFAST_STATE_DIR: join(folder, "state"),
    HOLDFAST_DIGESTS: "all",
    ...(store === "file" ? { HOLDFAST_REPOSITORY: `file://${join(folder, "repository")}` } : await bucket()),
  };
  return {
    config: await loadConfig({ env, cwd: folder }),
    clock: { now: () => new Date() },
    ids: { suffix: () => randomBytes(2).toString("hex") },
    reporter: { emit: () => undefined },
    signal: new AbortController().signal,
    actor: { user: "tester", host: "here", operator: null, tty: false },
    version: "0.0.0",
  };
}

async function bucket(): Promise<Record<string, string>> {
  const server = await s3Server();
  return {
    HOLDFAST_REPOSITORY: server.location(await server.createBucket(), "nightly"),
    HOLDFAST_REPOSITORY_ACCESS_KEY_ID: server.credentials.accessKeyId,
    HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
  };
}

/** Restores the newest backup under a new name. Throws what the product throws when the copy differs. */
export async function restoreCopy(context: Context): Promise<{ copy: string; restored: RestoreResult }> {
  const copy = `copy_${randomBytes(5).toString("hex")}`;
  onTestFinished(() => dropDatabase(copy));
  const restored = await restoreBackup(context, {
    choice: { latest: true }, into: copy, swap: false, dryRun: false, tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: false, drainMs: 0,
  });
  return { copy, restored };
}

export async function roundTrip(context: Context): Promise<RoundTrip> {
  await initialiseRepository(context);
  const { manifest } = await createBackup(context, {});
  const verdicts = await verifyBackups(context, { choice: { latest: true }, level: "archive" });
  expect(verdicts).toMatchObject([{ id: manifest.id, ok: true }]);
  return { manifest, ...(await restoreCopy(context)) };
}
