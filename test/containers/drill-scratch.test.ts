/** Scratches in containers: shut off from every network, and gone with their data, whoever was killed. */
import { execa } from "execa";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import { removeLeftovers } from "../../src/drill/scratch/leftovers.ts";
import { dockerProvider, type DockerOptions } from "../../src/drill/scratch/docker-scratch.ts";
import { localProvider } from "../../src/drill/scratch/local-scratch.ts";
import type { Scratch, ScratchRequest } from "../../src/drill/scratch/scratch.ts";
import { allServerBinaries } from "../../src/postgres/binaries.ts";
import { openSession } from "../../src/postgres/session.ts";
import { docker, label } from "../harness/containers.ts";
import { requestOf } from "../harness/drill.ts";

const image = "holdfast-test/drill-postgres:{major}";
const fixture = join(import.meta.dirname, "../fixtures/provision-scratch.ts");
let major: number;

beforeAll(async () => { major = (await allServerBinaries()).at(-1)!.major; });

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const optionsOf = (tempDir: string, change: Partial<DockerOptions> = {}): DockerOptions => ({ image, storage: "tmpfs", tempDir, pgBin: undefined, host: hostname(), now: () => new Date(), ...change });

const request = (change: Partial<ScratchRequest> = {}): ScratchRequest => requestOf({ major, ...change });

async function provisioned(options: DockerOptions): Promise<Scratch> {
  const provider = dockerProvider(options);
  const scratch = await provider.provision(request());
  onTestFinished(async () => { await dockerProvider({ ...options, command: ["docker"] }).leftovers().then((all) => Promise.all(all.filter(({ name }) => name === scratch.name).map((each) => each.remove()))); });
  return scratch;
}

/** Names of the volumes that a container uses, the one that its image declares included. */
async function volumesOf(name: string): Promise<string[]> {
  const mounts = JSON.parse(await docker("inspect", "--format", "{{json .Mounts}}", name)) as { Type: string; Name: string }[];
  return mounts.filter(({ Type: type }) => type === "volume").map((mount) => mount.Name);
}

/** Which of the containers and volumes are there, and those of processes with a label. */
async function inDocker(names: readonly string[], labelled = "holdfast.drill=killed"): Promise<string[]> {
  const [containers, ofDrill, volumes] = await Promise.all([docker("ps", "-a", "--format", "{{.Names}}"), docker("ps", "-a", "--format", "{{.Names}}", "--filter", `label=${labelled}`), docker("volume", "ls", "-q")]);
  return [...[...containers.split("\n"), ...volumes.split("\n")].filter((line) => names.includes(line)), ...ofDrill.split("\n").filter((line) => line !== "")];
}

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

test("a container has no network and no port, holds its data in memory, says whose it is, and is gone after the drill", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(optionsOf(tempDir));
  expect(scratch.description).toMatch(/^a container of the image holdfast-test\/drill-postgres:\d+ \(sha256:[0-9a-f]{64}\) with PostgreSQL \S+, without network, its data in memory, reached through its socket$/);
  const volumes = await volumesOf(scratch.name);
  expect(volumes).toHaveLength(1);
  const [facts] = JSON.parse(await docker("inspect", scratch.name)) as [{ Config: { Labels: Record<string, string> }; HostConfig: Record<string, unknown>; NetworkSettings: { Ports: object; Networks: object } }];
  expect(facts.HostConfig).toMatchObject({ NetworkMode: "none", CapDrop: ["ALL"], Privileged: false, PublishAllPorts: false });
  expect(facts.NetworkSettings.Ports).toEqual({});
  expect(Object.keys(facts.NetworkSettings.Networks)).toEqual(["none"]);
  expect(facts.Config.Labels).toMatchObject({ "holdfast.drill": request().owner.drill, "holdfast.pid": String(process.pid), "holdfast.user": "tester", "holdfast.expires": request().owner.expires.toISOString() });
  expect((await docker("exec", scratch.name, "ls", "/sys/class/net")).split("\n")).toEqual(["lo"]);
  expect((await stat(join(tempDir, scratch.name))).mode & 0o777).toBe(0o700);
  const session = await openSession(scratch.server.target());
  expect(await session.row("SELECT current_setting('data_directory') AS data, current_setting('fsync') AS fsync")).toEqual({ data: "/holdfast-data/pgdata", fsync: "off" });
  expect(await docker("exec", scratch.name, "stat", "-f", "-c", "%T", "/holdfast-data/pgdata")).toBe("tmpfs");
  await session.execute("CREATE DATABASE ehr");
  await session.close();
  const { stdout } = await execa(scratch.server.client.command("psql")[0], ["-X", "-A", "-t", "-c", "SELECT current_database()", scratch.url!], { env: {} });
  expect(stdout).toBe("ehr");
  expect(await scratch.destroy()).toEqual([]);
  expect(await scratch.destroy()).toEqual([]);
  expect(await inDocker([scratch.name, ...volumes])).toEqual([]);
  expect(await readdir(tempDir)).toEqual([]);
});

test("without a client on the host, the programs inside are used, and the data may be in a volume", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(optionsOf(tempDir, { storage: "volume", pgBin: tempDir }));
  expect(scratch.url).toBeUndefined();
  expect(scratch.description).toMatch(/its data in a volume of its own, reached through the programs inside it$/);
  expect(scratch.server.client).toMatchObject({ origin: `container ${scratch.name}`, inContainer: true });
  const volumes = await volumesOf(scratch.name);
  expect(volumes).toContain(scratch.name);
  const session = await openSession(scratch.server.target());
  await session.execute("CREATE DATABASE ehr");
  await session.close();
  const copy = await openSession(scratch.server.target("ehr"));
  expect(await copy.row("SELECT current_database() AS name")).toEqual({ name: "ehr" });
  await copy.close();
  expect(await scratch.destroy()).toEqual([]);
  expect(await inDocker([scratch.name, ...volumes])).toEqual([]);
  expect(await readdir(tempDir)).toEqual([]);
});

test("an engine that does not see our folders serves through the programs inside", async () => {
  const tempDir = await temporary();
  const program = join(tempDir, "docker");
  await writeFile(program, `#!/bin/bash\nexec docker "\${@/source=/source=/no/such}"\n`, { mode: 0o755 });
  const scratch = await provisioned(optionsOf(tempDir, { command: [program] }));
  expect(scratch.url).toBeUndefined();
  const session = await openSession(scratch.server.target());
  expect(await session.row("SELECT current_setting('unix_socket_directories') AS folders")).toEqual({ folders: "/var/run/postgresql" });
  await session.close();
  expect(await scratch.destroy()).toEqual([]);
});

test("what killed processes left in Docker is removed, what a live one uses is not", async () => {
  const tempDir = await temporary();
  const live = await provisioned(optionsOf(tempDir));
  for (let at = 0; at < 6; at += 1) {
    const child = execa(process.execPath, [fixture, tempDir, "docker", image.replace("{major}", String(major))], { reject: false, buffer: false });
    const ready = once(child.stdout, "data");
    // The first when it is ready, the others anywhere on the way.
    await (at === 0 ? ready : Promise.race([ready, sleep(randomInt(300, 2_500))]));
    child.kill("SIGKILL");
    await child;
  }
  const providers = [localProvider({ ...optionsOf(tempDir) }), dockerProvider(optionsOf(tempDir))];
  const { removed, kept, stillThere } = await removeLeftovers(providers);
  expect(removed.map(({ provider }) => provider)).toContain("docker");
  expect(stillThere).toEqual([]);
  expect(new Set(kept.map(({ name }) => basename(name)))).toEqual(new Set([live.name]));
  expect(await readdir(tempDir)).toEqual([live.name]);
  const session = await openSession(live.server.target());
  expect(await session.row("SELECT 1 AS one")).toEqual({ one: 1 });
  await session.close();
  expect(await live.destroy()).toEqual([]);
  expect(await inDocker([live.name])).toEqual([]);
  expect(await docker("volume", "ls", "-q", "--filter", "label=holdfast.drill=killed")).toBe("");
}, 240_000);

test("what is half gone goes whole", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(optionsOf(tempDir, { storage: "volume" }));
  await docker("rm", "-f", "-v", scratch.name);
  expect(await inDocker([scratch.name])).toEqual([scratch.name]);
  await rm(join(tempDir, scratch.name), { recursive: true });
  expect(await scratch.destroy()).toEqual([]);
  expect(await inDocker([scratch.name])).toEqual([]);
});

test("a volume that somebody else uses is said to be still there, and found until it can go", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(optionsOf(tempDir, { storage: "volume" }));
  const other = `holdfast-test-${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => { await execa("docker", ["rm", "-f", other], { reject: false }); });
  await docker("run", "-d", "--label", label, "--name", other, "--network", "none", "--volumes-from", scratch.name, image.replace("{major}", String(major)), "sleep", "600");
  expect(await scratch.destroy()).toEqual([expect.stringMatching(new RegExp(`^volume ${scratch.name} \\(.*volume is in use`))]);
  const find = async () => (await dockerProvider(optionsOf(tempDir)).leftovers()).find(({ name }) => name === scratch.name);
  expect(await find()).toMatchObject({ abandoned: false, owner: request().owner });
  await docker("rm", "-f", "-v", other);
  expect(await (await find())!.remove()).toEqual([]);
  expect(await find()).toBeUndefined();
  expect(await inDocker([scratch.name])).toEqual([]);
});

test("a Docker that has gone in the meantime cannot prove that the container has", async () => {
  const tempDir = await temporary();
  const program = join(tempDir, "docker");
  await writeFile(program, '#!/bin/sh\nexec docker "$@"\n', { mode: 0o755 });
  const scratch = await provisioned(optionsOf(tempDir, { command: [program] }));
  await writeFile(program, "#!/bin/sh\necho 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2\nexit 1\n");
  expect(await scratch.destroy()).toEqual([`container ${scratch.name} (perhaps: Docker is installed, but its daemon does not run, or is not where DOCKER_HOST says)`]);
  await writeFile(program, '#!/bin/sh\nexec docker "$@"\n');
  expect(await scratch.destroy()).toEqual([]);
});

test("why no container can be had is said, and that nothing was proved", async () => {
  const tempDir = await temporary();
  const at = (change: Partial<DockerOptions>) => dockerProvider(optionsOf(tempDir, change));
  expect(await at({}).unavailable(major)).toBeUndefined();
  expect(await at({}).unavailable(7)).toBe("the image holdfast-test/drill-postgres:7 is not on this machine: get it with `docker pull holdfast-test/drill-postgres:7`");
  expect(await at({ command: ["/no/such/docker"] }).unavailable(major)).toBe("Docker is not installed, or not in PATH: /no/such/docker");
  expect(await at({ command: ["docker", "-H", `unix://${tempDir}/none.sock`] }).unavailable(major)).toBe("Docker is installed, but its daemon does not run, or is not where DOCKER_HOST says");
  if (process.getuid!() === 0) expect(await at({ command: ["setpriv", "--reuid=65534", "--clear-groups", "docker"] }).unavailable(major)).toMatch(/^this user may not use Docker: permission denied/);
  for (const [provider, words] of [
    [at({ image: "holdfast-test/none:1" }), "no container can be made: the image holdfast-test/none:1 is not on this machine"],
    [at({ image: "holdfast-test/postgres:local" }), '"root" execution of the PostgreSQL server is not permitted'],
  ] as const) {
    expect(await caught(provider.provision(request()))).toMatchObject({ code: "drill-unverified", message: expect.stringContaining(words) as string });
  }
  expect(await caught(at({}).provision(request({ bytes: 1e15 })))).toMatchObject({ code: "drill-unverified", hints: [expect.stringContaining("volume") as string] });
  const abort = new AbortController();
  const cancelled = caught(at({}).provision(request({ signal: abort.signal })));
  const own = () => docker("ps", "-aq", "--filter", `label=holdfast.pid=${process.pid}`);
  await expect.poll(own, { timeout: 30_000, interval: 20 }).not.toBe("");
  abort.abort();
  expect(await cancelled).toMatchObject({ code: "cancelled" });
  expect(await own()).toBe("");
  expect(await readdir(tempDir)).toEqual([]);
});
