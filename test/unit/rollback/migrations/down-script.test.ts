import { expect, test } from "vitest";

import { prepareDown, prepareScript } from "../../../../src/rollback/migrations/down.ts";
import type { Migration } from "../../../../src/rollback/migrations/migration.ts";

const prepare = (sql: string) => prepareScript({ file: "/m/down.sql", sql });
const migration = (name: string, down: string | null): Migration => ({ name, file: `/m/${name}/migration.sql`, text: "", isSql: true, down: down === null ? null : { file: `/m/${name}/down.sql`, sql: down } });
const applied = (name: string, tool = "prisma") => ({ tool, table: "public._prisma_migrations", name });

test("a script is cut into its statements, comments and letters beyond ASCII included", async () => {
  expect((await prepare("-- für später\nDROP TABLE \"Größe\"; INSERT INTO t VALUES ('a;b');\nSELECT $$;$$")).statements).toEqual([
    { words: "DROP", sql: 'DROP TABLE "Größe"' },
    { words: "INSERT", sql: "INSERT INTO t VALUES ('a;b')" },
    { words: "SELECT", sql: "SELECT $$;$$" },
  ]);
});

test.each([
  ["BEGIN; DROP TABLE t; COMMIT", "it controls the transaction itself"],
  ["DROP TABLE t; COMMIT", "it controls the transaction itself"],
  ["SAVEPOINT s", "it controls the transaction itself"],
  ["CREATE INDEX CONCURRENTLY i ON t (a)", "it does something CONCURRENTLY"],
  ["DROP INDEX CONCURRENTLY i", "it does something CONCURRENTLY"],
  ["REINDEX INDEX CONCURRENTLY i", "it does something CONCURRENTLY"],
  ["ALTER TABLE p DETACH PARTITION c CONCURRENTLY", "it does something CONCURRENTLY"],
  ["COPY t FROM STDIN", "it copies rows (COPY)"],
  ["COPY t FROM STDIN;\n1\tx\n\\.\n", "it is not SQL that the server alone understands (line 2)"],
  ["DROP TABLE t;\n\\! rm -rf /", "it is not SQL that the server alone understands (line 2)"],
  ["\\i other.sql", "it is not SQL that the server alone understands (line 1)"],
  ["VACUUM t", "VACUUM runs in no transaction"],
  ["CREATE DATABASE x", "CREATE DATABASE runs in no transaction"],
  ["-- nothing yet", "it holds no statement"],
  ["", "it holds no statement"],
])("a script that no transaction of ours can hold is refused: %s", async (sql, why) => {
  await expect(prepare(sql)).rejects.toMatchObject({ code: "refused", message: `/m/down.sql cannot be run as down-SQL: ${why}` });
});

test("down scripts run newest first, each once, or the operator's one file for all", async () => {
  const folder = [migration("1", "DROP TABLE a"), migration("2", "DROP TABLE b")];
  expect((await prepareDown([applied("2"), applied("1")], folder)).scripts.map(({ file }) => file)).toEqual(["/m/2/down.sql", "/m/1/down.sql"]);
  expect((await prepareDown([applied("2"), applied("1")], { file: "/tmp/all.sql", sql: "DROP TABLE a, b" })).scripts.map(({ file }) => file)).toEqual(["/tmp/all.sql"]);
});

test("a migration without down-SQL, or unknown to the folder, is refused", async () => {
  await expect(prepareDown([applied("1")], [migration("1", null)])).rejects.toMatchObject({ code: "refused", message: "1 has no down.sql" });
  await expect(prepareDown([applied("9")], [migration("1", "DROP TABLE a")])).rejects.toMatchObject({ code: "refused", message: "9 has no down.sql" });
});

test("a ledger that keeps its heads only cannot be taken back", async () => {
  await expect(prepareDown([applied("a", "alembic")], { file: "/m/down.sql", sql: "DROP TABLE a" })).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("does not let single migrations be taken back") as string });
});
