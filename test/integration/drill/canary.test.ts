/** The canary's life: written to the source, recorded in the manifest, found again in the copy, or missed. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";

import { checkCanary } from "../../../src/drill/checks/canary.ts";
import { runCheck } from "../../../src/drill/checks/check.ts";
import { HoldfastError } from "../../../src/errors.ts";
import { plantCanary } from "../../../src/postgres/canary.ts";
import type { CanaryTruth } from "../../../src/postgres/truth/truth.ts";
import { bench } from "../../harness/context.ts";
import { copyName, roles, source } from "../../harness/databases.ts";
import { runSql, targetOf, withSession } from "../../harness/postgres.ts";

const table = "public.holdfast_canary";
const configured = { database: { canary: { table } } };

const checked = (database: string, canary: CanaryTruth | undefined) => withSession(database, (session) => checkCanary(session, canary === undefined ? {} : { canary }));
const tokens = (database: string) => withSession(database, (session) => session.rows<{ token: string; at: string }>(`SELECT token, written_at AS at FROM ${table} ORDER BY id`));

async function failureOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown);
  if (error instanceof HoldfastError) return error;
  throw new Error(`expected a HoldfastError, got ${String(error)}`);
}

test("a backup writes a canary before its snapshot, and its copy holds it; the manifest does not tell the token", async () => {
  const { name, url } = await source("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  const own = await bench(url, configured);
  const manifest = await own.backup();
  const { canary } = manifest.truth;
  const [row, ...more] = await tokens(name);
  expect(more).toEqual([]);
  expect(canary).toEqual({ schema: "public", table: "holdfast_canary", sha256: createHash("sha256").update(row!.token).digest("hex"), writtenAt: expect.stringMatching(/^\d{4}-.*Z$/) as string });
  expect(Date.parse(canary!.writtenAt)).toBeLessThanOrEqual(Date.parse(manifest.snapshotAt));
  expect(JSON.stringify(manifest)).not.toContain(row!.token);

  const copy = copyName();
  await own.restore({ into: copy });
  expect(await checked(copy, canary)).toEqual({ outcome: "pass", compared: 1, detail: `the canary that was written to ${table} at ${canary!.writtenAt} is in the copy` });

  await runSql(copy, `UPDATE ${table} SET token = 'another'`);
  expect(await checked(copy, canary)).toMatchObject({ outcome: "fail", detail: `the canary that was written to ${table} at ${canary!.writtenAt} is not in the copy` });
  await runSql(copy, `DROP TABLE ${table}`);
  expect(await checked(copy, canary)).toMatchObject({ outcome: "fail", detail: `the copy has no table ${table}, to which a canary was written at ${canary!.writtenAt}` });
  await runSql(copy, `CREATE TABLE ${table} (nothing int)`);
  expect(await withSession(copy, (session) => runCheck("canary", "canary", () => checkCanary(session, { canary: canary! })))).toMatchObject({ outcome: "unverified" });
});

test("without a canary in the configuration the source is not written to, and the check is left out", async () => {
  const { name, url } = await source("CREATE TABLE t (id int PRIMARY KEY)");
  const manifest = await (await bench(url)).backup();
  expect(manifest.truth.canary).toBeUndefined();
  expect(await withSession(name, (session) => session.row("SELECT to_regclass('public.holdfast_canary') IS NULL AS none"))).toEqual({ none: true });
  expect(await checked(name, undefined)).toMatchObject({ outcome: "left-out" });
});

test("the last ten canaries stay, each older one goes", async () => {
  const { name } = await source("");
  const planted: CanaryTruth[] = [];
  for (let count = 0; count < 13; count++) planted.push(await plantCanary(targetOf(name), table));
  const kept = (await tokens(name)).map(({ token }) => createHash("sha256").update(token).digest("hex"));
  expect(kept).toEqual(planted.slice(-10).map(({ sha256 }) => sha256));
  expect((await checked(name, planted[3])).outcome).toBe("pass");
  expect((await checked(name, planted[2])).outcome).toBe("fail");
});

test("a role that may not write fails the backup, with the statements that would let it; after them it succeeds", async () => {
  await roles(["canary reader"], "LOGIN PASSWORD 'x'");
  const { name, url } = await source(`CREATE TABLE t (id int PRIMARY KEY); REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT pg_read_all_data TO "canary reader"`);
  const own = await bench(url.replace("postgres:", "canary%20reader:").replace(/:[^:@]+@/, ":x@"), configured);
  const error = await failureOf(own.backup());
  expect(error).toMatchObject({ code: "database-unreachable", message: "the canary could not be written to public.holdfast_canary: permission denied for schema public" });
  const [hint = "", without] = error.hints;
  expect(without).toContain("take `canary` out of the configuration");
  await runSql(name, /CREATE TABLE.*?TO "canary reader";/.exec(hint)?.[0] ?? "no statements");
  await plantCanary(targetOf(name, { PGUSER: "canary reader" }), table);
  expect(await tokens(name)).toHaveLength(1);
  await runSql(name, `REVOKE DELETE ON ${table} FROM "canary reader"`);
  expect(await failureOf(plantCanary(targetOf(name, { PGUSER: "canary reader" }), table))).toMatchObject({ code: "database-unreachable" });
  expect(await tokens(name), "a canary that could not be completed is taken back").toHaveLength(1);
});

test("a table of another shape and a schema that is not there each say what is wrong", async () => {
  const { name } = await source(`CREATE TABLE ${table} (id int, written_at timestamptz)`);
  expect(await failureOf(plantCanary(targetOf(name), table))).toMatchObject({ code: "configuration", message: expect.stringContaining('column "token" of relation "holdfast_canary" does not exist') as string });
  expect(await failureOf(plantCanary(targetOf(name), "nowhere.canary"))).toMatchObject({ code: "configuration", message: expect.stringContaining('schema "nowhere" does not exist') as string });
});

test("a table whose rows are left out of the backup is refused before anything is written", async () => {
  const { name, url } = await source("CREATE TABLE t (id int PRIMARY KEY)");
  const own = await bench(url, { database: { canary: { table }, excludeTableData: ["public.holdfast*"] } });
  expect(await failureOf(own.backup())).toMatchObject({ code: "configuration", message: `the rows of the canary's table ${table} are left out of the backup, so that no drill could find them` });
  expect(await withSession(name, (session) => session.row("SELECT to_regclass('public.holdfast_canary') IS NULL AS none"))).toEqual({ none: true });
});
