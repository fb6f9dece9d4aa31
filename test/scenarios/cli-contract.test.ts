/** What scripts read: the shape of every command's JSON, its streams and its exit codes. Values are others' business. */
import { execa } from "execa";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql } from "../harness/postgres.ts";
import { shapesOf } from "../harness/shapes.ts";

const snapshot = join(dirname(import.meta.filename), "__contract__", "json-shapes.json");

test("the JSON of every command's result, and of a failure, has the shape that was agreed", async () => {
  const database = await createDatabase();
  await runSql(database.name, "CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT n, 'person ' || n FROM generate_series(1, 10) n");
  const bench = await workbench(database.url);
  const [copy, other] = [`${database.name}_copy`, `${database.name}_other`];
  for (const name of [copy, other]) onTestFinished(() => dropDatabase(name));
  const { shapes, run } = shapesOf(bench);
  await run("repository init", 0, "repository", "init");
  await run("config validate", 0, "config", "validate");
  await run("keys generate", 0, "keys", "generate", "--out", join(bench.folder, "more"));
  await run("backup", 0, "backup", "--label", "one");
  await run("backup list", 0, "backup", "list");
  await run("backup show", 0, "backup", "show", "latest");
  await run("backup verify", 0, "backup", "verify", "--all", "--level", "archive");
  await run("restore --dry-run", 0, "restore", "latest", "--into", copy, "--dry-run");
  await run("restore", 0, "restore", "latest", "--into", copy);
  await run("restore --swap", 0, "restore", "latest", "--into", copy, "--swap", "--confirm", copy, "--drain", "0");
  await run("restore undo", 0, "restore", "undo", "--target", copy, "--confirm", copy, "--drain", "0");
  await run("audit show", 0, "audit", "show");
  await run("audit verify", 0, "audit", "verify");
  await run("failure: not found", 16, "backup", "show", "ehr-20200101T000000Z-0000");
  await run("failure: target not empty", 19, "restore", "latest", "--into", database.name);
  await run("failure: unknown command", 2, "backup", "nope");
  await expect(`${JSON.stringify(shapes, null, 2)}\n`).toMatchFileSnapshot(snapshot);
}, 120_000);

test("wrong usage exits with 2, on stderr for people and on stdout for scripts", async () => {
  const bench = await workbench("postgresql://nobody@127.0.0.1:1/nothing");
  for (const args of [["nope"], ["backup", "--nope"], ["restore", "latest"]]) {
    const person = await bench.run(...args);
    expect(person, args.join(" ")).toMatchObject({ code: 2, stdout: "" });
    expect(person.stderr).toMatch(/^error: [a-z-]\S.*\n {2}→ .*\n\(exit 2: [^\n]+\)$/s);
    const script = await bench.run(...args, "--json");
    expect(script, args.join(" ")).toMatchObject({ code: 2, stderr: "" });
    expect(script.json()).toMatchObject({ error: { code: "usage" } });
  }
}, 60_000);

test("help and version go to stdout and exit with 0", async () => {
  const bench = await workbench("postgresql://nobody@127.0.0.1:1/nothing");
  for (const [args, said] of [[["--help"], "EXIT CODES"], [["backup", "--help"], "--lock-wait"], [["--version"], "holdfast/"], [["keys"], "keys generate"]] as const) {
    const outcome = await bench.run(...args);
    expect(outcome, args.join(" ")).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout).toContain(said);
  }
});

test("stdout carries the result alone, also when steps, warnings and a JSON log are told", async () => {
  const database = await createDatabase();
  const bench = await workbench(database.url, { HOLDFAST_NONSENSE: "1" });
  await bench.ok("repository", "init");
  const made = await bench.ok("backup", "--json", "--verbose", "--log-format", "json");
  const { id } = made.json<{ id: string }>();
  const log = made.stderr.split("\n").map((line) => JSON.parse(line) as { time: string; type: string });
  expect(log.map(({ type }) => type)).toContain("step-finished");
  expect(log.every(({ time }) => !Number.isNaN(Date.parse(time)))).toBe(true);
  const listed = await bench.run("backup", "list", "--quiet");
  expect(listed.stdout).toContain(id);
  expect(listed.stderr.split("\n").every((line) => line.startsWith("warning: "))).toBe(true);
});

test("a failure in a JSON log is a line of it", async () => {
  const bench = await workbench("postgresql://nobody@127.0.0.1:1/nothing");
  const { code, stdout, stderr } = await bench.run("backup", "list", "--log-format", "json");
  expect({ code, stdout }).toEqual({ code: expect.any(Number) as number, stdout: "" });
  expect(JSON.parse(stderr)).toMatchObject({ type: "error", code: expect.any(String) as string, hints: expect.any(Array) as unknown[] });
});

test("a reader that leaves ends nothing: the backup is made, and exits with 0", async () => {
  const database = await createDatabase();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  const cli = bench.start("backup", "--verbose", "--log-format", "json");
  cli.stdout.destroy();
  cli.stderr.once("data", () => cli.stderr.destroy());
  expect((await cli).exitCode).toBe(0);
  expect((await bench.ok("backup", "list", "--json")).json()).toHaveLength(1);
});

test("an argument that is not given is not read from stdin: a loop over backups keeps its list", async () => {
  const bench = await workbench("postgresql://nobody@127.0.0.1:1/nothing");
  await mkdir(join(bench.folder, "repository"));
  await writeFile(join(bench.folder, "loop.sh"), 'while read -r id; do "$@" >/dev/null 2>&1; echo "$id"; done\n');
  const { stdout } = await execa("sh", [join(bench.folder, "loop.sh"), process.execPath, join(import.meta.dirname, "../../bin/dev.js"), "backup", "show"], { input: "one\ntwo\nthree\n", env: bench.env, cwd: bench.folder });
  expect(stdout).toBe("one\ntwo\nthree");
});

test("a list in an environment variable is a list, and a boolean that says no is as if it were not given", async () => {
  const database = await createDatabase();
  await runSql(database.name, "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int)");
  const bench = await workbench(database.url);
  const copy = `${database.name}_copy`;
  onTestFinished(() => dropDatabase(copy));
  await bench.ok("repository", "init");
  await bench.ok("backup");
  Object.assign(bench.env, { HOLDFAST_TABLES: "public.a, b", HOLDFAST_QUIET: "0", HOLDFAST_SCHEMA_ONLY: "off" });
  expect((await bench.ok("restore", "latest", "--into", copy, "--verbose", "--json")).json()).toMatchObject({ tables: 2 });
  bench.env["HOLDFAST_QUIET"] = "perhaps";
  expect(await bench.run("backup", "list")).toMatchObject({ code: 2, stderr: expect.stringContaining('HOLDFAST_QUIET is "perhaps", but must be true or false') as string });
});
