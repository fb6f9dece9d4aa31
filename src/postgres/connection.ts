/**
 * A database's URL, as applications write it, turned into the environment that libpq reads. Nothing of it ever stands
 * in an argument. What only the application understands (Prisma's pool settings, a driver's options) is taken out.
 */
import { registerSecret } from "../process/redact.ts";
import { type ParsedString, parseConnectionString, wrong } from "./connection-string.ts";
import { readService } from "./service-file.ts";

export interface Connection {
  /** libpq's environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE… */
  readonly env: Readonly<Record<string, string>>;
  /** Undefined where libpq chooses it: the service's, or the user's name. */
  readonly database: string | undefined;
  /** Host, socket folder, or several hosts with commas; undefined for the default socket. */
  readonly host: string | undefined;
  /** The first host's port, where one is given. */
  readonly port: number | undefined;
  /** Prisma's `?schema=`. */
  readonly schema: string | undefined;
  /** `pgbouncer=true`: the URL leads to a pooler in transaction mode, through which nothing can be dumped. */
  readonly poolerDeclared: boolean;
  /** Parameters that were taken out, in their order. */
  readonly ignored: readonly string[];
  /** For people: without a password. */
  readonly display: string;
}

/** libpq keywords with their environment variables. */
const variables: Readonly<Record<string, string>> = {
  host: "PGHOST", hostaddr: "PGHOSTADDR", port: "PGPORT", dbname: "PGDATABASE", user: "PGUSER", password: "PGPASSWORD", passfile: "PGPASSFILE",
  sslmode: "PGSSLMODE", sslnegotiation: "PGSSLNEGOTIATION", sslcompression: "PGSSLCOMPRESSION", sslcert: "PGSSLCERT", sslkey: "PGSSLKEY",
  sslcertmode: "PGSSLCERTMODE", sslrootcert: "PGSSLROOTCERT", sslcrl: "PGSSLCRL", sslcrldir: "PGSSLCRLDIR", sslsni: "PGSSLSNI",
  ssl_min_protocol_version: "PGSSLMINPROTOCOLVERSION", ssl_max_protocol_version: "PGSSLMAXPROTOCOLVERSION",
  require_auth: "PGREQUIREAUTH", channel_binding: "PGCHANNELBINDING", requirepeer: "PGREQUIREPEER",
  gssencmode: "PGGSSENCMODE", krbsrvname: "PGKRBSRVNAME", gsslib: "PGGSSLIB", gssdelegation: "PGGSSDELEGATION",
  options: "PGOPTIONS", application_name: "PGAPPNAME", connect_timeout: "PGCONNECT_TIMEOUT",
  target_session_attrs: "PGTARGETSESSIONATTRS", load_balance_hosts: "PGLOADBALANCEHOSTS",
};

/** Every variable that a {@link Connection} may set. */
export const libpqVariables: readonly string[] = [...Object.values(variables), "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"];

/** libpq keywords that have no environment variable, or (client_encoding) one that would change a dump. */
const withoutVariable = new Set([
  "client_encoding", "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
  "tcp_user_timeout", "replication", "sslpassword", "servicefile", "scram_client_key", "scram_server_key",
]);

/** Parameters about TLS that drivers know and libpq does not; any other name of the kind is a typing error. */
const driversTls = new Set(["sslaccept", "sslidentity", "sslpassword", "sslfactory", "sslfactoryarg", "sslhostnameverifier", "sslpasswordcallback", "sslresponsetimeout"]);

const prismaOnly = ["schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size", "sslaccept", "sslidentity"];

const understood = ["ssl", "requiressl"];

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/**
 * Understands a URL or a libpq keyword string. The password is registered for redaction.
 * @param environment - where PGPASSFILE and the service files are looked for
 * @throws HoldfastError `configuration` without any part of a password
 */
export function parseDatabaseUrl(url: string, environment: NodeJS.ProcessEnv = process.env): Connection {
  const parsed = parseConnectionString(url);
  registerPassword(parsed.settings);
  registerSecret(parsed.settings.get("sslpassword"));
  refuseUnknown(parsed);
  const { settings, service } = withService(parsed.settings, environment);
  registerPassword(settings);

  const read = withTls(settings);
  check(read);
  const env: Record<string, string> = service === undefined ? {} : { PGSERVICE: service };
  for (const [keyword, value] of read) {
    const variable = Object.hasOwn(variables, keyword) ? variables[keyword] : undefined;
    if (variable !== undefined) env[variable] = value;
  }
  for (const name of service === undefined ? ["PGPASSFILE"] : ["PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR"]) {
    const value = environment[name];
    if (value !== undefined && env[name] === undefined && env["PGPASSWORD"] === undefined) env[name] = value;
  }
  return connection(env, {
    schema: settings.get("schema"),
    poolerDeclared: settings.get("pgbouncer") === "true",
    ignored: [...settings.keys()].filter((name) => !Object.hasOwn(variables, name) && !understood.includes(name)),
  });
}

/** A password that is also the user's or the database's name (postgres:postgres@…) hides nothing by being masked. */
function registerPassword(settings: ReadonlyMap<string, string>): void {
  const password = settings.get("password");
  if (password !== settings.get("user") && password !== settings.get("dbname")) registerSecret(password);
}

/**
 * The same server and user, another database.
 * @throws HoldfastError `configuration` where only libpq knows the service, whose database would win over ours
 */
export function withDatabase(from: Connection, name: string): Connection {
  if (from.env["PGSERVICE"] !== undefined) throw unknownService(from.env["PGSERVICE"]);
  return connection({ ...from.env, PGDATABASE: name }, from);
}

function connection(env: Readonly<Record<string, string>>, { schema, poolerDeclared, ignored }: Pick<Connection, "schema" | "poolerDeclared" | "ignored">): Connection {
  const { PGHOST: host, PGPORT: ports, PGDATABASE: database } = env;
  const first = ports?.split(",", 1)[0] ?? "";
  return { env, database, host, port: first === "" ? undefined : Number(first), schema, poolerDeclared, ignored, display: displayOf(env) };
}

function displayOf({ PGSERVICE: service, PGHOST: host = "", PGPORT: ports = "", PGUSER: user, PGDATABASE: database }: Readonly<Record<string, string>>): string {
  if (service !== undefined) return `service=${service}`;
  const name = user === undefined ? "" : `${encodeURIComponent(user)}@`;
  const path = database === undefined ? "" : `/${encodeURIComponent(database)}`;
  const port = ports.split(",");
  if (host.startsWith("/")) return `postgresql://${name}${ports === "" ? "" : `:${ports}`}${path === "" ? "/" : path}?host=${host}`;
  const hosts = host.split(",").map((each, at) => {
    const own = port.length === 1 ? port[0] : port[at];
    return `${each.includes(":") ? `[${each}]` : each}${own === undefined || own === "" ? "" : `:${own}`}`;
  });
  return `postgresql://${name}${hosts.join(",")}${path}`;
}

/** A keyword string is meant for libpq: what libpq refuses there is a typing error, as is any unknown TLS parameter. */
function refuseUnknown({ settings, form }: ParsedString): void {
  for (const name of settings.keys()) {
    if (Object.hasOwn(variables, name) || withoutVariable.has(name) || name === "service" || understood.includes(name)) continue;
    if (form === "keywords" ? !prismaOnly.includes(name) : /^ssl/i.test(name) && !driversTls.has(name.toLowerCase())) {
      throw wrong(`the database URL has the unknown parameter ${name}`, "Correct its name or leave it out; libpq's parameters are written in lower case.");
    }
  }
}

function withService(settings: ReadonlyMap<string, string>, environment: NodeJS.ProcessEnv): { settings: ReadonlyMap<string, string>; service: string | undefined } {
  const name = settings.get("service");
  if (name === undefined) return { settings, service: undefined };
  const own = new Map([...settings].filter(([keyword]) => keyword !== "service"));
  const found = readService(name, environment);
  if (found !== undefined) return { settings: new Map([...found, ...own]), service: undefined };
  if ([...own.keys()].some((keyword) => Object.hasOwn(variables, keyword))) throw unknownService(name);
  return { settings: own, service: name };
}

function unknownService(name: string): Error {
  return wrong(`the service ${name} is defined in no service file of this machine, so its database cannot be replaced by another`, "Define it in ~/.pg_service.conf or the file that PGSERVICEFILE names, or write the URL in full.");
}

/** What drivers say about TLS, in libpq's words. */
function withTls(settings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const result = new Map(settings);
  const ssl = settings.get("ssl") ?? (settings.get("requiressl") === "1" ? "1" : undefined);
  const mode = settings.get("sslmode") ?? (ssl === undefined ? undefined : /^(?:false|0)$/.test(ssl) ? "disable" : "require");
  if (mode !== undefined) result.set("sslmode", mode === "no-verify" ? "require" : mode);
  // Prisma's `sslcert` is the authority's certificate, libpq's is the client's own, which goes with a key.
  const certificate = settings.get("sslcert");
  if (certificate !== undefined && !settings.has("sslkey") && !settings.has("sslrootcert") && prismaOnly.some((name) => settings.has(name))) {
    result.delete("sslcert");
    result.set("sslrootcert", certificate);
  }
  if (settings.get("sslaccept") === "strict" && result.has("sslrootcert")) result.set("sslmode", "verify-full");
  return result;
}

function check(settings: ReadonlyMap<string, string>): void {
  for (const port of settings.get("port")?.split(",") ?? []) {
    if (port !== "" && (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)) {
      throw wrong(/^\d+$/.test(port) ? `the database URL's port is ${port}, but must be from 1 to 65535` : "the port in the database URL is no number");
    }
  }
  const mode = settings.get("sslmode");
  if (mode !== undefined && !sslModes.includes(mode)) throw wrong(`the database URL's sslmode is ${JSON.stringify(mode)}, but must be one of ${sslModes.join(", ")}`, "Correct sslmode in the database URL.");
  const timeout = settings.get("connect_timeout");
  if (timeout !== undefined && !/^\d+$/.test(timeout)) throw wrong(`the database URL's connect_timeout is ${JSON.stringify(timeout)}, but must be whole seconds`, "Correct connect_timeout in the database URL.");
}
