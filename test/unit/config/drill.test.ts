import { expect, test } from "vitest";

import { showConfig } from "../../../src/config/show.ts";
import { workspace } from "./workspace.ts";

async function problemsOf(settings: object, beside: object = {}): Promise<unknown> {
  const { failure } = await workspace({ "holdfast.yaml": JSON.stringify({ databases: { ehr: { url: "service=x", ...beside, drill: settings } } }) });
  return (await failure()).details?.["problems"];
}

const asserting = (...expected: object[]): object => ({ assertions: expected.map((expect, at) => ({ name: `no ${at}`, sql: "SELECT 1", expect })) });
const objective = "must be a duration from 1s to 3650d with its unit, as in 30m, 1h or 25h";

test.each<readonly [name: string, settings: object, problem: string]>([
  ["a mistyped setting", { rot: "1h" }, "unknown key `rot` at databases.ehr.drill; did you mean `rto`?"],
  ["an objective of nothing", { rto: "0s" }, `databases.ehr.drill.rto is "0s", but ${objective}`],
  ["a negative objective", { rpo: "-1h" }, `databases.ehr.drill.rpo is "-1h", but ${objective}`],
  ["an objective without its unit", { rpo: 25 }, `databases.ehr.drill.rpo is 25, but ${objective}`],
  ["a rhythm of half a day", { every: "12h" }, 'databases.ehr.drill.every is "12h", but must be whole days from 1d to 3650d'],
  ["a life of no time", { ttl: "0h" }, 'databases.ehr.drill.ttl is "0h", but must be a duration from 5m to 30d with its unit, as in 90m or 6h'],
  ["a scratch that nobody knows", { scratch: "vm" }, 'databases.ehr.drill.scratch is "vm", but must be local or docker or server'],
  ["a server scratch without a server", { scratch: "server" }, "databases.ehr.drill: scratch is server, but no server is named"],
  ["a mistyped key of an assertion", { assertions: [{ name: "a", sql: "SELECT 1", expect: { equals: 1 }, sensitiv: false }] }, "unknown key `sensitiv` at databases.ehr.drill.assertions[0]; did you mean `sensitive`?"],
  ["a mistyped expectation", asserting({ equal: "x" }), "unknown key `equal` at databases.ehr.drill.assertions[0].expect; did you mean `equals`?"],
  ["an expectation with nothing in it", asserting({ equals: 1 }, {}), "databases.ehr.drill.assertions[1].expect: nothing is expected; say equals, min or max, nonEmpty: true or matches"],
  ["an expectation of two things", asserting({ equals: 1, min: 0 }), "databases.ehr.drill.assertions[0].expect: several things are expected; say one of equals, min and max, nonEmpty and matches, and write an assertion for each"],
  ["a range upside down", asserting({ min: 5, max: 3 }), "databases.ehr.drill.assertions[0].expect: min, 5, is above max, 3: no answer fits"],
  ["a wrong regular expression", asserting({ matches: "(" }), 'databases.ehr.drill.assertions[0].expect.matches is "(", but must be a regular expression as JavaScript reads it'],
  ["an expectation of emptiness", asserting({ nonEmpty: false }), "databases.ehr.drill.assertions[0].expect.nonEmpty is false, but must be true, or left out"],
  ["two assertions with one name", { assertions: ["a", "b", "a"].map((name) => ({ name, sql: "SELECT 1", expect: { equals: 1 } })) }, 'databases.ehr.drill.assertions[2].name: the name "a" is taken by assertions[0]'],
  ["a smoke test of nothing", { smoke: { timeout: "1m" } }, "databases.ehr.drill.smoke: a smoke test needs a command, an http probe or both"],
  ["a smoke command with an open quote", { smoke: { command: "node 'x" } }, `databases.ehr.drill.smoke.command is "node 'x", but must name a program, its quotes closed`],
  ["a probe of a file", { smoke: { http: { url: "file:///etc/passwd" } } }, 'databases.ehr.drill.smoke.http.url is "file:///etc/passwd", but must be a URL that begins with http:// or https://'],
  ["a mistyped key of the probe", { smoke: { http: { url: "http://127.0.0.1", stauts: 200 } } }, "unknown key `stauts` at databases.ehr.drill.smoke.http; did you mean `status`?"],
  ["no time for the smoke test", { smoke: { command: "true", timeout: "0s" } }, 'databases.ehr.drill.smoke.timeout is "0s", but must be a duration from 1s to 1d with its unit, as in 30s or 5m'],
])("%s is refused by name", async (_name, settings, problem) => {
  expect(await problemsOf(settings)).toEqual([problem]);
});

test("an assertion without its parts says what is missing", async () => {
  expect(await problemsOf({ assertions: [{ name: "a" }] })).toEqual([
    "databases.ehr.drill.assertions[0].sql is missing; it must be a text (put numbers in quotes)",
    "databases.ehr.drill.assertions[0].expect is missing; it must be a map of keys",
  ]);
});

test.each(["holdfast_canary", "Public.Canary", "a.b.c", 'public."x"', "public.x; DROP TABLE y"])("%s is no table for canaries", async (table) => {
  expect(await problemsOf({}, { canary: table })).toEqual([`databases.ehr.canary is ${JSON.stringify(table)}, but must be schema.table, each of lower-case letters, digits and _, as in public.holdfast_canary`]);
});

test("the password of the drill's server is shown nowhere", async () => {
  const text = "databases: { ehr: { url: service=x, drill: { server: 'postgresql://u:hunter33@h/d', assertions: [{ name: a, sql: 'SELECT 1 -- hunter33', expect: { equals: 1 } }] } } }";
  const { load } = await workspace({ "holdfast.yaml": text });
  const shown = showConfig(await load());
  expect(shown.settings.find(({ name }) => name === "databases.ehr.drill.server")?.value).toBe("postgresql://u:***@h/d");
  expect(JSON.stringify(shown)).not.toContain("hunter33");
});
