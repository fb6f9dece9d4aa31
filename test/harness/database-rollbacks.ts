/** A database that migrations change, whose application nobody told us about: rollbacks with the platform `none`. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import { type Workbench, workbench } from "./cli.ts";
import { databasesLike } from "./context.ts";
import { createDatabase, dropDatabase, runSql, urlOf, withSession } from "./postgres.ts";

export interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly down?: string;
}

export interface DatabasePlace extends Workbench {
  /** Of the live database, which is also what has to be typed to confirm. */
  readonly name: string;
  sql(script: string): Promise<void>;
  row<T>(sql: string): Promise<T>;
  /** The live database and those that are kept beside it. */
  databases(): Promise<string[]>;
  /** Puts a migration into the folder, as the coming release brings it. */
  brings(migration: Migration): Promise<void>;
  /** Applies it as its tool would. */
  applies(migration: Migration): Promise<void>;
  /** Takes a checkpoint, applies what the release brings, and counts as deployed. @returns the checkpoint's id */
  deploys(release: string, running: string, ...migrations: readonly Migration[]): Promise<string>;
}

const ledger = `CREATE TABLE _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY DEFAULT gen_random_uuid()::text, checksum VARCHAR(64) NOT NULL DEFAULT 'x', finished_at TIMESTAMPTZ DEFAULT now(), migration_name VARCHAR(255) NOT NULL,
  logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), applied_steps_count INTEGER NOT NULL DEFAULT 1);\n`;

export const init: Migration = { name: "20260101000000_init", sql: "CREATE TABLE patients (id serial PRIMARY KEY, name text NOT NULL);" };
export const renaming: Migration = { name: "20260201000000_rename", sql: "ALTER TABLE patients RENAME COLUMN name TO full_name;" };
export const adding: Migration = { name: "20260202000000_email", sql: "ALTER TABLE patients ADD COLUMN email text;" };

/** A database with one migration and four patients, and a repository without a backup. */
export async function databasePlace(): Promise<DatabasePlace> {
  const { name } = await createDatabase();
  onTestFinished(async () => { for (const each of await databasesLike(`${name}_holdfast`)) await dropDatabase(each); });
  const migrations = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(migrations, { recursive: true, force: true }));
  const here = await workbench(urlOf(name), { HOLDFAST_ROLLBACK_PLATFORM: "none", HOLDFAST_ROLLBACK_MIGRATIONS: migrations });
  const sql = (script: string): Promise<void> => runSql(name, script);
  const place: DatabasePlace = {
    ...here, name, sql,
    row: (query) => withSession(name, async (session) => {
      await session.execute("SET search_path = public");
      return session.row(query);
    }),
    databases: () => databasesLike(name),
    brings: async (migration) => {
      await mkdir(join(migrations, migration.name), { recursive: true });
      await writeFile(join(migrations, migration.name, "migration.sql"), `${migration.sql}\n`);
      if (migration.down !== undefined) await writeFile(join(migrations, migration.name, "down.sql"), `${migration.down}\n`);
    },
    applies: (migration) => sql(`${migration.sql}\nINSERT INTO _prisma_migrations (migration_name) VALUES ('${migration.name}');\n`),
    deploys: async (release, running, ...all) => {
      for (const migration of all) await place.brings(migration);
      const { id } = (await here.ok("checkpoint", "create", "--release", release, "--running", running, "--json")).json<{ id: string }>();
      for (const migration of all) await place.applies(migration);
      return id;
    },
  };
  await sql(ledger);
  await place.brings(init);
  await place.applies(init);
  await sql("INSERT INTO patients (name) SELECT 'before' FROM generate_series(1, 4);\n");
  await here.ok("repository", "init");
  return place;
}

/** Somebody wrote two rows after a release that renames a column. */
export async function badRelease(): Promise<DatabasePlace> {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", renaming);
  await place.sql("INSERT INTO patients (full_name) VALUES ('in between'), ('in between');\n");
  return place;
}

/** The command that goes back. */
export const way = (place: DatabasePlace): readonly string[] => ["rollback", "--to", "1.0.0", "--confirm", place.name];

export const columns = (place: DatabasePlace): Promise<{ columns: string; rows: number }> =>
  place.row("SELECT (SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'patients') AS columns, (SELECT count(*) FROM patients) AS rows");
