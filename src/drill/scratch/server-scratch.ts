/** A scratch database on a server that somebody gives us; the copy shares it with what else is there. */
import { HoldfastError, messageOf } from "../../errors.ts";
import { type Connection, parseDatabaseUrl } from "../../postgres/connection.ts";
import { majorOf, openAdminSession, reachServerBeside, type Server } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import { isAbandoned, noteOf, type Onlooker, ownerOf, scratchName } from "./owner.ts";
import { isSameServer, type Source } from "./same-server.ts";
import type { Leftover, Scratch, ScratchProvider, ScratchRequest } from "./scratch.ts";
import { findMarked, makeMarker, removeMarked } from "./server-marks.ts";
import { inVain } from "./words.ts";

export interface ServerOptions extends Onlooker {
  /** URL of the server, secret; undefined if none is configured. */
  readonly url: string | undefined;
  /** The server that was backed up, on which no copy is made unless it is allowed. */
  readonly source: Source;
  readonly allowSourceServer: boolean;
  /** The folder of the client programs to use, where it is configured. */
  readonly pgBin: string | undefined;
}

export function serverProvider(options: ServerOptions): ScratchProvider {
  return {
    name: "server",
    async unavailable(major) {
      if (options.url === undefined) return "no server is configured to make scratch databases on";
      try {
        const server = await reach(options);
        return await withAdmin(server, (admin) => unfit(admin, server, major));
      } catch (error) {
        return messageOf(error);
      }
    },
    provision: (request) => provision(request, options),
    leftovers: () => leftovers(options).catch(() => []),
  };
}

/** @param name - under which the sessions show themselves on the server, so that they are found when their client was killed */
function reach({ url = "", pgBin }: ServerOptions, name = "holdfast", signal?: AbortSignal): Promise<Server> {
  const connection = parseDatabaseUrl(url);
  const named: Connection = { ...connection, env: { ...connection.env, PGAPPNAME: name } };
  return reachServerBeside(named, { pgBin }, signal);
}

async function withAdmin<T>(server: Server, work: (admin: Session) => Promise<T>): Promise<T> {
  const admin = await openAdminSession(server);
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

async function unfit(admin: Session, { facts, connection }: Server, major: number): Promise<string | undefined> {
  if (majorOf(facts.versionNum) < major) return `the server ${connection.display} is PostgreSQL ${facts.version}, but the backup needs ${major} or newer`;
  if (facts.inRecovery) return `the server ${connection.display} is a standby, on which nothing can be made`;
  const { databases, roles } = await admin.row<{ databases: boolean; roles: boolean }>("SELECT rolsuper OR rolcreatedb AS databases, rolsuper OR rolcreaterole AS roles FROM pg_roles WHERE rolname = current_user");
  if (databases && roles) return undefined;
  return `user ${facts.user} of the server ${connection.display} needs ${databases ? "CREATEROLE" : roles ? "CREATEDB" : "CREATEDB and CREATEROLE"}`;
}

async function provision({ owner, major, signal }: ScratchRequest, options: ServerOptions): Promise<Scratch> {
  const note = await noteOf(owner);
  const name = scratchName(note).replaceAll("-", "_");
  try {
    if (options.url === undefined) throw new HoldfastError("drill-unverified", "no server is configured to make scratch databases on");
    const server = await reach(options, name, signal);
    if (!options.allowSourceServer) await refuseSource(server, options.source, signal);
    await withAdmin(server, async (admin) => {
      const why = await unfit(admin, server, major);
      if (why !== undefined) throw new HoldfastError("drill-unverified", why);
      await makeMarker(admin, name, note, server);
    });
    return {
      provider: "server",
      name,
      description: `a scratch database of the PostgreSQL ${server.facts.version} server ${withoutDatabase(server.connection)}`,
      server,
      database: name,
      url: urlOf(options.url, name),
      roleMarker: name,
      destroy: () => destroy(name, options),
    };
  } catch (error) {
    throw inVain(error, "no scratch database can be made", []);
  }
}

async function refuseSource(server: Server, source: Source, signal: AbortSignal): Promise<void> {
  const verdict = await isSameServer(server, source, signal);
  if (verdict === "different") return;
  const where = withoutDatabase(server.connection);
  throw new HoldfastError("refused", verdict === "same" ? `the scratch server ${where} is the very server that was backed up` : `whether the scratch server ${where} is the one that was backed up cannot be told: that one answers, but refuses us`, {
    hints: ["A copy takes the live server's disk, memory and time: give another server, or allow this one in the drill's configuration with allow-source-server."],
  });
}

/** Through a session of its own: the drill's may have been cancelled, or its server restarted. */
async function destroy(name: string, options: ServerOptions): Promise<string[]> {
  try {
    const server = await reach(options);
    return await withAdmin(server, (admin) => removeMarked(admin, server, name));
  } catch (error) {
    return [`database ${name} (perhaps: ${messageOf(error)})`];
  }
}

async function leftovers(options: ServerOptions): Promise<Leftover[]> {
  if (options.url === undefined) return [];
  const server = await reach(options);
  const marked = await withAdmin(server, findMarked);
  return Promise.all(marked.map(async ({ marker, note, inUse }): Promise<Leftover> => ({
    provider: "server",
    name: marker,
    owner: note && ownerOf(note),
    // Without a note nobody knows on which host its process is.
    abandoned: note === undefined ? !inUse : await isAbandoned(marker.replaceAll("_", "-"), note, options),
    remove: () => destroy(marker, options),
  })));
}

function withoutDatabase({ host, port, display }: Connection): string {
  return host === undefined ? display : `${host}${port === undefined ? "" : `:${port}`}`;
}

/** Undefined for a keyword string, or several hosts: what no application reads. */
function urlOf(server: string, database: string): string | undefined {
  try {
    const url = new URL(server);
    url.pathname = `/${database}`;
    url.searchParams.delete("dbname");
    return url.href;
  } catch {
    return undefined;
  }
}
