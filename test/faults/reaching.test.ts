import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { freePort } from "../harness/owned-folders.ts";
import { runSql } from "../harness/postgres.ts";
import { expectFault, expectHoldsExactly } from "./leftovers.ts";
import { clients, useScene } from "./scene.ts";

const scene = useScene();

test("a wrong password is refused without being shown", async () => {
  const bench = await scene().bench();
  const url = new URL(bench.env["DATABASE_URL"] ?? "");
  url.password = "gR7-not-the-password";
  bench.env["DATABASE_URL"] = url.href;
  await expectFault("wrong password", bench, ["backup"], { recorded: "backup" });
});

test("a database that does not exist is named", async () => {
  const bench = await scene().bench();
  const url = new URL(bench.env["DATABASE_URL"] ?? "");
  url.pathname = "/no%20such%20database";
  bench.env["DATABASE_URL"] = url.href;
  const { stderr } = await expectFault("database missing", bench, ["backup"], { recorded: "backup" });
  expect(stderr).toContain('database "no such database" does not exist');
});

test("a server that is down is told from one that refuses", async () => {
  const bench = await scene().bench();
  const url = new URL(bench.env["DATABASE_URL"] ?? "");
  url.port = String(await freePort());
  bench.env["DATABASE_URL"] = url.href;
  await expectFault("server down", bench, ["backup"], { recorded: "backup" });
});

test("a server newer than every client is refused before a byte is dumped", async () => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_PG_BIN"] = await clients(bench, { pg_dump: "pg_dump-older" });
  const { stderr } = await expectFault("server newer", bench, ["backup"], { recorded: "backup" });
  expect(stderr).toContain("apt-get install postgresql-client-");
});

test("a folder without client programs is named", async () => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_PG_BIN"] = bench.folder;
  const { stderr } = await expectFault("no clients", bench, ["backup"], { recorded: "backup" });
  expect(stderr).toContain(bench.folder);
});

test("a table that the user may not read fails the backup and names the grant", async () => {
  const bench = await scene().bench();
  const role = `${scene().database}_reader`;
  await runSql("postgres", `CREATE ROLE ${role} LOGIN PASSWORD 'gR7-reader'`);
  onTestFinished(() => runSql("postgres", `DROP ROLE ${role}`));
  const url = new URL(bench.env["DATABASE_URL"] ?? "");
  url.username = role;
  url.password = "gR7-reader";
  bench.env["DATABASE_URL"] = url.href;
  const { stderr } = await expectFault("no privilege", bench, ["backup"], { recorded: "backup" });
  expect(stderr).toContain("GRANT pg_read_all_data");
});

test("a location that is no repository is not made one by a backup", async () => {
  const bench = await scene().bench({}, "none");
  await expectFault("not initialised", bench, ["backup"], { holds: "unknown" });
  await expect(readFile(join(bench.repository, "holdfast.json"))).rejects.toThrow("ENOENT");
});

test.each(["backup", "backup list", "backup verify --all", "restore latest --into nowhere", "repository init"])("a repository of a newer format is left alone by `%s`", async (command) => {
  const bench = await scene().bench();
  const marker = join(bench.repository, "holdfast.json");
  const text = await readFile(marker);
  await writeFile(marker, '{"format":2,"id":{"tomorrow":"another shape"}}\n');
  await expectFault("newer repository", bench, command.split(" "), { holds: "unknown" });
  await writeFile(marker, text);
  await expectHoldsExactly(bench, [scene().backup.id]);
});

test("a damaged marker is told from a missing one and from a newer one", async () => {
  const bench = await scene().bench();
  const marker = join(bench.repository, "holdfast.json");
  const text = await readFile(marker);
  await writeFile(marker, text.subarray(0, text.length / 2));
  await expectFault("damaged marker", bench, ["backup"], { holds: "unknown" });
  await rm(marker);
  await expectFault("not initialised", bench, ["backup"], { holds: "unknown" });
});
