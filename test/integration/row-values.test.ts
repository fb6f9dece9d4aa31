/** Planted canaries: what PostgreSQL's programs really print of a row must not be in our errors, in whatever language the server speaks. */
import { execa } from "execa";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";

import { type Cluster, startCluster } from "../../src/postgres/cluster.ts";
import { openSession, runScript, type SessionTarget } from "../../src/postgres/session.ts";
import { runTool, ToolFailure } from "../../src/process/run.ts";

const canary = "canary4711";

/** Statements that fail while they handle the canary, and what may still be said about it. */
const accidents: readonly [string, RegExp | undefined][] = [
  [`INSERT INTO people VALUES (1, '${canary}', 1)`, /people_pkey/],
  [`INSERT INTO people VALUES (2, '${canary}')`, undefined],
  [`INSERT INTO people VALUES (3, '${canary}', -1)`, /people_age_check/],
  [`INSERT INTO people VALUES (3, '${canary}', 99)`, undefined],
  [`SELECT '${canary}'::int`, /integer/],
  [`SELECT '${canary}'::mood`, /mood/],
  [`SELECT '{"a": ${canary}}'::json`, /json/],
  [`SELECT '{${canary}'::text[]`, undefined],
  [`SELECT '${canary}'::date`, /date/],
  [`SELECT '47114711471147'::int -- canary47114711471147`, /integer/],
  [`UPDATE people SET nothing = '${canary}'`, /nothing/],
  [`SELECT ${canary} FROM people WHERE`, undefined],
  [`CREATE UNIQUE INDEX twice ON twins (name)`, /twice/],
  [`ALTER TABLE orphans ADD CONSTRAINT parent FOREIGN KEY (name) REFERENCES people (name)`, undefined],
  [`DO $$ BEGIN RAISE EXCEPTION E'first ${canary}\\nsecond ${canary}' USING DETAIL = '${canary}', HINT = '${canary}'; END $$`, undefined],
];

const fixture = `
  CREATE TYPE mood AS ENUM ('fine');
  CREATE TABLE people (id int PRIMARY KEY, name text, age int NOT NULL CHECK (age >= 0));
  CREATE TABLE twins (name text); INSERT INTO twins VALUES ('${canary}'), ('${canary}');
  CREATE TABLE orphans (name text); INSERT INTO orphans VALUES ('${canary}');
  INSERT INTO people VALUES (1, '${canary}', 1);
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.age > 90 THEN RAISE EXCEPTION 'not %', NEW.name; END IF; RETURN NEW; END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse();
`;

let german: Cluster;

/** gettext takes LANGUAGE where a locale is set that is not plain C: no German locale has to be installed. */
beforeAll(async () => {
  const { binaries } = inject("postgres");
  german = await startCluster({ binaries, settings: { lc_messages: "'C.UTF-8'" } });
  const account = process.getuid?.() === 0 ? { uid: Number((await execa("id", ["-u", "postgres"])).stdout), gid: Number((await execa("id", ["-g", "postgres"])).stdout) } : {};
  await execa(join(binaries, "pg_ctl"), ["-D", join(german.folder, "data"), "-l", join(german.folder, "server.log"), "-m", "fast", "-w", "restart"], {
    ...account, cwd: german.folder, env: { PATH: process.env["PATH"], LANGUAGE: "de", LANG: "C.UTF-8" }, extendEnv: false, stdio: "ignore",
  });
});

afterAll(() => german.stop());

const servers: readonly [string, () => { socket: string; port: number }, RegExp][] = [
  ["an English", () => inject("postgres"), /does not exist/],
  ["a German", () => german, /existiert nicht/],
];

async function databaseOn({ socket, port }: { socket: string; port: number }): Promise<SessionTarget> {
  const name = `canaries_${Math.random().toString(36).slice(2)}`;
  const psql = [join(inject("postgres").binaries, "psql")] as const;
  const env = { PGHOST: socket, PGPORT: String(port), PGUSER: "postgres" };
  const admin = { psql, env: { ...env, PGDATABASE: "postgres" } };
  await runScript(admin, `CREATE DATABASE ${name} TEMPLATE template0;`);
  onTestFinished(() => runScript(admin, `DROP DATABASE ${name} WITH (FORCE);`));
  const target = { psql, env: { ...env, PGDATABASE: name } };
  await runScript(target, fixture);
  return target;
}

/** An error as an operator or a log could get to see it. */
const shown = (error: unknown): string => {
  const { message, cause, ...rest } = error as Error & { lastLines?: string };
  return [message, JSON.stringify(rest), String(cause), cause instanceof ToolFailure ? cause.lastLines : ""].join("\n");
};

test.each(servers)("%s server's refusals reach a session's errors without the row, but with the names", async (_, server, missing) => {
  const target = await databaseOn(server());
  const session = await openSession(target);
  onTestFinished(() => session.close());
  await session.execute("SET search_path = public");
  for (const [sql, named] of accidents) {
    const error: unknown = await session.execute(sql).then(() => "nothing", (caught: unknown) => caught);
    expect(error, sql).toMatchObject({ name: "SqlError", sqlState: expect.stringMatching(/^[0-9A-Z]{5}$/) as string });
    expect(shown(error), sql).not.toMatch(/canary|4711/);
    if (named && server === servers[0]![1]) expect(shown(error), sql).toMatch(named);
  }
  expect(shown(await session.execute("SELECT 1 FROM no_such_table").catch((caught: unknown) => caught))).toMatch(missing);
});

test.each(servers)("%s server's refusals reach a script's errors without the row", async (_, server) => {
  const target = await databaseOn(server());
  for (const [sql] of accidents) {
    const error: unknown = await runScript(target, `${sql}\n;\n`).then(() => "nothing", (caught: unknown) => caught);
    expect(error, sql).toMatchObject({ code: "restore-failed" });
    expect(shown(error), sql).not.toMatch(/canary|4711/);
  }
});

test.each(servers)("%s server's refusals reach psql's own words without the row, verbose as they may be", async (_, server) => {
  const { psql, env } = await databaseOn(server());
  for (const verbosity of ["default", "verbose"]) {
    for (const [sql] of accidents) {
      const error: unknown = await runTool(psql, ["-X", "-v", `VERBOSITY=${verbosity}`, "-v", "SHOW_CONTEXT=always", "-v", "ON_ERROR_STOP=1", "-f", "-"], { env, input: `${sql}\n;\n` }).catch((caught: unknown) => caught);
      expect(error, sql).toBeInstanceOf(ToolFailure);
      expect(shown(error), sql).not.toMatch(/canary|4711/);
    }
  }
});

test.each(servers)("%s server's refusals reach pg_restore's words without the row", async (_, server) => {
  const { binaries } = inject("postgres");
  const source = await databaseOn(server());
  const archive = join(german.folder, `archive-${Math.random().toString(36).slice(2)}`);
  await runTool([join(binaries, "pg_dump")], ["-Fc", `--file=${archive}`], { env: source.env });
  const copy = await databaseOn(server());
  await runScript(copy, "DROP TABLE people, twins, orphans; CREATE TABLE people (id int, name int, age int); CREATE TABLE twins (name text UNIQUE); CREATE TABLE orphans (name mood);");
  for (const table of ["people", "twins", "orphans"]) {
    const error: unknown = await runTool([join(binaries, "pg_restore")], ["--data-only", `--table=${table}`, "--dbname", copy.env["PGDATABASE"]!, archive], { env: copy.env }).catch((caught: unknown) => caught);
    expect(error, table).toBeInstanceOf(ToolFailure);
    expect(shown(error), table).not.toMatch(/canary|4711/);
    expect(shown(error), table).toContain(`table "${table}"`);
  }
});

test("the server's language is German where it is meant to be", async () => {
  const log = await readFile(join(german.folder, "server.log"), "utf8");
  expect(log).toMatch(/FEHLER|Datenbanksystem/);
});
