import { expect, onTestFinished, test } from "vitest";

import { parseInstant } from "../../src/cli/choice.ts";
import { dropDatabase, runSql, withSession } from "../harness/postgres.ts";
import { expectFault } from "./leftovers.ts";
import { useScene } from "./scene.ts";

const scene = useScene();
const into = (): string[] => ["--into", `${scene().database}_copy`];

test("a database that is not configured is named with those that are", async () => {
  const bench = await scene().bench();
  await expectFault("unknown database", bench, ["backup", "--database", "nosuch"]);
});

test("an unknown flag is wrong usage", async () => {
  const bench = await scene().bench();
  await expectFault("unknown flag", bench, ["backup", "--compres", "3"]);
});

test("an id that does not exist is not found", async () => {
  const bench = await scene().bench();
  const id = "ehr-20200101T000000Z-0000";
  await expectFault("no such backup", bench, ["backup", "show", id]);
  await expectFault("no such backup", bench, ["backup", "verify", id], { recorded: "verify" });
  await expectFault("no such backup", bench, ["restore", id, ...into()], { recorded: "restore" });
});

test.each(["../../x", "ehr-20261121T020000Z-7f3a/../..", "/etc/passwd", "ehr-20261121T020000Z-7f3a/../../../../etc", "..", "EHR-20261121T020000Z-7f3a", "ehr-20261121T020000Z-7f3a\n"])(
  "the id %j, which tries to leave its folder or is none, is wrong usage",
  async (id) => {
    const bench = await scene().bench();
    await expectFault("not an id", bench, ["backup", "verify", id], { recorded: "verify" });
  },
);

test("show and restore refuse what is no id as verify does", async () => {
  const bench = await scene().bench();
  await expectFault("not an id", bench, ["backup", "show", "../../x"]);
  await expectFault("not an id", bench, ["restore", "ehr-20261121T020000Z-7f3a/../..", ...into()], { recorded: "restore" });
});

test.each(["yesterday", "2026-11-21", "2026-11-21T02:00:00", "5 Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21T25:00:00Z", "1763690400", ""])("%j is not an instant", (text) => {
  expect(() => parseInstant(text)).toThrow(`--as-of ${text} is not an instant with a time zone`);
});

test.each([
  ["2026-11-21T02:00:00Z", "2026-11-21T02:00:00.000Z"],
  ["2028-02-29T02:00Z", "2028-02-29T02:00:00.000Z"],
  ["2026-11-21T02:00:00.5+01:00", "2026-11-21T01:00:00.500Z"],
])("%j is an instant", (text, instant) => {
  expect(parseInstant(text).toISOString()).toBe(instant);
});

test("a malformed --as-of is wrong usage", async () => {
  const bench = await scene().bench();
  await expectFault("malformed as-of", bench, ["restore", "--as-of", "2026-02-30T00:00:00Z", ...into()]);
});

test("an instant before the first backup finds none and names the oldest", async () => {
  const bench = await scene().bench();
  const { stderr } = await expectFault("nothing so old", bench, ["restore", "--as-of", "2020-01-01T00:00:00Z", ...into()], { recorded: "restore" });
  expect(stderr).toContain(`The oldest is ${scene().backup.id}`);
});

test("a target that is not empty is refused and keeps what it has", async () => {
  const bench = await scene().bench();
  await expectFault("target not empty", bench, ["restore", "latest", "--into", scene().database], { recorded: "restore" });
  await withSession(scene().database, async (session) => {
    expect(await session.row("SELECT count(*) FROM people")).toEqual({ count: 4000 });
  });
});

test("a target that holds only a function is not empty", async () => {
  const bench = await scene().bench();
  const target = `g_${scene().database}`;
  await runSql("postgres", `CREATE DATABASE ${target} TEMPLATE template0`);
  onTestFinished(() => dropDatabase(target));
  await runSql(target, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  await expectFault("target not empty", bench, ["restore", "latest", "--into", target], { recorded: "restore" });
});

test("a swap that was not confirmed touches nothing", async () => {
  const bench = await scene().bench();
  await expectFault("swap unconfirmed", bench, ["restore", "latest", "--into", scene().database, "--swap"], { recorded: "restore --swap" });
});
