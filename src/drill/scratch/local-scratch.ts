/** A scratch of the machine's own PostgreSQL: a throwaway cluster in a private folder, on its own socket, without TCP. */
import { statfs } from "node:fs/promises";
import { join } from "node:path";

import { HoldfastError, messageOf } from "../../errors.ts";
import { allServerBinaries, type ServerBinaries } from "../../postgres/binaries.ts";
import { serverUser, startCluster } from "../../postgres/cluster.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { reachServer } from "../../postgres/server.ts";
import { foldersIn, makeFolder, removeFolder } from "./folder.ts";
import { noteOf, type Onlooker, scratchName } from "./owner.ts";
import type { Scratch, ScratchProvider, ScratchRequest } from "./scratch.ts";
import { inVain, megabytes, socketUrl } from "./words.ts";

export interface LocalOptions extends Onlooker {
  /** Where the folders are made. */
  readonly tempDir: string;
  /** The folder of the client programs to use, where it is configured. */
  readonly pgBin: string | undefined;
  /** The server programs at hand; the machine's by default. */
  readonly binaries?: () => Promise<readonly ServerBinaries[]>;
}

/** Longest path of a socket, and what PostgreSQL adds to its folder: the shorter limit of the systems that we know. */
const longestSocket = 103;
const socketFile = "/.s.PGSQL.65535";

export function localProvider(options: LocalOptions): ScratchProvider {
  const { tempDir } = options;
  const binariesFor = async (major: number): Promise<ServerBinaries | undefined> => (await (options.binaries ?? allServerBinaries)()).find((server) => server.major >= major);
  return {
    name: "local",
    async unavailable(major) {
      const all = await (options.binaries ?? allServerBinaries)();
      if (all.some((server) => server.major >= major)) return serverUser().then(() => undefined, messageOf);
      const found = all.length === 0 ? "no server programs of PostgreSQL" : `only the server programs of PostgreSQL ${all.map((server) => server.major).join(", ")}`;
      return `this machine has ${found}, but the backup needs ${major} or newer: install them, e.g. \`apt-get install postgresql-${major}\``;
    },
    async provision(request) {
      const binaries = await binariesFor(request.major);
      if (binaries === undefined) throw new HoldfastError("drill-unverified", (await this.unavailable(request.major)) ?? "the server programs are gone");
      await requireRoom(tempDir, request.bytes);
      const note = await noteOf(request.owner);
      const name = scratchName(note);
      if (Buffer.byteLength(join(tempDir, name) + socketFile) > longestSocket) {
        throw new HoldfastError("drill-unverified", `the temporary folder's path is too long for a Unix socket in it: ${tempDir}`, { hints: ["Name one with a shorter path with HOLDFAST_TEMP_DIR."] });
      }
      const folder = await makeFolder(tempDir, name, "local", note);
      try {
        return await startIn(folder, binaries, request, options);
      } catch (error) {
        throw inVain(error, "no throwaway PostgreSQL could be started", await removeFolder(folder));
      }
    },
    leftovers: () => foldersIn(tempDir, options),
  };
}

async function startIn(folder: string, binaries: ServerBinaries, { major, database, signal }: ScratchRequest, { pgBin }: LocalOptions): Promise<Scratch> {
  // Nothing of it outlives the drill, so nothing is written for a crash or for a standby.
  const settings = { wal_level: "minimal", max_wal_senders: "0", max_wal_size: "'4GB'", dynamic_shared_memory_type: "mmap" };
  const { socket, port, user } = await startCluster({ binaries: binaries.folder, folder, settings, signal });
  const url = (name: string): string => socketUrl({ socket, port, user, database: name });
  const server = await reachServer(parseDatabaseUrl(url("postgres"), {}), { pgBin }, signal);
  const newer = binaries.major > major ? `, newer than the backed-up server's ${major},` : "";
  return {
    provider: "local",
    name: folder,
    description: `a throwaway PostgreSQL ${server.facts.version} cluster${newer} on its own socket of this machine, without TCP`,
    server,
    database,
    url: url(database),
    destroy: () => removeFolder(folder),
  };
}

/** A disk that is full in the middle of a restore proves nothing about the backup; so it is looked at first. */
async function requireRoom(folder: string, bytes: number): Promise<void> {
  const disk = await statfs(folder).catch((error: unknown) => {
    throw new HoldfastError("drill-unverified", `the temporary folder ${folder} cannot be used: ${messageOf(error)}`, { hints: ["Name another one with HOLDFAST_TEMP_DIR."], cause: error });
  });
  const free = disk.bavail * disk.bsize;
  if (free >= bytes) return;
  throw new HoldfastError("drill-unverified", `the copy takes ${megabytes(bytes)}, but the temporary folder ${folder} has ${megabytes(free)} left`, {
    hints: ["Make room there, name a larger folder with HOLDFAST_TEMP_DIR, or choose another scratch."],
  });
}
