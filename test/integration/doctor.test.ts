/** Each check of doctor is seen to hold and seen to fail, against real parts. */
import { execa } from "execa";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import { checkSpace, diagnose, type DoctorCheck } from "../../src/app/doctor/doctor.ts";
import { Area } from "../../src/app/doctor/doctor-area.ts";
import { checkKeys } from "../../src/app/doctor/doctor-keys.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { renderDiagnosis } from "../../src/cli/doctor-view.ts";
import type { Config, DatabaseConfig } from "../../src/config/config.ts";
import { startCluster } from "../../src/postgres/cluster.ts";
import { workbench } from "../harness/cli.ts";
import { bench, containing } from "../harness/context.ts";
import { startPgBouncer } from "../harness/pgbouncer.ts";
import { createDatabase, runSql, urlOf, withSession } from "../harness/postgres.ts";

interface Patient {
  readonly url?: string;
  readonly config?: (config: Config) => Partial<Config> | Promise<Partial<Config>>;
  readonly database?: Partial<DatabaseConfig>;
  readonly now?: () => Date;
}

/** Diagnoses a host that lacks nothing, apart from what the test takes from it. */
async function examine({ url, config, database, now }: Patient = {}) {
  const here = await bench(url ?? urlOf("postgres"), { ...(database && { database }) });
  const second = await generateKeys(join(here.folder, "escrow"));
  const healthy: Config = { ...here.context.config, recipients: [...here.context.config.recipients, second.recipient], identityFile: undefined };
  const { checks, exitCode } = await diagnose({ ...here.context, config: { ...healthy, ...(await config?.(healthy)) }, ...(now && { clock: { now } }) });
  const find = (area: string, name: string): readonly DoctorCheck[] => checks.filter((check) => check.area === area && check.name === name);
  return { checks, exitCode, find, failures: checks.filter(({ outcome }) => outcome === "fail"), folder: here.folder };
}

/** As {@link examine}, of the keys alone: no server and no repository is asked. */
async function examineKeys(change: NonNullable<Patient["config"]> = () => ({})) {
  const folder = await temporary();
  const [keys, second] = [await generateKeys(join(folder, "keys")), await generateKeys(join(folder, "escrow"))];
  const healthy = {
    recipients: [keys.recipient, second.recipient], identityFile: undefined, signingKeyFile: keys.files.signingKey, trustedSigners: await readFile(keys.files.trustedSigners, "utf8"),
  } as Partial<Config> as Config;
  const { checks } = await checkKeys({ ...healthy, ...(await change(healthy)) });
  const find = (name: string): readonly DoctorCheck[] => checks.filter((check) => check.name === name);
  return { find, failures: checks.filter(({ outcome }) => outcome === "fail") };
}

const db = "database ehr";

/** Without what restores of other tests, which run at this moment, keep on the server that all share. */
function withoutOthers<T extends { readonly name: string }>(checks: readonly T[]): T[] {
  return checks.filter(({ name }) => name !== "kept databases");
}

test("a host that lacks nothing passes, and says what was tried", async () => {
  const { checks, exitCode } = await examine();
  expect(withoutOthers(checks).filter(({ outcome }) => outcome !== "ok" && outcome !== "skip")).toEqual([]);
  expect(exitCode).toBe(0);
  const names = checks.map(({ area, name }) => `${area}: ${name}`);
  expect(names).toEqual(expect.arrayContaining([
    "machine: configuration", "machine: node", "machine: client tools", `${db}: url`, `${db}: server`, `${db}: clock`, `${db}: session`, `${db}: tls`, `${db}: privileges`, `${db}: restore`,
    "repository: location", "repository: marker", "repository: write", "repository: read", "repository: conditional-write", "repository: delete", "repository: space",
    "keys: recipients", "keys: signing key", "keys: trusted signers", "keys: identity",
  ]));
});

test.each<[string, () => Patient | Promise<Patient>, area: string, name: string, exit: number, detail: string]>([
  ["a server that is down", () => ({ url: "postgresql://postgres:x@127.0.0.1:1/ehr" }), db, "server", 13, "Connection refused"],
  ["a wrong password", () => ({ url: urlOf("postgres").replace(/:[^:@]+@/, ":wrong@") }), db, "server", 13, "password authentication failed"],
  ["a database that is not there", () => ({ url: urlOf("no such database") }), db, "server", 13, "does not exist"],
  ["a URL that is none", () => ({ url: "mysql://u:p@h/d" }), db, "url", 10, "mysql"],
  ["no database", () => ({ config: () => ({ databases: new Map() }) }), "machine", "databases", 10, "no database is configured"],
  ["no client program", () => ({ config: () => ({ pgBin: tmpdir() }) }), "machine", "client tools", 10, "no PostgreSQL client programs"],
  ["a pattern that names no schema", () => ({ database: { exclude: { tables: ["log"], schemas: [] } } }), db, "filter", 10, "names no schema"],
  ["no repository", () => ({ config: () => ({ repository: undefined }) }), "repository", "location", 10, "no repository is configured"],
  ["a location that is no repository", async () => { const empty = await temporary(); return { config: () => ({ repository: { url: `file://${empty}` } }) }; }, "repository", "marker", 16, "it has no holdfast.json"],
  ["a repository whose path is a file", async () => { const folder = await temporary(); await writeFile(join(folder, "file"), ""); return { config: () => ({ repository: { url: `file://${join(folder, "file")}` } }) }; }, "repository", "write", 15, "file"],
])("%s fails, with the exit code that a backup would end with", async (_, patient, area, name, exit, detail) => {
  const { find, failures, exitCode } = await examine(await patient());
  expect(find(area, name)).toMatchObject([{ outcome: "fail", detail: containing(detail) }]);
  expect(find(area, name)[0]!.hint ?? "a hint").not.toBe("");
  const first = failures[0]!;
  if (first.name === name) expect(exitCode).toBe(exit);
  else expect(exitCode).toBeGreaterThan(0);
});

test.each<[string, NonNullable<Patient["config"]>, name: string, detail: string]>([
  ["no recipient", () => ({ recipients: [] }), "recipients", "no recipient"],
  ["a mistyped recipient", ({ recipients }) => ({ recipients: [recipients[0]!.replace(/.$/, (last) => (last === "q" ? "p" : "q"))] }), "recipients", "is not a valid age recipient"],
  ["no signing key on a host that backs up", () => ({ signingKeyFile: undefined }), "signing key", "no signing key is configured"],
  ["a signing key that is not there", () => ({ signingKeyFile: "/no/such/key.pem" }), "signing key", "does not exist"],
  ["trusted signers that are none", () => ({ trustedSigners: "rubbish" }), "trusted signers", "no public key"],
  ["an identity that is not there", () => ({ identityFile: "/no/such/identity.txt" }), "identity", "does not exist"],
])("%s fails as a matter of the configuration, with a hint", async (_, config, name, detail) => {
  expect((await examineKeys()).failures).toEqual([]);
  expect((await examineKeys(config)).find(name)).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing(detail), hint: expect.stringMatching(/\.$/) as string }]);
});

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-doctor-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a user who may not read everything is told what, and how to be let", async () => {
  const { name } = await createDatabase();
  const role = `reader_${process.pid}`;
  await runSql(name, `
    CREATE ROLE ${role} LOGIN PASSWORD 'x';
    CREATE TABLE open (id int); CREATE TABLE "shut ""tight""" (id int); CREATE TABLE guarded (id int);
    CREATE SCHEMA hidden; CREATE TABLE hidden.inside (id int); CREATE SEQUENCE counter; SELECT lo_create(4711);
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    GRANT SELECT ON open, guarded, hidden.inside TO ${role};
  `);
  onTestFinished(() => withSession(name, async (session) => { await session.execute(`DROP OWNED BY ${role}`); await session.execute(`DROP ROLE ${role}`); }));
  const url = urlOf(name).replace(/\/\/[^@]+@/, `//${role}:x@`);
  const { find, exitCode } = await examine({ url });
  expect(find(db, "privileges")).toMatchObject([{ outcome: "fail", detail: '3 tables or sequences cannot be read: hidden.inside, public."shut ""tight""", public.counter', hint: containing(`GRANT pg_read_all_data TO "${role}"`) }]);
  expect(find(db, "large objects")).toMatchObject([{ outcome: "fail", detail: "1 large objects cannot be read" }]);
  expect(find(db, "row security")).toMatchObject([{ outcome: "fail", detail: containing("public.guarded"), hint: `ALTER ROLE "${role}" BYPASSRLS;` }]);
  expect(find(db, "restore")).toMatchObject([{ outcome: "warn", hint: containing("CREATEDB") }]);
  expect(exitCode).toBe(14);

  const partly = await examine({ url, database: { include: { tables: ["public.open"], schemas: [] } } });
  expect(partly.find(db, "privileges")).toMatchObject([{ outcome: "ok", detail: "all 1 tables and sequences can be read" }]);
  expect(partly.find(db, "row security")).toEqual([]);

  await runSql(name, `GRANT pg_read_all_data TO ${role}; ALTER ROLE ${role} BYPASSRLS CREATEDB; GRANT SELECT ON LARGE OBJECT 4711 TO ${role};`);
  const cured = await examine({ url });
  expect(withoutOthers(cured.checks).filter(({ area, outcome }) => area === db && outcome !== "ok")).toEqual([]);
});

test("TLS is asked for where the connection leaves the machine, and shown where it is used", async () => {
  const folder = await temporary();
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  await execa("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db.example", "-keyout", key, "-out", certificate]);
  await chmod(folder, 0o755);
  await chmod(key, 0o600);
  if (process.getuid?.() === 0) {
    const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => Number((await execa("id", [flag, "postgres"])).stdout)));
    for (const file of [key, certificate]) await chown(file, uid!, gid!);
  }
  const cluster = await startCluster({ binaries: inject("postgres").binaries, tcp: true, settings: { ssl: "on", ssl_cert_file: `'${certificate}'`, ssl_key_file: `'${key}'` } });
  onTestFinished(() => cluster.stop());
  const url = (query: string) => `postgresql://postgres:${cluster.password}@db.example:${cluster.port}/postgres?hostaddr=127.0.0.1&${query}`;
  expect((await examine({ url: url("sslmode=disable") })).find(db, "tls")).toMatchObject([{ outcome: "warn", detail: "the connection is not encrypted", hint: containing("sslmode=require") }]);
  expect((await examine({ url: url("sslmode=require") })).find(db, "tls")).toMatchObject([{ outcome: "ok", detail: expect.stringMatching(/^TLSv1\.[23], \S+/) as string }]);
  expect((await examine({ url: url(`sslmode=verify-full&sslrootcert=${certificate}`) })).find(db, "tls")).toMatchObject([{ outcome: "ok" }]);
  const here = `postgresql://postgres:${cluster.password}@127.0.0.1:${cluster.port}/postgres?sslmode=disable`;
  expect((await examine({ url: here })).find(db, "tls")).toMatchObject([{ outcome: "ok", detail: containing("does not leave this machine") }]);
  expect((await examine({ url: `postgresql://postgres@/postgres?host=${cluster.socket}&port=${cluster.port}` })).find(db, "tls")).toMatchObject([{ outcome: "ok" }]);
  expect((await examine({ url: here.replace("disable", `verify-full&sslrootcert=${key}`) })).find(db, "server")).toMatchObject([{ outcome: "fail", code: "database-unreachable" }]);
});

test("a pooler is named by what it does, not by what the URL says", async () => {
  const { name, url } = await createDatabase();
  const inTransactions = await examine({ url: (await startPgBouncer("transaction")).url(name) });
  expect(inTransactions.find(db, "server")).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing("pooler in transaction mode"), hint: containing("direct URL") }]);
  expect(inTransactions.exitCode).toBe(10);
  const inSessions = await examine({ url: (await startPgBouncer("session")).url(name) });
  expect(inSessions.find(db, "pooler")).toMatchObject([{ outcome: "warn", detail: containing("session mode") }]);
  expect(inSessions.exitCode).toBe(0);
  const onlySaid = await examine({ url: `${url}?pgbouncer=true` });
  expect(onlySaid.find(db, "pooler")).toMatchObject([{ outcome: "warn", detail: containing("pgbouncer=true") }]);
});

test("clocks that are apart are told, whichever is behind", async () => {
  const off = (ms: number) => () => new Date(Date.now() + ms);
  expect((await examine({ now: off(90_000) })).find(db, "clock")).toMatchObject([{ outcome: "warn", detail: expect.stringMatching(/^the server's clock is (?:8|9)\d s behind this machine's$/) as string, hint: containing("chrony") }]);
  expect((await examine({ now: off(-90_000) })).find(db, "clock")).toMatchObject([{ outcome: "warn", detail: containing("ahead of") }]);
});

test("one recipient only is a warning, and so is an identity beside the signing key", async () => {
  const one = await examineKeys(({ recipients }) => ({ recipients: recipients.slice(0, 1) }));
  expect(one.find("recipients")).toMatchObject([{ outcome: "warn", hint: containing("escrow") }]);
  expect(one.failures).toEqual([]);
  const both = await examineKeys(async () => ({ identityFile: (await generateKeys(join(await temporary(), "keys"))).files.identity }));
  expect(both.find("identity")).toMatchObject([{ outcome: "warn", detail: containing("read and forge"), hint: containing("restore and drill hosts only") }]);
  expect(both.failures).toEqual([]);
});

test("a host that only restores needs neither recipients nor a signing key, but signers to trust", async () => {
  const restoring = async (config: Config): Promise<Partial<Config>> => {
    const keys = await generateKeys(join(await temporary(), "keys"));
    return { recipients: [], signingKeyFile: undefined, identityFile: keys.files.identity, trustedSigners: config.trustedSigners };
  };
  const fine = await examineKeys(restoring);
  expect(fine.failures).toEqual([]);
  for (const name of ["signing key", "recipients"]) expect(fine.find(name)).toMatchObject([{ outcome: "skip" }]);
  const blind = await examineKeys(async (config) => ({ ...(await restoring(config)), trustedSigners: undefined }));
  expect(blind.find("trusted signers")).toMatchObject([{ outcome: "fail", detail: containing("no backup can be trusted") }]);
});

test.each([["0600", "nothing to say about", []], ["0640", "a warning", ["warn"]], ["0644", "a failure", ["fail"]]] as const)("secret files of mode %s are %s", async (mode, _, outcomes) => {
  const { find } = await examineKeys(async () => {
    const { files } = await generateKeys(join(await temporary(), "keys"));
    for (const file of [files.identity, files.signingKey]) await chmod(file, Number.parseInt(mode, 8));
    return { identityFile: files.identity, signingKeyFile: files.signingKey };
  });
  for (const name of ["identity file", "signing key file"]) expect(find(name).map((check) => check.outcome)).toEqual(outcomes);
});

test("space is held against what the databases hold", () => {
  const outcome = (free: number, needed: number): string => {
    const area = new Area("repository");
    checkSpace(area, free, needed);
    return area.checks[0]!.outcome;
  };
  expect([outcome(0, 100), outcome(4, 100), outcome(5, 100), outcome(99, 100), outcome(100, 100), outcome(1, 0)]).toEqual(["fail", "fail", "warn", "warn", "ok", "ok"]);
});

test("no secret is in a diagnosis, whatever is wrong", async () => {
  const { checks } = await examine({ url: "postgresql://ehr:very-secret-9@127.0.0.1:1/ehr?sslpassword=very-secret-9" });
  const table = renderDiagnosis(checks);
  expect(table + JSON.stringify(checks)).not.toContain("very-secret");
  expect(table).toContain("Connection refused Is the server running on that host");
});

test("the table shows every check with its hint, and JSON has one shape for all", async () => {
  const { checks } = await examine({ config: () => ({ recipients: [] }) });
  for (const check of checks) {
    expect(Object.keys(check).filter((key) => !["area", "name", "outcome", "detail", "hint", "code"].includes(key))).toEqual([]);
    expect("code" in check).toBe(check.outcome === "fail");
    expect(check).toMatchObject({ area: expect.any(String) as string, name: expect.any(String) as string, detail: expect.any(String) as string });
  }
  const table = renderDiagnosis(checks);
  expect(table).toMatch(/area +check +result +detail/);
  expect(table).toMatch(/keys +recipients +FAILED +no recipient/);
  expect(table).toMatch(/→ keys, recipients: Set HOLDFAST_RECIPIENTS/);
  expect(table.split("\n").at(-1)).toBe("1 check failed");
});

test("the command prints the checks, and exits with the code of the first that failed", async () => {
  const { name } = await createDatabase();
  const host = await workbench(urlOf(name));
  await host.ok("repository", "init");
  const fine = await host.run("doctor", "--json");
  expect(fine.code).toBe(0);
  expect(fine.json<DoctorCheck[]>().filter(({ outcome }) => outcome === "fail")).toEqual([]);
  host.env["DATABASE_URL"] = "postgresql://postgres:x@127.0.0.1:1/ehr";
  host.env["HOLDFAST_RECIPIENTS"] = "age1wrong";
  const ill = await host.run("doctor");
  expect(ill.code).toBe(13);
  expect(ill.stdout).toContain("2 checks failed");
});

test("what a diagnosis tried in the repository is gone afterwards", async () => {
  const { folder } = await examine();
  const { stdout } = await execa("find", [join(folder, "repository"), "-name", "*probe*"]);
  expect(stdout).toBe("");
  expect(await readFile(join(folder, "repository", "holdfast.json"), "utf8")).toContain('"format": 1');
});
