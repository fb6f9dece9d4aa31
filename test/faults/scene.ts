/** A database with one good backup, made once for a file of tests; every test gets a copy of the repository to harm. */
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, inject } from "vitest";

import type { Context } from "../../src/app/context.ts";
import { createBackup } from "../../src/app/backup/create-backup.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Event } from "../../src/ports.ts";
import { identifier } from "../../src/postgres/session.ts";
import { type Workbench, workbench } from "../harness/cli.ts";
import { dropDatabase, runSql, urlOf, withSession } from "../harness/postgres.ts";
import { s3Server } from "../harness/s3.ts";
import { type BucketPlace, bucketPlace, filesBelow, folderPlace, type Place } from "./place.ts";

/** Rows that do not compress, enough for several chunks of age and for half a dump to be half of it. */
const clinic = `
  CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
  INSERT INTO people (name) SELECT sha256(n::text::bytea)::text FROM generate_series(1, 4000) n;
  CREATE TABLE visits (id int PRIMARY KEY, person int NOT NULL REFERENCES people, note text);
  INSERT INTO visits SELECT n, n, 'canary-note-' || n FROM generate_series(1, 200) n;
`;

/** Some 20 MB more that do not compress, for parts that are uploaded in several pieces. */
const images = `
  CREATE TABLE images (id int PRIMARY KEY, bytes bytea NOT NULL);
  INSERT INTO images SELECT i, (SELECT string_agg(sha512((i || '/' || n)::bytea), '') FROM generate_series(1, 4096) n) FROM generate_series(1, 80) i;
`;

export interface Scene {
  /** The database that is backed up. */
  readonly database: string;
  readonly backup: Manifest;
  /** A workbench with a repository of its own that holds the good backup, or with an empty one. */
  bench(extra?: Record<string, string>, repository?: "with the backup" | "none"): Promise<FaultBench>;
  /** The same in a bucket of its own, with time limits that a test can wait for. */
  bucketBench(extra?: Record<string, string>, options?: BucketOptions): Promise<BucketBench>;
}

export interface BucketOptions {
  readonly repository?: "with the backup" | "none";
  readonly objectLock?: boolean;
}

export interface FaultBench extends Workbench {
  readonly scene: Scene;
  /** The folder of the repository. */
  readonly repository: string;
  readonly place: Place;
  /** The environment before the test broke something in it. */
  readonly good: Readonly<Record<string, string>>;
}

export interface BucketBench extends FaultBench {
  readonly place: BucketPlace;
}

/**
 * Sets the scene for the tests of a file.
 * @param grown - the database is larger than its good backup: new backups of it are uploaded in several pieces
 */
export function useScene({ grown = false } = {}): () => Scene {
  let scene: Scene | undefined;
  let cleanUp: () => Promise<void> = () => Promise.resolve();
  beforeAll(async () => {
    const database = `f_${randomBytes(5).toString("hex")}`;
    const folder = await mkdtemp(join(tmpdir(), "holdfast-scene-"));
    cleanUp = async () => {
      await dropDatabase(database);
      await rm(folder, { recursive: true, force: true });
    };
    await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(database)} TEMPLATE template0`));
    await runSql(database, clinic);
    const { recipient, files } = await generateKeys(join(folder, "keys"));
    const shared = {
      DATABASE_URL: urlOf(database),
      HOLDFAST_DATABASE: "ehr",
      HOLDFAST_RECIPIENTS: recipient,
      HOLDFAST_IDENTITY_FILE: files.identity,
      HOLDFAST_SIGNING_KEY_FILE: files.signingKey,
      HOLDFAST_TRUSTED_SIGNERS: files.trustedSigners,
    };
    const { context } = await contextOf({ env: { ...shared, HOLDFAST_REPOSITORY: `file://${join(folder, "repository")}`, HOLDFAST_STATE_DIR: join(folder, "state") }, folder });
    await initialiseRepository(context);
    const { manifest } = await createBackup(context, {});
    if (grown) await runSql(database, images);
    const made: Scene = {
      database,
      backup: manifest,
      async bench(extra = {}, repository = "with the backup") {
        const bench = await workbench(shared.DATABASE_URL, { ...shared, ...extra });
        const place = join(bench.folder, "repository");
        if (repository === "with the backup") await cp(join(folder, "repository"), place, { recursive: true });
        return { ...bench, scene: made, repository: place, place: folderPlace(place), good: { ...bench.env } };
      },
      async bucketBench(extra = {}, { repository = "with the backup", objectLock = false } = {}) {
        const place = await bucketPlace({ objectLock });
        const { credentials } = await s3Server();
        const bench = await workbench(shared.DATABASE_URL, {
          ...shared,
          HOLDFAST_REPOSITORY: place.url,
          HOLDFAST_REPOSITORY_ACCESS_KEY_ID: credentials.accessKeyId,
          HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY: credentials.secretAccessKey,
          HOLDFAST_REPOSITORY_PART_SIZE: "8MiB",
          HOLDFAST_REPOSITORY_ATTEMPTS: "2",
          HOLDFAST_REPOSITORY_REQUEST_TIMEOUT: "1s",
          HOLDFAST_REPOSITORY_STALL_TIMEOUT: "1s",
          ...extra,
        });
        const original = join(folder, "repository");
        if (repository === "with the backup") for (const path of await filesBelow(original)) await place.write(path, await readFile(join(original, path)));
        return { ...bench, scene: made, repository: "", place, good: { ...bench.env } };
      },
    };
    scene = made;
  });
  afterAll(() => cleanUp());
  return () => {
    if (scene === undefined) throw new Error("the scene is set before all tests");
    return scene;
  };
}

/** A context for calling a story without a process, and the events that it will have emitted. */
export async function contextOf(bench: Pick<Workbench, "env" | "folder">): Promise<{ context: Context; events: Event[] }> {
  const events: Event[] = [];
  const config = await loadConfig({ env: { HOME: bench.folder, ...bench.env }, cwd: bench.folder });
  const context: Context = {
    config,
    clock: { now: () => new Date() },
    ids: { suffix: () => randomBytes(2).toString("hex") },
    reporter: { emit: (event) => { events.push(event); } },
    signal: new AbortController().signal,
    actor: { user: "tester", host: "here", operator: null, tty: false },
    version: "0.0.0",
  };
  return { context, events };
}

const tools = ["psql", "pg_dump", "pg_dumpall", "pg_restore"] as const;

/** A folder for HOLDFAST_PG_BIN with the real programs, some of them replaced by those of test/fixtures/bin. */
export async function clients(bench: Pick<Workbench, "folder">, replaced: Partial<Record<(typeof tools)[number], string>>): Promise<string> {
  const { binaries } = inject("postgres");
  const folder = join(bench.folder, "clients");
  await mkdir(folder);
  await symlink(binaries, join(folder, "real"));
  for (const tool of tools) {
    const fixture = replaced[tool];
    await symlink(fixture === undefined ? join(binaries, tool) : join(import.meta.dirname, "..", "fixtures", "bin", fixture), join(folder, tool));
  }
  return folder;
}
