import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { readDownFile, readMigrations } from "../../../../src/rollback/migrations/folder.ts";
import { ledgerName, type Migration, toolOf } from "../../../../src/rollback/migrations/migration.ts";

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "holdfast-migrations-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}
const names = (migrations: readonly Migration[], tool: string) => migrations.map((migration) => ledgerName(migration, tool));

test("Prisma's folders are read in order, with the down script that stands in some", async () => {
  const root = await folder({ "migration_lock.toml": 'provider = "postgresql"', "README.md": "x", "20260102_b/migration.sql": "SELECT 2", "20260101_a/migration.sql": "SELECT 1", "20260102_b/down.sql": "SELECT -2", "drafts/notes.txt": "x" });
  const found = await readMigrations(root);
  expect(found).toMatchObject([{ name: "20260101_a", text: "SELECT 1", down: null }, { name: "20260102_b", isSql: true, file: join(root, "20260102_b/migration.sql"), down: { file: join(root, "20260102_b/down.sql"), sql: "SELECT -2" } }]);
  expect(names(found, "prisma")).toEqual(["20260101_a", "20260102_b"]);
  expect(names(found, "knex")).toEqual([undefined, undefined]);
  expect(names(found, "drizzle")).toEqual([undefined, undefined]);
});

test("flat files are read by number, up and down beside each other", async () => {
  const found = await readMigrations(await folder({ "10_c.up.sql": "", "2_b.up.sql": "", "2_b.down.sql": "DROP TABLE b", "1_a.sql": "", "1_a.down.sql": "DROP TABLE a" }));
  expect(found.map(({ name, down }) => [name, down?.sql])).toEqual([["1_a", "DROP TABLE a"], ["2_b", "DROP TABLE b"], ["10_c", undefined]]);
});

test("Flyway's files have their version's name, repeatable ones are left out, and undo files are down scripts", async () => {
  const found = await readMigrations(await folder({ "V1__init.sql": "", "V1_1__more.sql": "", "V002__x.sql": "", "U002__x.sql": "DROP TABLE x", "R__view.sql": "" }));
  expect(names(found, "flyway")).toEqual(["1", "1.1", "002"]);
  expect(found.map(({ down }) => down?.sql)).toEqual([undefined, undefined, "DROP TABLE x"]);
});

test("each tool's ledger names a file in its own way", async () => {
  const drizzle = await readMigrations(await folder({ "0000_calm_hulk.sql": "CREATE TABLE t ();", "meta/_journal.json": "{}" }));
  expect(names(drizzle, "drizzle")).toEqual([createHash("sha256").update("CREATE TABLE t ();").digest("hex")]);
  const knex = await readMigrations(await folder({ "20260101_a.js": "", "20260102_b.ts": "", "types.d.ts": "" }));
  expect(knex.map(({ isSql }) => isSql)).toEqual([false, false]);
  expect(names(knex, "knex")).toEqual(["20260101_a.js", "20260102_b.ts"]);
  expect(names(knex, "drizzle")).toEqual([undefined, undefined]);
  expect(names(await readMigrations(await folder({ "1700000000000-Init.ts": "" })), "typeorm")).toEqual(["Init1700000000000"]);
  expect(names(await readMigrations(await folder({ "20260101000000_create_t.rb": "" })), "rails")).toEqual(["20260101000000"]);
  for (const tool of ["alembic", "django", "constructor", "else"]) expect(names(knex, tool)).toEqual([undefined, undefined]);
});

test("the tool is the one whose ledger knows most of the names, and none if two do alike", async () => {
  const found = await readMigrations(await folder({ "1_a.sql": "a", "2_b.sql": "b" }));
  const hash = createHash("sha256").update("a").digest("hex");
  expect(toolOf(found, [{ tool: "knex", applied: ["1_a.sql", "2_b.sql"] }, { tool: "drizzle", applied: [hash] }])).toBe("knex");
  expect(toolOf(found, [{ tool: "knex", applied: [] }])).toBe("knex");
  expect(toolOf(found, [{ tool: "knex", applied: [] }, { tool: "drizzle", applied: [] }])).toBeUndefined();
  expect(toolOf(found, [{ tool: "prisma", applied: [] }, { tool: "alembic", applied: ["x"] }])).toBeUndefined();
});

test("a folder that is missing, is a file, is empty or cannot be read says so", async () => {
  const root = await folder({ "empty/notes.txt": "x", "locked/1_a.sql": "" });
  const failing = (path: string) => expect(readMigrations(join(root, path))).rejects;
  await failing("none").toMatchObject({ code: "configuration", message: `the migrations at ${join(root, "none")} cannot be read: there is no such file or folder` });
  await failing("empty/notes.txt").toMatchObject({ code: "configuration", message: expect.stringContaining("it is a file, not a folder") as string });
  await failing("empty").toMatchObject({ code: "configuration", message: expect.stringContaining("holds no migration") as string, hints: [expect.stringContaining("prisma/migrations")] });
  if (process.getuid?.() === 0) return;
  await chmod(join(root, "locked/1_a.sql"), 0);
  await failing("locked").toMatchObject({ code: "configuration", message: expect.stringContaining("EACCES") as string });
});

test("a file for a whole set is read, or named as missing", async () => {
  const root = await folder({ "all.sql": "DROP TABLE t" });
  expect(await readDownFile(join(root, "all.sql"))).toEqual({ file: join(root, "all.sql"), sql: "DROP TABLE t" });
  const none = join(root, "none.sql");
  await expect(readDownFile(none)).rejects.toMatchObject({ code: "configuration", message: `the down-SQL ${none} cannot be read: there is no such file or folder`, hints: [expect.stringContaining("--down-file")] });
});
