/**
 * The folder of an application's migrations: Prisma's (a folder each, with migration.sql and perhaps down.sql), or flat
 * files, as Flyway, Drizzle, Knex, TypeORM and Rails name them. A reviewed down script stands beside its migration.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import type { DownScript, Migration } from "./migration.ts";

/** `V2__x.sql`, `0002_x.up.sql`, `20240101_x.js`. Flyway's repeatable ones (`R__x.sql`) have no place in the order, and no version. */
const upFile = /^(?!R__|U[\d._]+__).*?(?:\.up)?\.(?<language>sql|js|cjs|mjs|ts|cts|mts|rb|py)$/i;
const downFile = /\.down\.sql$/i;
const noMigration = /\.d\.[cm]?ts$|^(?:index|mod)\.[cm]?[jt]s$|^__init__\.py$|^schema\.rb$/i;

/**
 * Every migration of `folder`, in the order of their names, numbers in them by value.
 * @throws HoldfastError `configuration` if the folder is not there, cannot be read, or holds no migration
 */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const root = resolve(folder);
  const entries = await reading(`the migrations at ${root}`, folderHint, () => readdir(root, { withFileTypes: true }));
  const folders = await Promise.all(entries.filter((entry) => entry.isDirectory()).map(({ name }) => readPrisma(root, name)));
  const nested = folders.filter((found) => found !== undefined);
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  // Prisma keeps nothing but the lock file beside its folders.
  const found = nested.length > 0 ? nested : await readFlat(root, files);
  if (found.length === 0) {
    throw new HoldfastError("configuration", `${root} holds no migration: neither NAME/migration.sql nor files such as 0002_name.sql or V2__name.sql`, {
      hints: ["Name the folder that holds the migrations themselves: prisma/migrations, not prisma."],
    });
  }
  return found.toSorted((a, b) => byNumbers.compare(a.name, b.name));
}

const byNumbers = new Intl.Collator("en", { numeric: true });

async function readPrisma(root: string, name: string): Promise<Migration | undefined> {
  const file = join(root, name, "migration.sql");
  const text = await textOf(file);
  return text === undefined ? undefined : { name, file, text, isSql: true, down: await downScript(join(root, name, "down.sql")) };
}

async function readFlat(root: string, files: readonly string[]): Promise<Migration[]> {
  const there = new Set(files);
  const found = files.map(async (name): Promise<Migration[]> => {
    const match = downFile.test(name) || noMigration.test(name) ? null : upFile.exec(name);
    const text = match === null ? undefined : await textOf(join(root, name));
    if (match === null || text === undefined) return [];
    const stem = name.replace(/(?:\.up)?\.\w+$/i, "");
    // Flyway's own name for what takes V2__x.sql back is U2__x.sql.
    const down = [`${stem}.down.sql`, ...(/^V[\d._]+__/.test(name) ? [name.replace(/^V/, "U")] : [])].find((candidate) => there.has(candidate));
    return [{ name: stem, file: join(root, name), text, isSql: match.groups?.["language"]?.toLowerCase() === "sql", down: down === undefined ? null : await downScript(join(root, down)) }];
  });
  return (await Promise.all(found)).flat();
}

/** SQL that takes a migration back, or undefined if there is no such file. */
async function downScript(file: string): Promise<DownScript | null> {
  const sql = await textOf(file);
  return sql === undefined ? null : { file, sql };
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await reading(`the migrations at ${file}`, folderHint, () => readFile(file, "utf8"));
  } catch (error) {
    if (error instanceof HoldfastError && ["ENOENT", "ENOTDIR", "EISDIR"].includes(systemCodeOf(error.cause) ?? "")) return undefined;
    throw error;
  }
}

/**
 * A script that the operator names for a whole set of migrations.
 * @throws HoldfastError `configuration` if it is not there or cannot be read
 */
export async function readDownFile(path: string): Promise<DownScript> {
  const file = resolve(path);
  return { file, sql: await reading(`the down-SQL ${file}`, "Name the file of reviewed SQL with --down-file, and let this user read it.", () => readFile(file, "utf8")) };
}

const folderHint = "Name the migrations of the release with databases.NAME.rollback.migrations, and let this user read them.";

async function reading<T>(what: string, hint: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const code = systemCodeOf(error);
    const why = code === "ENOENT" ? "there is no such file or folder" : code === "ENOTDIR" ? "it is a file, not a folder" : (code ?? messageOf(error));
    throw new HoldfastError("configuration", `${what} cannot be read: ${why}`, { hints: [hint], cause: error });
  }
}
