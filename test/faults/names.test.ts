import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { createBackup } from "../../src/app/backup/create-backup.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { restoreBackup } from "../../src/app/restore/restore-backup.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { identifier, literal } from "../../src/postgres/session.ts";
import { createDatabase, dropDatabase, runSql, urlOf, withSession } from "../harness/postgres.ts";
import { contextOf } from "./scene.ts";

const odd = [
  "with  two spaces ",
  `quo"te's and ""more""`,
  "ünï ☃ 日本",
  "-rf",
  "--dbname=postgres",
  "$(touch pwned) `touch pwned` ; \\! touch pwned",
  "a=b",
  "new\nline",
  "tab\tand\\backslash\\n",
  ":name :'x' %41 %s",
  "postgresql://x",
  "dbname=postgres",
  "host='/nowhere' dbname=x",
];

test.each(odd)("a database called %j, with tables of all such names, goes through backup, verify and restore", async (name) => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-names-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const source = await createDatabase(name);
  await runSql(name, odd.map((table, at) => `CREATE SCHEMA ${identifier(`s ${table}`)}; CREATE TABLE ${identifier(`s ${table}`)}.${identifier(table)} (${identifier(table)} text PRIMARY KEY, id int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO ${identifier(`s ${table}`)}.${identifier(table)} VALUES (${literal(table)}), ('${at}');`).join("\n"));
  await runSql(name, `COMMENT ON DATABASE ${identifier(name)} IS ${literal(name)}; ALTER DATABASE ${identifier(name)} SET my.setting = ${literal(name)};`);
  const { recipient, files } = await generateKeys(join(folder, "keys"));
  const { context, events } = await contextOf({
    folder,
    env: {
      DATABASE_URL: source.url, HOLDFAST_DATABASE: "ehr", HOLDFAST_REPOSITORY: `file://${join(folder, "repository")}`, HOLDFAST_RECIPIENTS: recipient,
      HOLDFAST_IDENTITY_FILE: files.identity, HOLDFAST_SIGNING_KEY_FILE: files.signingKey, HOLDFAST_STATE_DIR: join(folder, "state"),
    },
  });
  await initialiseRepository(context);
  const { manifest } = await createBackup(context, { database: "ehr" });
  expect(manifest.source.database).toBe(name);
  expect((await verifyBackups(context, { choice: { latest: true }, level: "archive" })).map(({ ok, error }) => error?.message ?? ok)).toEqual([true]);

  const copy = `${name} copy`;
  onTestFinished(() => dropDatabase(copy));
  const result = await restoreBackup(context, {
    choice: { latest: true }, into: urlOf(copy), swap: false, dryRun: false, tables: [], mode: "all", jobs: 2, noOwner: false, roleMap: new Map(), createRoles: false, drainMs: 0,
  });
  expect(result).toMatchObject({ target: copy, tables: odd.length, rows: 2 * odd.length });
  await withSession(copy, async (session) => {
    expect(await session.row("SELECT current_setting('my.setting') AS setting, shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = current_database()")).toEqual({ setting: name, comment: name });
    for (const table of odd) expect(await session.rows(`SELECT ${identifier(table)} AS value FROM ${identifier(`s ${table}`)}.${identifier(table)} WHERE id = 1`)).toEqual([{ value: table }]);
  });
  await withSession("postgres", async (admin) => {
    expect(await admin.rows(`SELECT datname FROM pg_database WHERE datname LIKE '%holdfast_new%' AND starts_with(datname, ${literal(name)})`)).toEqual([]);
  });
  expect((await readdir(folder)).sort()).toEqual(["keys", "repository", "state"]);
  expect((await readdir(process.cwd())).includes("pwned")).toBe(false);
  expect(events.filter((event) => event.type === "step-failed")).toEqual([]);
});
