/** Whether a server on which a copy is to be made is the very one that was backed up. */
import { HoldfastError } from "../../errors.ts";
import type { Connection } from "../../postgres/connection.ts";
import { openAdminSession, reachServerBeside, type Server } from "../../postgres/server.ts";
import { SqlError } from "../../postgres/session.ts";
import type { ClientSearch } from "../../postgres/tools.ts";

/** How the backed-up server is reached. */
export interface Source {
  readonly connection: Connection;
  readonly search: ClientSearch;
}

/** libpq's words for an address at which no server answers. */
const noAnswer = /Connection refused|timeout expired|could not translate host name|No such file or directory|No route to host|Network is unreachable/;

/** `unknown` where the source answers, but does not let us look. A source that does not answer at all is not the one that does. */
export async function isSameServer(server: Server, source: Source, signal: AbortSignal): Promise<"same" | "different" | "unknown"> {
  const { connection: one } = server;
  const { connection: other, search } = source;
  // Behind a prefix, an address is one inside of a container.
  if (search.prefix === undefined && one.host === other.host && (one.port ?? 5432) === (other.port ?? 5432) && one.env["PGSERVICE"] === other.env["PGSERVICE"]) return "same";
  let reached: Server;
  try {
    reached = await reachServerBeside(other, search, signal);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
    return error.code === "database-unreachable" && noAnswer.test(error.message) ? "different" : "unknown";
  }
  const [mine, theirs] = await Promise.all([server, reached].map((each) => identityOf(each, signal)));
  if (mine === undefined || theirs === undefined) return "unknown";
  if (mine.system !== null && theirs.system !== null) return mine.system === theirs.system ? "same" : "different";
  return mine.started === theirs.started ? "same" : "different";
}

interface Identity {
  /** Of the cluster, its standbys and copies included; null where it may not be read. */
  readonly system: string | null;
  /** When the server was started, in microseconds. */
  readonly started: string;
}

async function identityOf(server: Server, signal: AbortSignal): Promise<Identity | undefined> {
  const session = await openAdminSession(server, signal);
  try {
    const { started } = await session.row<{ started: string }>("SELECT extract(epoch FROM pg_postmaster_start_time())::text AS started");
    const system = await session.row<{ system: string }>("SELECT system_identifier::text AS system FROM pg_control_system()").catch((error: unknown) => {
      if (!(error instanceof SqlError)) throw error;
      return { system: null };
    });
    return { started, ...system };
  } finally {
    await session.close();
  }
}
