/**
 * The PostgreSQL client programs: where they are, which version they have, and which of them may talk to a server.
 * pg_dump refuses a server newer than itself, so the choice is made before any byte is dumped.
 */
import { access, constants, readdir, realpath } from "node:fs/promises";
import { delimiter, join } from "node:path";

import { HoldfastError } from "../errors.ts";
import { type CommandLine, runTool, ToolFailure } from "../process/run.ts";

export type ToolName = "psql" | "pg_dump" | "pg_dumpall" | "pg_restore";

const tools: readonly ToolName[] = ["psql", "pg_dump", "pg_dumpall", "pg_restore"];

/** One set of client programs of one version. */
export interface Client {
  readonly major: number;
  /** As pg_dump prints it: `15.18`. */
  readonly version: string;
  /** Where it is: a folder, or `container NAME`. */
  readonly origin: string;
  /** True if the programs run inside a container: killing our end does not end them. */
  readonly inContainer: boolean;
  command(tool: ToolName): CommandLine;
}

export interface ClientSearch {
  /** Use the programs of this folder only. */
  readonly pgBin?: string | undefined;
  /** Run the programs behind this command: `["docker", "exec", "-i", "db"]`. */
  readonly prefix?: readonly string[] | undefined;
  /** The PATH to search; the process's own by default. */
  readonly path?: string | undefined;
}

/**
 * Every set of clients that can be had, newest first.
 * @throws HoldfastError `configuration` if there is none
 */
export async function findClients(search: ClientSearch): Promise<Client[]> {
  if (search.prefix !== undefined) return [await containerClient(search.prefix)];
  const folders = search.pgBin === undefined ? await candidateFolders(search.path ?? process.env["PATH"] ?? "") : [search.pgBin];
  const found = await Promise.all(folders.map(localClient));
  const clients = found.filter((client) => client !== undefined).sort((a, b) => compareVersions(b.version, a.version));
  if (clients.length > 0) return clients;
  if (search.pgBin !== undefined) {
    throw new HoldfastError("configuration", `no PostgreSQL client programs in ${search.pgBin}`, {
      hints: [`HOLDFAST_PG_BIN must name a folder that holds ${tools.join(", ")}.`],
    });
  }
  throw new HoldfastError("configuration", "no PostgreSQL client programs found in PATH, /usr/lib/postgresql or Homebrew", {
    hints: [
      "Install them: `apt-get install postgresql-client` on Debian, `brew install libpq` on macOS.",
      "Or name their folder with HOLDFAST_PG_BIN, or run them in a container with the database's `tools: docker exec NAME`.",
    ],
  });
}

/**
 * The newest client that may dump a server of `serverMajor`.
 * @throws HoldfastError `configuration` if all are older than the server
 */
export function chooseClient(clients: readonly Client[], serverMajor: number): Client {
  const newest = clients[0];
  if (newest !== undefined && newest.major >= serverMajor) return newest;
  const seen = clients.map((client) => `${client.version} in ${client.origin}`).join(", ");
  throw new HoldfastError("configuration", `the server is PostgreSQL ${serverMajor}, but the newest client is older: ${seen}`, {
    hints: [`Install the client of version ${serverMajor} or newer: \`apt-get install postgresql-client-${serverMajor}\`, or name one with HOLDFAST_PG_BIN.`],
    details: { serverMajor, clients: clients.map((client) => client.version) },
  });
}

async function candidateFolders(path: string): Promise<string[]> {
  const versioned = await Promise.all(
    ["/usr/lib/postgresql", "/usr/local/lib/postgresql"].map(async (root) => (await readdir(root).catch(() => [])).map((major) => join(root, major, "bin"))),
  );
  const homebrew = await Promise.all(
    ["/opt/homebrew/opt", "/usr/local/opt"].map(async (root) =>
      (await readdir(root).catch(() => [])).filter((name) => /^(?:libpq|postgresql(?:@\d+)?)$/.test(name)).map((name) => join(root, name, "bin")),
    ),
  );
  const folders = [...path.split(delimiter), ...versioned.flat(), ...homebrew.flat()].filter((folder) => folder.startsWith("/"));
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  return [...new Set(real.filter((folder) => folder !== undefined))];
}

async function localClient(folder: string): Promise<Client | undefined> {
  const paths = new Map(tools.map((tool) => [tool, join(folder, tool)]));
  try {
    await Promise.all([...paths.values()].map((path) => access(path, constants.X_OK)));
    const version = await versionOf([join(folder, "pg_dump")]);
    return version && { ...version, origin: folder, inContainer: false, command: (tool) => [join(folder, tool)] };
  } catch {
    return undefined;
  }
}

async function versionOf(pgDump: CommandLine): Promise<{ version: string; major: number } | undefined> {
  const { stdout } = await runTool(pgDump, ["--version"], { timeout: 20_000 });
  const version = /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1];
  return version === undefined ? undefined : { version, major: Number.parseInt(version, 10) };
}

/** What libpq reads; `docker exec -e NAME` takes a value from our environment, so none is seen in a process list. */
const libpqVariables = [
  "PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGOPTIONS", "PGAPPNAME",
  "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGCHANNELBINDING", "PGGSSENCMODE", "PGKRBSRVNAME", "PGTARGETSESSIONATTRS",
  "PGCONNECT_TIMEOUT", "PGCLIENTENCODING",
];

async function containerClient(prefix: readonly string[]): Promise<Client> {
  const exec = await execPrefix(prefix);
  const command = (tool: ToolName): CommandLine => [...exec.before, ...libpqVariables.flatMap((name) => ["-e", name]), exec.container, tool];
  let found;
  try {
    found = await versionOf(command("pg_dump"));
  } catch (error) {
    const said = error instanceof ToolFailure ? error.lastLines : String(error);
    throw new HoldfastError("configuration", `cannot run pg_dump by \`${prefix.join(" ")}\`: ${said}`, {
      hints: ["Check with `docker ps` that the container runs, and that its image holds the PostgreSQL client programs."],
      cause: error,
    });
  }
  if (found === undefined) throw new HoldfastError("configuration", `\`${prefix.join(" ")} pg_dump --version\` did not print a version`);
  return { ...found, origin: `container ${exec.container}`, inContainer: true, command };
}

/**
 * Splits `docker exec -i NAME` into what comes before the container and the container. A Compose service is resolved to
 * its container first, because `docker compose exec -e NAME` does not take values from the environment as docker does.
 */
async function execPrefix(prefix: readonly string[]): Promise<{ before: [string, ...string[]]; container: string }> {
  const [program, ...rest] = prefix;
  const at = rest.indexOf("exec");
  const name = rest.at(-1);
  if (program === undefined || at < 0 || name === undefined || name === "exec") {
    throw new HoldfastError("configuration", `tools must be \`docker exec NAME\` or \`docker compose exec SERVICE\`, not \`${prefix.join(" ")}\``);
  }
  const compose = rest.indexOf("compose");
  if (compose < 0 || compose > at) return { before: [program, ...rest.slice(0, -1)], container: name };
  const { stdout } = await runTool([program, ...rest.slice(0, at)], ["ps", "-q", name], { timeout: 20_000 }).catch((error: unknown) => {
    throw new HoldfastError("configuration", `cannot find the container of service ${name}: ${error instanceof ToolFailure ? error.lastLines : String(error)}`, { cause: error });
  });
  const container = stdout.trim().split("\n")[0];
  if (container === undefined || container === "") {
    throw new HoldfastError("configuration", `no running container of service ${name}`, { hints: [`Start it with \`docker compose up -d ${name}\`.`] });
  }
  return { before: [program, ...rest.slice(0, compose), "exec", "-i"], container };
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
