import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import { parseDatabaseUrl, withDatabase } from "../../../src/postgres/connection.ts";
import { identifier, literal } from "../../../src/postgres/session.ts";
import { redact } from "../../../src/process/redact.ts";
import { runTool } from "../../../src/process/run.ts";
import { createDatabase, withSession } from "../../harness/postgres.ts";

const parse = (url: string) => parseDatabaseUrl(url, { HOME: "/nonexistent" });
const errorOf = (url: string): Error => {
  try {
    parse(url);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error(`no error for ${url}`);
};

test.each<[string, Record<string, string>]>([
  ["postgres://u:p@h:6543/db", { PGHOST: "h", PGPORT: "6543", PGUSER: "u", PGPASSWORD: "p", PGDATABASE: "db" }],
  ["postgresql://u@h/db", { PGHOST: "h", PGUSER: "u", PGDATABASE: "db" }],
  ["  postgresql://u@h/db\n", { PGHOST: "h", PGUSER: "u", PGDATABASE: "db" }],
  ["POSTGRESQL://h", { PGHOST: "h" }],
  ["postgresql+psycopg2://h/db", { PGHOST: "h", PGDATABASE: "db" }],
  ["jdbc:postgresql://h/db?user=u&password=p", { PGHOST: "h", PGDATABASE: "db", PGUSER: "u", PGPASSWORD: "p" }],
  ["postgresql://", {}],
  ["postgresql:///db", { PGDATABASE: "db" }],
  ["postgresql://u@/db", { PGUSER: "u", PGDATABASE: "db" }],
  ["postgresql://:p@h/db", { PGHOST: "h", PGPASSWORD: "p", PGDATABASE: "db" }],
  ["postgresql://[::1]:5433/db", { PGHOST: "::1", PGPORT: "5433", PGDATABASE: "db" }],
  ["postgresql://[fe80::1%25eth0]/db", { PGHOST: "fe80::1%eth0", PGDATABASE: "db" }],
  ["postgresql://h1:1,h2:2/db?target_session_attrs=read-write", { PGHOST: "h1,h2", PGPORT: "1,2", PGDATABASE: "db", PGTARGETSESSIONATTRS: "read-write" }],
  ["postgresql://h1,h2:2,[::1]/db", { PGHOST: "h1,h2,::1", PGPORT: ",2,", PGDATABASE: "db" }],
  ["postgresql://h1,h2/db", { PGHOST: "h1,h2", PGDATABASE: "db" }],
  ["postgresql:///db?host=/var/run/postgresql", { PGHOST: "/var/run/postgresql", PGDATABASE: "db" }],
  ["postgresql://u:p@localhost/db?host=/var/run/postgresql&schema=s", { PGHOST: "/var/run/postgresql", PGUSER: "u", PGPASSWORD: "p", PGDATABASE: "db" }],
  ["postgresql://%2Fvar%2Frun/db", { PGHOST: "/var/run", PGDATABASE: "db" }],
  ["postgresql://u@%2Fvar%2Frun:5433/db", { PGHOST: "/var/run", PGPORT: "5433", PGUSER: "u", PGDATABASE: "db" }],
  ["socket:/var/run/postgresql?db=x%20y", { PGHOST: "/var/run/postgresql", PGDATABASE: "x y" }],
  ["socket://u:p@/var/run?db=d&encoding=utf8", { PGHOST: "/var/run", PGUSER: "u", PGPASSWORD: "p", PGDATABASE: "d" }],
  ["/var/run/postgresql db", { PGHOST: "/var/run/postgresql", PGDATABASE: "db" }],
  ["postgresql://h/db?dbname=other&port=7&user=x", { PGHOST: "h", PGDATABASE: "other", PGPORT: "7", PGUSER: "x" }],
])("%s", (url, env) => {
  expect(parse(url).env).toEqual(env);
});

test.each([
  ["p@:/?#%", "p%40%3A%2F%3F%23%25"],
  ["a b+c&d=e", "a%20b+c&d=e"],
  ["pässwörd ☃ 日本", encodeURIComponent("pässwörd ☃ 日本")],
  ["back\\slash'\"$(id)`|^<>{}[]", encodeURIComponent("back\\slash'\"$(id)`|^<>{}[]")],
  ["raw @ and %zz and %2F", "raw @ and %zz and %252F"],
  ["tab\tand # inside", "tab\tand # inside"],
  ["::colons::", "::colons::"],
  ["100%", "100%"],
  ["lone % beside /", "lone % beside %2F"],
  ["a%zz/b", "a%zz%2Fb"],
])("the password %s is read back from its form in a URL", (password, written) => {
  expect(parse(`postgresql://u:${written}@h/db`)).toMatchObject({ env: { PGPASSWORD: password }, host: "h", database: "db" });
});

test.each(["we@ird/na:me", "a?b#c%d", "mit Leerzeichen", "ünï☃", "-leading", "$(id)", "dbname=x host=evil", "a+b"])("the user and the database %s are read back from a URL", (name) => {
  const url = `postgresql://${encodeURIComponent(name)}@h/${encodeURIComponent(name)}`;
  expect(parse(url).env).toEqual({ PGHOST: "h", PGUSER: name, PGDATABASE: name });
});

test.each<[string, Record<string, string>]>([
  ["host=h port=5433 dbname='my db' user=u", { PGHOST: "h", PGPORT: "5433", PGDATABASE: "my db", PGUSER: "u" }],
  ["host = h  dbname = db", { PGHOST: "h", PGDATABASE: "db" }],
  ["dbname='it\\'s' password='a\\\\b c'", { PGDATABASE: "it's", PGPASSWORD: "a\\b c" }],
  ["dbname=a\\ b user=''", { PGDATABASE: "a b" }],
  ["host=h1,h2 port=1,2 dbname=d sslmode=verify-ca", { PGHOST: "h1,h2", PGPORT: "1,2", PGDATABASE: "d", PGSSLMODE: "verify-ca" }],
  ["service=ehr", { PGSERVICE: "ehr" }],
])("the keyword string %s", (text, env) => {
  expect(parse(text).env).toEqual(env);
});

test("libpq's parameters are kept", () => {
  const url = "postgresql://h/db?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem&sslcrl=/crl&options=-c%20search_path%3Da&application_name=app&connect_timeout=7&passfile=/p&channel_binding=require&gssencmode=disable&krbsrvname=k";
  expect(parse(url)).toMatchObject({
    env: {
      PGSSLMODE: "verify-full", PGSSLROOTCERT: "/ca.pem", PGSSLCERT: "/c.pem", PGSSLKEY: "/k.pem", PGSSLCRL: "/crl", PGOPTIONS: "-c search_path=a", PGAPPNAME: "app",
      PGCONNECT_TIMEOUT: "7", PGPASSFILE: "/p", PGCHANNELBINDING: "require", PGGSSENCMODE: "disable", PGKRBSRVNAME: "k",
    },
    ignored: [],
  });
});

test("what only an application understands is taken out and listed", () => {
  const url = "postgresql://h/db?schema=clinic&connection_limit=5&pool_timeout=2&pgbouncer=true&socket_timeout=3&statement_cache_size=0&sslaccept=accept_invalid_certs&sslidentity=i.p12&sslpassword=hush-hush&keepalives_idle=30&client_encoding=latin1&prepareThreshold=0";
  const connection = parse(url);
  expect(connection.env).toEqual({ PGHOST: "h", PGDATABASE: "db" });
  expect(connection).toMatchObject({ schema: "clinic", poolerDeclared: true });
  expect(connection.ignored).toEqual(["schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size", "sslaccept", "sslidentity", "sslpassword", "keepalives_idle", "client_encoding", "prepareThreshold"]);
  expect(redact("hush-hush")).toBe("***");
  expect(parse("postgresql://h/db?pgbouncer=false").poolerDeclared).toBe(false);
});

test.each<[string, Record<string, string>]>([
  ["ssl=true", { PGSSLMODE: "require" }],
  ["ssl=0", { PGSSLMODE: "disable" }],
  ["ssl=true&sslmode=verify-full", { PGSSLMODE: "verify-full" }],
  ["sslmode=no-verify", { PGSSLMODE: "require" }],
  ["requiressl=1", { PGSSLMODE: "require" }],
  ["sslmode=require&sslaccept=strict&sslcert=/ca.pem", { PGSSLMODE: "verify-full", PGSSLROOTCERT: "/ca.pem" }],
  ["sslmode=require&schema=s&sslcert=/ca.pem", { PGSSLMODE: "require", PGSSLROOTCERT: "/ca.pem" }],
  ["sslmode=require&sslcert=/c.pem&sslkey=/k.pem&schema=s", { PGSSLMODE: "require", PGSSLCERT: "/c.pem", PGSSLKEY: "/k.pem" }],
])("TLS as drivers write it: %s", (query, env) => {
  expect(parse(`postgresql://h/db?${query}`).env).toEqual({ PGHOST: "h", PGDATABASE: "db", ...env });
});

test.each([
  ["", "the database URL is empty"],
  ["   ", "the database URL is empty"],
  ["mysql://u:hunter22@h/db", "the database URL's scheme is mysql, but must be postgresql"],
  ["prisma+postgres://h?api_key=hunter22", "the database URL's scheme is prisma+postgres, but must be postgresql"],
  ["hunter22", "the database URL is neither a postgresql:// URL nor a libpq keyword string"],
  ["postgresql:h", "the database URL lacks the // after its scheme"],
  ["postgresql://u:hunter22@h:99999/db", "the database URL's port is 99999, but must be from 1 to 65535"],
  ["postgresql://h:0/db", "the database URL's port is 0, but must be from 1 to 65535"],
  ["postgresql://h/db?port=x", "the port in the database URL is no number"],
  ["postgresql://u:hunter22@h/db?sslmode=requires", 'the database URL\'s sslmode is "requires", but must be one of disable, allow, prefer, require, verify-ca, verify-full'],
  ["postgresql://u:hunter22@h/db?sslMode=require", "the database URL has the unknown parameter sslMode"],
  ["postgresql://u:hunter22@h/db?connect_timeout=5s", 'the database URL\'s connect_timeout is "5s", but must be whole seconds'],
  ["hots=h password=hunter22", "the database URL has the unknown parameter hots"],
  ["host=h password='hunter22", "the connection string is no list of keyword=value"],
  ["postgresql://u:hunter22%FF@h/db", "the user name or the password in the database URL cannot be decoded"],
  ["postgresql://u:hunter22%00@h/db", "the user name or the password in the database URL cannot be decoded"],
  ["postgresql://u:hunter22@h/db%zz", "a database name in the database URL is not well percent-encoded"],
  ["socket:run?db=x", "the socket: URL must name the socket's folder"],
])("%s is refused as configuration", (url, message) => {
  expect(errorOf(url)).toMatchObject({ code: "configuration", message });
});

test.each(["postgresql://u:hunter22/x@h/db", "postgresql://u:hunter22?x@h/db", "postgresql://u:1234/hunter22@h/db", "postgresql://u:1234?hunter22@h/db", "postgresql://u:hunter22]@[h/db", "mysql://u:hunter22@h", "postgresql://u:hunter22@h:port/db", "host=h password=hunter22 password", "postgresql://u:hunter22@h/a#b"])(
  "no part of the error for %s is the password",
  (url) => {
    const error = errorOf(url);
    expect(error).toMatchObject({ code: "configuration" });
    expect(`${error.message} ${JSON.stringify(error)} ${error.stack ?? ""}`).not.toContain("hunter22");
    expect(error.cause).toBeUndefined();
  },
);

test.each([
  ["postgresql://u:hunter22@h:5433/my%20db?schema=x", "postgresql://u@h:5433/my%20db"],
  ["postgresql://u:hunter22@h1:1,[::1]:2/db", "postgresql://u@h1:1,[::1]:2/db"],
  ["postgresql://u:hunter22@%2Fvar%2Frun/db", "postgresql://u@/db?host=/var/run"],
  ["host=h password=hunter22 dbname=db", "postgresql://h/db"],
  ["service=ehr", "service=ehr"],
])("%s is shown without its password", (url, display) => {
  expect(parse(url).display).toBe(display);
});

test("the password is registered, so that nothing prints it", () => {
  parse("postgresql://u:correct%20horse%2Fbattery@h/db");
  expect(redact("it said: correct horse/battery, correct%20horse%2Fbattery")).toBe("it said: ***, ***");
});

test("the password is registered even if the URL is then refused", () => {
  errorOf("postgresql://u:refused-with-it@h/db?sslmod=require");
  expect(redact("refused-with-it")).toBe("***");
});

test("host, port and database are at hand", () => {
  expect(parse("postgresql://h1:1,h2/db")).toMatchObject({ host: "h1,h2", port: 1, database: "db" });
  expect(parse("postgresql://")).toMatchObject({ host: undefined, port: undefined, database: undefined, schema: undefined });
});

test("another database of the same server keeps everything else", () => {
  const other = withDatabase(parse("postgresql://u:hunter22@h/db?schema=s&sslmode=require"), "x y");
  expect(other).toEqual({ ...parse("postgresql://u:hunter22@h/x%20y?schema=s&sslmode=require") });
});

async function folderWith(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, name), text);
  return folder;
}

const services = "# ours\n[other]\nhost=no\n[ehr]\nhost=h\nhost=later\ndbname=live\nuser=u\npassword=from-service\n[more]\nport=1\n";

test("a service is expanded, what stands beside it wins, and another database replaces its own", async () => {
  const HOME = await folderWith(".pg_service.conf", services);
  const env = { PGHOST: "h", PGUSER: "u", PGPASSWORD: "from-service", PGDATABASE: "live" };
  expect(parseDatabaseUrl("service=ehr", { HOME }).env).toEqual(env);
  expect(parseDatabaseUrl("service=ehr dbname=x", { HOME }).env).toEqual({ ...env, PGDATABASE: "x" });
  expect(parseDatabaseUrl("postgresql:///?service=ehr", { PGSERVICEFILE: join(HOME, ".pg_service.conf") }).env).toEqual(env);
  expect(withDatabase(parseDatabaseUrl("service=ehr", { HOME }), "copy").env).toEqual({ ...env, PGDATABASE: "copy" });
  expect(redact("from-service")).toBe("***");
});

test("a service that only libpq can find is never combined with another database, which it would override", () => {
  expect(() => withDatabase(parse("service=ehr"), "copy")).toThrow(/the service ehr is defined in no service file of this machine/);
  expect(errorOf("service=ehr dbname=copy")).toMatchObject({ code: "configuration" });
});

test("PGPASSFILE of the environment serves where the URL has no password", () => {
  expect(parseDatabaseUrl("postgresql://h", { PGPASSFILE: "/p" }).env).toEqual({ PGHOST: "h", PGPASSFILE: "/p" });
  expect(parseDatabaseUrl("postgresql://u:pw@h", { PGPASSFILE: "/p" }).env).not.toHaveProperty("PGPASSFILE");
});

const psql = () => join(inject("postgres").binaries, "psql");
const whoAndWhere = ["-X", "-A", "-t", "-w", "-c", "SELECT current_user || chr(10) || current_database()"];

test("a database with an odd name is reached by a role with an odd name and password, from a URL and from keywords", async () => {
  const odd = `-o 'd"d\\= host=evil :@/?#%41 ünï☃ $(id)`;
  const role = `r ${odd}`.slice(0, 40);
  const { name } = await createDatabase(odd);
  await withSession("postgres", (admin) => admin.execute(`CREATE ROLE ${identifier(role)} LOGIN PASSWORD ${literal(odd)}`));
  onTestFinished(() => withSession("postgres", (admin) => admin.execute(`DROP ROLE ${identifier(role)}`)));
  const { port } = inject("postgres");

  const written = [role, odd, name].map(encodeURIComponent);
  const quoted = [role, odd, name].map((text) => `'${text.replaceAll(/['\\]/g, "\\$&")}'`);
  for (const url of [
    `postgresql://${written[0]!}:${written[1]!}@127.0.0.1:${port}/${written[2]!}?schema=public&connection_limit=1`,
    `host=127.0.0.1 port=${port} user=${quoted[0]!} password=${quoted[1]!} dbname=${quoted[2]!}`,
  ]) {
    const { env } = parse(url);
    expect((await runTool([psql()], whoAndWhere, { env })).stdout).toBe(`${role}\n${name}\n`);
    await runTool([join(inject("postgres").binaries, "pg_dump")], ["-s", "-w"], { env });
  }
  const wrongPassword = parse(`postgresql://${written[0]!}:wrong@127.0.0.1:${port}/${written[2]!}`);
  await expect(runTool([psql()], whoAndWhere, { env: wrongPassword.env })).rejects.toThrow(/password authentication failed/);
});

test("libpq lets a service's database win over PGDATABASE, which is why services are expanded", async () => {
  const live = await createDatabase();
  const copy = await createDatabase();
  const { socket, port } = inject("postgres");
  const HOME = await folderWith(".pg_service.conf", `[ehr]\nhost=${socket}\nport=${port}\nuser=postgres\ndbname=${live.name}\n`);
  const byName = await runTool([psql()], whoAndWhere, { env: { HOME, PGSERVICE: "ehr", PGDATABASE: copy.name } });
  expect(byName.stdout).toContain(live.name);
  const expanded = withDatabase(parseDatabaseUrl("service=ehr", { HOME }), copy.name);
  expect((await runTool([psql()], whoAndWhere, { env: expanded.env })).stdout).toBe(`postgres\n${copy.name}\n`);
});
