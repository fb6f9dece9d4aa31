/** The user's own questions, asked of a real database with rows that nobody may see. */
import { expect, onTestFinished, test } from "vitest";

import type { Assertion, Expectation } from "../../../src/config/drill-settings.ts";
import { type AssertionOptions, checkAssertion } from "../../../src/drill/checks/assertions.ts";
import { type Finding, runCheck } from "../../../src/drill/checks/check.ts";
import { openSession, type Session } from "../../../src/postgres/session.ts";
import { source } from "../../harness/databases.ts";
import { runSql } from "../../harness/postgres.ts";
import { planted, plantedRows } from "./planted.ts";

const fixture = `
  ${plantedRows}
  CREATE SCHEMA clinic; CREATE TABLE clinic.visits (id bigint PRIMARY KEY, note text); INSERT INTO clinic.visits SELECT i, 'visit ' || i FROM generate_series(1, 12) i;
  CREATE FUNCTION public.writes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.people; RETURN 1; END $$;
  CREATE FUNCTION public.complains() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not %', (SELECT name FROM public.people LIMIT 1) USING DETAIL = (SELECT ssn FROM public.people LIMIT 1); END $$;
`;

interface Asked {
  readonly session: Session;
  (sql: string, expected: Expectation, options?: AssertionOptions & { readonly sensitive?: boolean }): Promise<Finding>;
}

async function asking(script = fixture): Promise<Asked & { readonly database: string }> {
  const database = await source(script);
  const session = await openSession(database.target);
  onTestFinished(() => session.close());
  const ask = async (sql: string, expected: Expectation, { sensitive = true, ...options }: AssertionOptions & { readonly sensitive?: boolean } = {}): Promise<Finding> => {
    const assertion: Assertion = { name: "a", sql, expect: expected, sensitive };
    const finding = await checkAssertion(session, assertion, options);
    if (sensitive) for (const value of planted) expect(JSON.stringify(finding)).not.toContain(value);
    return finding;
  };
  return Object.assign(ask, { session, database: database.name });
}

test("right answers pass and wrong ones fail, of every kind of expectation", async () => {
  const ask = await asking();
  const visits = "SELECT count(*) FROM clinic.visits";
  const cases: readonly (readonly [sql: string, right: Expectation, wrong: Expectation])[] = [
    [visits, { equals: 12 }, { equals: 11 }],
    [visits, { min: 12, max: 12 }, { min: 13 }],
    [visits, { max: 12 }, { max: 11 }],
    ["SELECT 12345678901234567890::numeric - 12345678901234567888", { equals: 2 }, { equals: 3 }],
    ["SELECT 9007199254740993", { min: 1 }, { equals: 9007199254740992 }],
    ["SELECT 0.5::float8", { equals: 0.5 }, { equals: 0.25 }],
    ["SELECT true", { equals: true }, { equals: false }],
    ["SELECT name FROM public.people WHERE id = 1", { equals: planted[0] }, { equals: "somebody else" }],
    ["SELECT email FROM public.people WHERE id = 1;", { matches: "^[a-z.]+@" }, { matches: "^nobody" }],
    ["SELECT current_date", { matches: String.raw`^\d{4}-\d\d-\d\d$` }, { matches: "^x" }],
    ["TABLE clinic.visits -- all of them", { nonEmpty: true }, { nonEmpty: true }],
  ];
  for (const [sql, right, wrong] of cases) {
    expect(await ask(sql, right), sql).toMatchObject({ outcome: "pass", compared: 1 });
    if (!("nonEmpty" in wrong)) expect(await ask(sql, wrong), sql).toMatchObject({ outcome: "fail", compared: 1 });
  }
  expect(await ask("SELECT 1 FROM clinic.visits WHERE id > 99", { nonEmpty: true })).toMatchObject({ outcome: "fail" });
  expect(await ask("SELECT note FROM clinic.visits WHERE id > 99", { equals: "x" })).toMatchObject({ outcome: "fail" });
  expect(await ask("SELECT max(id) FROM clinic.visits WHERE id > 99", { min: 1 })).toMatchObject({ outcome: "fail", detail: "the answer is NULL, but a value is expected" });
});

test("a question whose answer is of another kind than expected verifies nothing", async () => {
  const ask = await asking();
  for (const [sql, expected, why] of [
    ["SELECT id, note FROM clinic.visits WHERE id = 1", { equals: 1 }, "2 columns"],
    ["SELECT id, id FROM clinic.visits WHERE id = 1", { equals: 1 }, "2 columns"],
    ["SELECT id FROM clinic.visits", { equals: 1 }, "several rows"],
    ["SELECT name FROM public.people WHERE id = 1", { min: 1 }, "no number"],
    ["SELECT name FROM public.people WHERE id = 1", { equals: 7 }, "no number"],
    ["SELECT 1", { equals: true }, "neither true nor false"],
  ] as const) {
    const finding = await ask(sql, expected);
    expect(finding.outcome, sql).toBe("unverified");
    expect(finding.detail).toContain(why);
  }
});

test("a query that is wrong, writes, or is several verifies nothing, and changes nothing", async () => {
  const ask = await asking();
  const [name, ssn] = planted;
  for (const [sql, why] of [
    [`SELECT ssn FROM public.people WHERE name = "${name}"`, "the query could not be answered: a column that does not exist (42703)"],
    [`SELEC '${name}'`, "the query could not be answered: a syntax error (42601)"],
    ["SELECT 1 FROM public.nothing", "the query could not be answered: a table that does not exist (42P01)"],
    ["SELECT name::int FROM public.people", "the query could not be answered: a text that is no value of the type (22P02)"],
    ["SELECT public.complains()", "the query could not be answered: the database's own code raised an exception (P0001)"],
    ["SELECT 1 / 0", "the query could not be answered: division by zero (22012)"],
    ["SELECT public.writes()", "the query could not be answered: it writes, which assertions may not (25006)"],
    ["DELETE FROM public.people RETURNING name", "the query could not be answered: it writes, which assertions may not (25006)"],
    ["WITH gone AS (DELETE FROM public.people RETURNING 1) SELECT count(*) FROM gone", "the query could not be answered: it writes, which assertions may not (25006)"],
    ["DELETE FROM public.people", "the query could not be answered: it is not one statement that yields rows (42P11)"],
    ["SELECT 1; DELETE FROM public.people", "the query could not be answered: it is not one statement that yields rows (42P11)"],
    ["COMMIT; DELETE FROM public.people; SELECT 1", "the query could not be answered: it is not one statement that yields rows (42P11)"],
    ["COMMIT", "the query could not be answered: it is not one statement that yields rows (42P11)"],
    ["SELECT 1) q; DELETE FROM public.people; SELECT * FROM (SELECT 1", "the query could not be answered: a syntax error (42601)"],
    [`SELECT '${ssn}'; $$ END; $x$`, "the query could not be answered: a syntax error (42601)"],
    ["-- nothing at all", undefined],
    ["SELECT set_config('transaction_read_only', 'off', false)", undefined],
  ] as const) {
    const finding = await ask(sql, { equals: 1 });
    expect(finding.outcome, sql).toBe("unverified");
    if (why !== undefined) expect(finding.detail, sql).toBe(why);
    expect(finding.detail).not.toContain("SELE");
  }
  expect(await ask("SELECT count(*) FROM public.people", { equals: 2 })).toMatchObject({ outcome: "pass" });
});

test("psql's own commands and variables in a query are the server's to refuse", async () => {
  const ask = await asking();
  for (const sql of ["SELECT 1 \\gexec", "\\! touch /tmp/holdfast-must-not-be", "SELECT :'HOST'", "SELECT 1 \\; SELECT 2", "\\copy public.people to stdout"]) {
    expect(await ask(sql, { equals: 1 }), sql).toMatchObject({ outcome: "unverified", detail: "the query could not be answered: a syntax error (42601)" });
  }
  expect(await ask("SELECT E'a\\\\b:x' || ':HOST' || $$'$$", { equals: "a\\b:x:HOST'" })).toMatchObject({ outcome: "pass" });
});

test("a query that takes too long is stopped, and the next is asked as if nothing had been", async () => {
  const ask = await asking();
  expect(await ask("SELECT pg_sleep(60)", { nonEmpty: true }, { timeoutMs: 200 })).toMatchObject({ outcome: "unverified", detail: "the query could not be answered: it took longer than 0.2 s (57014)" });
  expect(await ask("SELECT 1", { equals: 1 })).toMatchObject({ outcome: "pass" });
});

test("a value is shown only where the assertion says that it may be", async () => {
  const ask = await asking();
  const open = { sensitive: false };
  expect((await ask("SELECT count(*) FROM clinic.visits", { equals: 11 }, open)).detail).toBe("the answer differs from the expected value: found 12");
  expect((await ask("SELECT count(*) FROM clinic.visits", { equals: 11 })).detail).toBe("the answer differs from the expected value");
  expect((await ask("SELECT note FROM clinic.visits WHERE id = 3", { matches: "^visit" }, open)).detail).toBe('the answer matches the expected pattern: found "visit 3"');
  expect((await ask("SELECT repeat('x', 1000)", { matches: "y" }, open)).detail.length).toBeLessThan(300);
  expect((await ask("TABLE public.people", { nonEmpty: true }, open)).detail).toBe("the query yields rows, as expected");
});

test("names are looked for where the application finds them: the database's default path, or the schema of its URL", async () => {
  const ask = await asking();
  const people = "SELECT count(*) FROM people";
  const visits = "SELECT count(*) FROM visits";
  expect(await ask(people, { equals: 2 })).toMatchObject({ outcome: "pass" });
  expect(await ask(visits, { equals: 12 })).toMatchObject({ outcome: "unverified" });
  expect(await ask(visits, { equals: 12 }, { schema: "clinic" })).toMatchObject({ outcome: "pass" });
  await runSql(ask.database, `ALTER DATABASE ${ask.database} SET search_path = clinic, "odd schema", public`);
  expect(await ask(visits, { equals: 12 })).toMatchObject({ outcome: "pass" });
  expect(await ask(people, { equals: 2 })).toMatchObject({ outcome: "pass" });
  expect(await ask.session.row("SELECT current_setting('search_path') AS path, current_setting('transaction_read_only') AS read_only")).toEqual({ path: "", read_only: "off" });
});

test("objects in the application's schemas do not stand in for the server's own", async () => {
  const ask = await asking(`${fixture}
    CREATE SCHEMA traps; CREATE FUNCTION traps.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 99::bigint';
    CREATE FUNCTION traps.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'trapped' $$;
    CREATE FUNCTION traps.json_each(json, OUT key text, OUT value json) RETURNS SETOF record LANGUAGE sql AS $$ SELECT 'a', '99'::json $$;
    CREATE TYPE traps.int4 AS ENUM ('no number'); CREATE TYPE traps.json AS ENUM ('no json');`);
  await runSql(ask.database, `ALTER DATABASE ${ask.database} SET search_path = traps, public, pg_catalog`);
  expect(await ask("SELECT count(*) FROM clinic.visits", { equals: 12 })).toMatchObject({ outcome: "pass" });
});

test("a connection that is lost while asking makes an unverified check", async () => {
  const ask = await asking();
  const check = await runCheck("assertion:a", "a", () => ask("SELECT pg_terminate_backend(pg_backend_pid()), name FROM public.people", { nonEmpty: true }));
  expect(check.outcome).toBe("unverified");
  for (const value of planted) expect(JSON.stringify(check)).not.toContain(value);
});
