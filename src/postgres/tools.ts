/**
 * The PostgreSQL client programs: where they are, which version they have, and which of them may talk to a server.
 * pg_dump refuses a server newer than itself, so the choice is made before any byte is dumped.
 */
import { access, constants, readdir, realpath } from "node:fs/promises";
import { basename, delimiter, isAbsolute, join } from "node:path";

import { HoldfastError, messageOf } from "../errors.ts";
import { type CommandLine, runTool, ToolFailure } from "../process/run.ts";
import { libpqVariables } from "./connection.ts";

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
  /** Where systems keep PostgreSQL outside of the PATH. */
  readonly places?: Places | undefined;
}

export interface Places {
  /** Folders with one folder for each major version, `15/bin`: Debian, Postgres.app. */
  readonly versioned: readonly string[];
  /** Folders in which PostgreSQL has its own among others, `libpq/bin`, `postgresql@15/bin`, `pgsql-15/bin`: Homebrew, Red Hat. */
  readonly named: readonly string[];
}

const systemPlaces: Places = {
  versioned: ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/Applications/Postgres.app/Contents/Versions"],
  named: ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt", "/usr"],
};

/**
 * Every set of clients that can be had, newest first.
 * @throws HoldfastError `configuration` if there is none
 */
export async function findClients(search: ClientSearch): Promise<Client[]> {
  if (search.prefix !== undefined) return [await containerClient(search.prefix)];
  const folders = search.pgBin === undefined ? await candidateFolders(search.path ?? process.env["PATH"] ?? "", search.places ?? systemPlaces) : [search.pgBin];
  const found = await Promise.all(folders.map(localClient));
  const clients = found.filter((client) => client !== undefined).sort((a, b) => compareVersions(b.version, a.version));
  if (clients.length > 0) return clients;
  if (search.pgBin !== undefined) {
    throw new HoldfastError("configuration", `no PostgreSQL client programs in ${search.pgBin}`, {
      hints: [`HOLDFAST_PG_BIN must name a folder that holds ${tools.join(", ")}.`],
    });
  }
  throw new HoldfastError("configuration", "no PostgreSQL client programs found in PATH or where systems keep them", {
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

async function candidateFolders(path: string, places: Places): Promise<string[]> {
  const versioned = await Promise.all(places.versioned.map(async (root) => (await readdir(root).catch(() => [])).map((major) => join(root, major, "bin"))));
  const named = await Promise.all(
    places.named.map(async (root) => (await readdir(root).catch(() => [])).filter((name) => /^(?:libpq|postgresql(?:@\d+)?|pgsql-\d+)$/.test(name)).map((name) => join(root, name, "bin"))),
  );
  const folders = [...path.split(delimiter), ...versioned.flat(), ...named.flat()].filter((folder) => isAbsolute(folder));
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  return [...new Set(real.filter((folder) => folder !== undefined))];
}

/** A folder's programs; undefined if one of them is missing, or pg_dump does not tell its version. */
async function localClient(folder: string): Promise<Client | undefined> {
  try {
    await Promise.all(tools.map((tool) => access(join(folder, tool), constants.X_OK)));
    if (basename(await realpath(join(folder, "pg_dump"))) === debianWrapper) return undefined;
    const version = await versionOf([join(folder, "pg_dump")], localPatience);
    return version && { ...version, origin: folder, inContainer: false, command: (tool) => [join(folder, tool)] };
  } catch {
    return undefined;
  }
}

/** Debian's /usr/bin/pg_dump: it runs another version for each server, so what it says about itself does not hold. */
const debianWrapper = "pg_wrapper";
/** Milliseconds until a program that does not tell its version counts as broken. */
const localPatience = 5_000;
const containerPatience = 20_000;

async function versionOf(program: CommandLine, timeout: number): Promise<{ version: string; major: number } | undefined> {
  const { stdout } = await runTool(program, ["--version"], { timeout });
  const version = /\(PostgreSQL\) (\d\S*)/.exec(stdout)?.[1];
  return version === undefined ? undefined : { version, major: Number.parseInt(version, 10) };
}

/**
 * `docker exec -e NAME` takes a value from our environment, so that none is seen in a list of processes, and takes the
 * container's own away where we have none. LC_ALL would win over the language that tools are made to speak.
 */
const passedIn = [...libpqVariables, "PGCLIENTENCODING", "LC_MESSAGES", "LC_ALL"].flatMap((name) => ["-e", name]);

async function containerClient(prefix: readonly string[]): Promise<Client> {
  const exec = await execPrefix(prefix);
  const command = (tool: ToolName): CommandLine => [...exec.before, ...passedIn, exec.container, tool];
  const shown = prefix.join(" ");
  const versions = await Promise.all(
    tools.map((tool) =>
      versionOf(command(tool), containerPatience).catch((error: unknown) => {
        throw new HoldfastError("configuration", `cannot run ${tool} by \`${shown}\`: ${saidBy(error, exec.before[0])}`, {
          hints: ["Check with `docker ps` that the container runs, and that its image holds the PostgreSQL client programs."],
          cause: error,
        });
      }),
    ),
  );
  const found = versions[tools.indexOf("pg_dump")];
  if (found === undefined) throw new HoldfastError("configuration", `\`${shown} pg_dump --version\` did not print a version`);
  return { ...found, origin: `container ${exec.container}`, inContainer: true, command };
}

function saidBy(error: unknown, engine: string): string {
  if (!(error instanceof ToolFailure)) return messageOf(error);
  if (error.missing) return `${engine} is not installed, or not in PATH`;
  // What the engine says of it goes to stdout, and differs from version to version.
  if (error.exitCode === 126 || error.exitCode === 127) return `the container has no ${error.tool} that can be run`;
  return error.lastLines === "" ? error.message : error.lastLines;
}

/**
 * Splits `docker exec -i NAME` into what comes before the container and the container. A Compose service is resolved to
 * its container first, because `docker compose exec -e NAME` does not take values from the environment as docker does.
 */
async function execPrefix(prefix: readonly string[]): Promise<{ before: [string, ...string[]]; container: string }> {
  const [program, ...rest] = prefix;
  const at = rest.indexOf("exec");
  const name = rest.at(-1);
  if (program === undefined || at < 0 || name === undefined || at === rest.length - 1) {
    throw new HoldfastError("configuration", `tools must be \`docker exec NAME\` or \`docker compose exec SERVICE\`, not \`${prefix.join(" ")}\``);
  }
  const compose = rest.indexOf("compose");
  if (compose < 0 || compose > at) return { before: [program, ...rest.slice(0, -1)], container: name };
  const options = rest.slice(at + 1, -1).filter((option) => option !== "-T");
  if (options.some((option) => option.startsWith("--index"))) {
    throw new HoldfastError("configuration", `tools cannot choose among the containers of service ${name} with --index`, { hints: ["Name the container itself: `tools: docker exec NAME`."] });
  }
  const { stdout } = await runTool([program, ...rest.slice(0, at)], ["ps", "-q", name], { timeout: containerPatience }).catch((error: unknown) => {
    throw new HoldfastError("configuration", `cannot find the container of service ${name}: ${saidBy(error, program)}`, {
      hints: ["Check the service's name, and the folder or file (-f) of the Compose project."],
      cause: error,
    });
  });
  const container = stdout.trim().split("\n")[0];
  if (container === undefined || container === "") {
    throw new HoldfastError("configuration", `no running container of service ${name}`, { hints: [`Start it with \`docker compose up -d ${name}\`.`] });
  }
  return { before: [program, ...rest.slice(0, compose), "exec", "-i", ...options], container };
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
