/** A database server as one of its databases shows it, and the client programs that fit it. */
import { HoldfastError } from "../errors.ts";
import { type Connection, withDatabase } from "./connection.ts";
import { openSession, type Session, type SessionTarget } from "./session.ts";
import { chooseClient, type Client, type ClientSearch, findClients } from "./tools.ts";

export interface ServerFacts {
  /** 150018 for 15.18. */
  readonly versionNum: number;
  readonly version: string;
  readonly database: string;
  readonly databaseBytes: number;
  readonly user: string;
  readonly superuser: boolean;
  readonly inRecovery: boolean;
  /** The server's own clock. */
  readonly now: string;
}

/** A server that answered, and the clients chosen for it. */
export interface Server {
  readonly connection: Connection;
  readonly client: Client;
  readonly facts: ServerFacts;
  /** psql and libpq's environment for one of the server's databases; the connection's own by default. */
  target(database?: string): SessionTarget;
}

export const majorOf = (versionNum: number): number => Math.floor(versionNum / 10_000);

/** The newest release older than this lacks sha256() or what else we need. */
const oldestMajor = 12;

/**
 * Connects once, reads what the server is, and chooses the client programs for it.
 * @throws HoldfastError `database-unreachable`, or `configuration` when no client fits
 */
export async function reachServer(connection: Connection, search: ClientSearch, signal?: AbortSignal): Promise<Server> {
  const clients = await findClients(search);
  const any = clients[0];
  if (any === undefined) throw new Error("findClients returned none");
  const session = await openSession({ psql: any.command("psql"), env: connection.env }, signal ? { signal } : {});
  let facts: ServerFacts;
  try {
    facts = await readFacts(session);
  } finally {
    await session.close();
  }
  const major = majorOf(facts.versionNum);
  if (major < oldestMajor) throw new HoldfastError("configuration", `the server is PostgreSQL ${facts.version}, but ${oldestMajor} is the oldest that holdfast supports`);
  const client = chooseClient(clients, major);
  const target = (database?: string): SessionTarget => ({
    psql: client.command("psql"),
    env: database === undefined ? connection.env : { ...connection.env, PGDATABASE: database },
  });
  return { connection, client, facts, target };
}

function readFacts(session: Session): Promise<ServerFacts> {
  return session.row<ServerFacts>(`
    SELECT current_setting('server_version_num')::int AS "versionNum", split_part(current_setting('server_version'), ' ', 1) AS version,
           current_database() AS database, pg_database_size(current_database()) AS "databaseBytes",
           current_user AS user, current_setting('is_superuser') = 'on' AS superuser, pg_is_in_recovery() AS "inRecovery", now() AS now`);
}

/** Databases that every server has, for work that no session of the database itself may do. */
const maintenanceDatabases = ["postgres", "template1"];

/** libpq's own words, which are English: no other database of the server will answer either. */
const noServer = /Connection refused|timeout expired|could not translate host name|No such file or directory|no password supplied|password authentication failed/;

async function throughFirst<T>(names: readonly string[], use: (name: string) => Promise<T>): Promise<T> {
  const [name, ...more] = names;
  if (name === undefined) throw new Error("no database to try");
  try {
    return await use(name);
  } catch (error) {
    // Dropped, closed, or not for everyone: why exactly is said in the server's language.
    if (more.length === 0 || !(error instanceof HoldfastError) || error.code !== "database-unreachable" || noServer.test(error.message)) throw error;
    return throughFirst(more, use).catch(() => { throw error; });
  }
}

/** As {@link reachServer}, through a database that is there even if the connection's own is closed, renamed or not made yet. */
export function reachServerBeside(connection: Connection, search: ClientSearch, signal?: AbortSignal): Promise<Server> {
  const own = connection.database;
  // Where only libpq knows the service, no other database can be named.
  if (own === undefined || connection.env["PGSERVICE"] !== undefined) return reachServer(connection, search, signal);
  return throughFirst([...maintenanceDatabases, own], (name) => reachServer(withDatabase(connection, name), search, signal));
}

/** @param avoid - a database that is to be renamed or dropped, which no session of our own may hold */
export async function openAdminSession(server: Server, signal?: AbortSignal, avoid?: string): Promise<Session> {
  const names = maintenanceDatabases.filter((name) => name !== avoid);
  return throughFirst(names, (name) => openSession(server.target(name), signal ? { signal } : {}));
}
