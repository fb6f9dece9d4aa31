/**
 * A scratch in a container of its own: no network at all, its data in memory or in a volume that goes with it. The host
 * reaches it through a Unix socket in a private folder; where it cannot, or has no client new enough, through the programs
 * inside the container. Images are not fetched: what runs over a copy of the data is chosen and pulled by a person.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { DrillSettings } from "../../config/drill-settings.ts";
import { HoldfastError, messageOf, throwIfCancelled } from "../../errors.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { reachServer, type Server } from "../../postgres/server.ts";
import { type CommandLine, runTool } from "../../process/run.ts";
import { awaitOrphans, type Docker, dockerAt, engineTrouble, findMarked, labelsOf, patienceMs, removeMarked } from "./docker.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { isAbandoned, type Note, noteOf, type Onlooker, ownerOf, scratchName } from "./owner.ts";
import type { Leftover, Scratch, ScratchProvider, ScratchRequest } from "./scratch.ts";
import { inVain, megabytes, socketUrl } from "./words.ts";

export interface DockerOptions extends Onlooker {
  /** `{major}` stands for the major version of the backed-up server. */
  readonly image: string;
  readonly storage: DrillSettings["storage"];
  /** Where the folder of the socket is made. */
  readonly tempDir: string;
  readonly pgBin: string | undefined;
  /**
   * A network of Docker on which the server listens, for an application that is tried on the copy; none by default. There
   * every role needs a password, which nobody has until one is set through the socket.
   */
  readonly network?: string;
  /** Docker's command line; `docker` by default. */
  readonly command?: CommandLine;
}

export function dockerProvider(options: DockerOptions): ScratchProvider {
  const docker = dockerAt(options.command ?? ["docker"]);
  const imageFor = (major: number): string => options.image.replaceAll("{major}", String(major));
  const folderOf = (name: string): string => join(options.tempDir, name);
  const remove = async (name: string): Promise<string[]> => [...(await removeMarked(docker, name)), ...(await removeFolder(folderOf(name)))];
  const unavailable = async (major: number): Promise<string | undefined> => {
    const trouble = await engineTrouble(docker);
    if (trouble !== undefined) return trouble;
    const image = imageFor(major);
    return docker.run("image", "inspect", "--format", "{{.Id}}", image).then(() => undefined, () => `the image ${image} is not on this machine: get it with \`docker pull ${image}\``);
  };
  return {
    name: "docker",
    unavailable,
    async provision(request) {
      const why = await unavailable(request.major);
      if (why !== undefined) throw new HoldfastError("drill-unverified", `no container can be made: ${why}`);
      throwIfCancelled(request.signal);
      const note = await noteOf(request.owner);
      const name = scratchName(note);
      const folder = await makeFolder(options.tempDir, name, "docker", note);
      try {
        const server = await start({ docker, name, note, folder, image: imageFor(request.major), request, options });
        return { ...server, provider: "docker", name, database: request.database, destroy: () => remove(name) };
      } catch (error) {
        throw inVain(error, "no server could be started in a container", await remove(name));
      }
    },
    async leftovers() {
      if ((await engineTrouble(docker)) !== undefined) return [];
      await awaitOrphans((name) => isAbandoned(name, undefined, options));
      const marked = await findMarked(docker);
      return Promise.all(marked.map(async ({ name, note }): Promise<Leftover> => ({
        provider: "docker", name, owner: note && ownerOf(note), abandoned: await isAbandoned(name, note, options), remove: () => remove(name),
      })));
    },
  };
}

interface Start {
  readonly docker: Docker;
  readonly name: string;
  readonly note: Note;
  readonly folder: string;
  readonly image: string;
  readonly request: ScratchRequest;
  readonly options: DockerOptions;
}

/** Inside the container. Not the image's own place for data, which may be declared as a volume without a name. */
const dataFolder = "/holdfast-data";
const socketFolder = "/holdfast-socket";
/** Where the image's own programs look for the server. */
const innerSocket = "/var/run/postgresql";
const port = 5432;

async function start(work: Start): Promise<Pick<Scratch, "server" | "url" | "description">> {
  const { docker, name, folder, image, request, options } = work;
  const socket = join(folder, "socket");
  await mkdir(socket);
  // The container's user has another number; only who may enter the folder around it comes here.
  await chmod(socket, 0o777);
  const run = async (shared: string | undefined): Promise<void> => {
    // Like every tool, to its end; the password is thrown away.
    await runTool(docker.command, ["run", ...(await runArguments(work, shared))], { timeout: patienceMs, env: { POSTGRES_PASSWORD: randomBytes(24).toString("hex") } });
    await untilReady(docker, name, request.signal);
  };
  await run(socket).catch(async (error: unknown) => {
    if (!notShared.test(messageOf(error))) throw error;
    await removeMarked(docker, name);
    await run(undefined);
  });
  const { server, url } = await reach(work, socket);
  const id = await docker.run("inspect", "--type", "container", "--format", "{{.Image}}", name);
  const through = url === undefined ? "through the programs inside it" : "through its socket";
  return { server, url, description: `a container of the image ${image} (${id}) with PostgreSQL ${server.facts.version}, ${options.network === undefined ? "without network" : `on the network ${options.network} only`}, its data in ${options.storage === "tmpfs" ? "memory" : "a volume of its own"}, reached ${through}` };
}

/** The engine does not see our folders (it is on another machine, or we are in a container), or may not let the server use them. */
const notShared = new RegExp(`bind source path|bind mount|${socketFolder}`);

async function runArguments(work: Start, socket: string | undefined): Promise<string[]> {
  const { name, note, image, options: { network } } = work;
  return [
    "--detach", "--pull", "never", "--name", name, ...labelsOf(note),
    // A resolver that is not there: Docker's own asks the host's otherwise, also from a network that leads nowhere.
    ...(network === undefined ? ["--network", "none"] : ["--network", network, "--dns", "127.0.0.1"]), "--security-opt", "no-new-privileges", "--pids-limit", "1024", "--shm-size", "256m",
    // What an entrypoint needs to hand the data over to the server's user and become it.
    "--cap-drop", "ALL", ...["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"].flatMap((capability) => ["--cap-add", capability]),
    ...(await storageArguments(work)),
    // As a mount, not as a volume, which would make a folder that is gone anew.
    ...(socket === undefined ? [] : ["--mount", `type=bind,source=${socket},target=${socketFolder}`]),
    ...["POSTGRES_USER=postgres", "POSTGRES_DB=postgres", ...(network === undefined ? ["POSTGRES_HOST_AUTH_METHOD=trust"] : ["POSTGRES_HOST_AUTH_METHOD=scram-sha-256", "POSTGRES_PASSWORD"]), "POSTGRES_INITDB_ARGS=--no-sync", `PGDATA=${dataFolder}/pgdata`].flatMap((setting) => ["--env", setting]),
    image, "postgres",
    ...Object.entries({
      fsync: "off", full_page_writes: "off", synchronous_commit: "off", wal_level: "minimal", max_wal_senders: "0", max_wal_size: "2GB",
      // The image's first server, which only initialises, listens nowhere: so the last one is known by its address.
      listen_addresses: network === undefined ? "127.0.0.1" : "*", port: String(port), unix_socket_directories: socket === undefined ? innerSocket : `${innerSocket},${socketFolder}`,
    }).flatMap(([setting, value]) => ["-c", `${setting}=${value}`]),
  ];
}

async function storageArguments({ docker, name, note, request, options }: Start): Promise<string[]> {
  if (options.storage === "volume") {
    await docker.run("volume", "create", ...labelsOf(note), name);
    return ["--mount", `type=volume,source=${name},target=${dataFolder}`];
  }
  // Rows and indexes, and the log of changes beside them.
  const size = Math.ceil(request.bytes * 1.5) + 2 * 1024 ** 3;
  const memory = Number(await docker.run("info", "--format", "{{.MemTotal}}"));
  if (request.bytes > memory / 2) {
    throw new HoldfastError("drill-unverified", `the copy takes ${megabytes(request.bytes)}, but Docker's machine has ${megabytes(memory)} of memory`, { hints: ["Keep it in a volume: set the drill's storage to volume."] });
  }
  return ["--tmpfs", `${dataFolder}:rw,noexec,nosuid,nodev,size=${size}`];
}

const readyMs = 120_000;

async function untilReady(docker: Docker, name: string, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  for (;;) {
    throwIfCancelled(signal);
    const asked = docker.run("exec", name, "psql", "-X", "-q", "-A", "-t", "-h", innerSocket, "-p", String(port), "-U", "postgres", "-d", "postgres", "-c", "SHOW listen_addresses");
    const answer = await asked.catch((error: unknown) => error);
    if (typeof answer === "string" && answer !== "") return;
    const state = await docker.run("inspect", "--type", "container", "--format", "{{.State.Status}}", name);
    if (state !== "running" && state !== "created") throw new HoldfastError("drill-unverified", `the container ${name} ended before its server answered: ${await lastWords(docker, name)}`);
    if (performance.now() - started > readyMs) throw new HoldfastError("drill-unverified", `the server in the container ${name} did not answer within ${readyMs / 1000} s: ${answer instanceof Error ? messageOf(answer) : "it is still being initialised"}`);
    await sleep(100);
  }
}

async function lastWords(docker: Docker, name: string): Promise<string> {
  // Nothing was restored yet, so there are no rows in it.
  const { stdout, stderr } = await runTool(docker.command, ["logs", "--tail", "5", name]).catch(() => ({ stdout: "", stderr: "" }));
  const code = await docker.run("inspect", "--type", "container", "--format", "exit status {{.State.ExitCode}} {{.State.Error}}", name).catch(() => "");
  return `${code.trim()}: ${stdout}${stderr}`.trim();
}

/** With the host's clients, if they are new enough and the socket can be reached from here; else with those inside. */
async function reach({ docker, name, request, options }: Start, socket: string): Promise<{ server: Server; url: string | undefined }> {
  const place = { socket, port, user: "postgres" };
  try {
    const server = await reachServer(parseDatabaseUrl(socketUrl({ ...place, database: "postgres" }), {}), { pgBin: options.pgBin }, request.signal);
    return { server, url: socketUrl({ ...place, database: request.database }) };
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
  }
  const inner = parseDatabaseUrl(socketUrl({ ...place, socket: innerSocket, database: "postgres" }), {});
  return { server: await reachServer(inner, { prefix: [...docker.command, "exec", "-i", name] }, request.signal), url: undefined };
}
