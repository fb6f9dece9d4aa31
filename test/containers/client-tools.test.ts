/** Hosts without any PostgreSQL client: every tool runs inside a container, by `docker exec`. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import { findClients } from "../../src/postgres/tools.ts";
import { workbench, type Workbench } from "../harness/cli.ts";
import { type DatabaseContainer, docker, handleOf, image, label, ready, startDatabase, sweep } from "../harness/containers.ts";

const people = `
  CREATE DATABASE ehr;
  \\connect ehr
  CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
  INSERT INTO people (name) SELECT 'person ' || n FROM generate_series(1, 5000) n;
`;

let dockerFolder: string;

beforeAll(async () => {
  await sweep();
  dockerFolder = dirname((await execa("which", ["docker"])).stdout);
});

/** A host that has Docker and nothing of PostgreSQL in its PATH. */
async function bareHost(url: string, tools: string): Promise<Workbench> {
  return workbench(url, { HOLDFAST_TOOLS: tools, PATH: dockerFolder, DOCKER_CONFIG: process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker") });
}

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

test("the main job needs no client on the host, and shows the password in no list of processes", async () => {
  const database = await startDatabase();
  await database.sql("postgres", people);
  const host = await bareHost(database.url("ehr"), `docker exec ${database.name}`);
  await host.ok("repository", "init");
  const watch = watchProcesses(database.password);
  const made = (await host.ok("backup", "--json")).json<{ id: string }>();
  const verified = await host.run("backup", "verify", "latest", "--level", "archive");
  expect(verified.code, verified.stderr).toBe(0);
  const restored = (await host.ok("restore", "latest", "--into", "copy", "--json")).json();
  expect(restored).toMatchObject({ backup: made.id, target: "copy", tables: 1, rows: 5000 });
  const seen = await watch.stop();
  expect(seen.withPassword).toEqual([]);
  expect(seen.tools).toEqual(expect.arrayContaining(["docker", "pg_dump", "psql"]));
  expect(await database.sql("copy", "SELECT count(*) FROM people")).toBe("5000");
});

/** Looks at the command lines of every process of the machine, those inside of containers too, again and again. */
function watchProcesses(password: string): { stop(): Promise<{ withPassword: string[]; tools: string[] }> } {
  const lines = new Set<string>();
  const over = new AbortController();
  const loop = (async () => {
    while (!over.signal.aborted) {
      for (const pid of await readdir("/proc")) {
        if (/^\d+$/.test(pid)) lines.add(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    stop: async () => {
      over.abort();
      await loop;
      const seen = [...lines];
      return { withPassword: seen.filter((line) => line.includes(password)), tools: [...new Set(seen.map((line) => line.split("\0")[0]!.split("/").at(-1)!))] };
    },
  };
}

test("a backup that is ended leaves no program and no session behind in the container", async () => {
  const database = await startDatabase();
  await database.sql("postgres", people);
  const host = await bareHost(database.url("ehr"), `docker exec ${database.name}`);
  await host.ok("repository", "init");
  // Between our own look at the tables and pg_dump's, somebody locks one: so pg_dump stands still and would not notice that
  // nobody listens any more. The moment for it is made by a pg_dumpall that waits.
  const waits = `#!/bin/sh\n[ "$1" = --version ] || until [ -e /tmp/go ]; do sleep 0.1; done\nexec /usr/bin/pg_dumpall.real "$@"\n`;
  await execa("docker", ["exec", "-i", database.name, "sh", "-c", "mv /usr/bin/pg_dumpall /usr/bin/pg_dumpall.real && cat > /usr/bin/pg_dumpall && chmod 755 /usr/bin/pg_dumpall"], { input: waits });
  const backup = host.start("backup");
  await expect.poll(() => database.programs(), { timeout: 60_000 }).toContainEqual(expect.stringContaining("/usr/bin/pg_dumpall --globals-only"));
  const holder = execa("docker", ["exec", "-i", database.name, "psql", "-h", "/tmp", "-U", "postgres", "-d", "ehr", "-X", "-q"], { input: "BEGIN; LOCK TABLE people;\nSELECT pg_sleep(300);\n", reject: false });
  onTestFinished(() => { holder.kill("SIGKILL"); });
  const locks = (granted: boolean) => database.sql("ehr", `SELECT count(*) FROM pg_locks WHERE granted = ${granted ? "true" : "false"} AND relation = 'people'::regclass`);
  await expect.poll(() => locks(true), { timeout: 20_000 }).toBe("1");
  await docker("exec", database.name, "touch", "/tmp/go");
  await expect.poll(() => locks(false), { timeout: 60_000 }).toBe("1");
  expect(await database.programs()).toContainEqual(expect.stringMatching(/^pg_dump\b.*--snapshot/));
  backup.kill("SIGTERM");
  const { exitCode } = await backup;
  expect(exitCode).toBe(130);
  await expect.poll(() => database.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast%'"), { timeout: 10_000 }).toBe("0");
  await expect.poll(async () => (await database.programs()).filter((line) => line.startsWith("pg_dump")), { timeout: 10_000 }).toEqual([]);
  expect((await host.ok("backup", "list", "--json")).json()).toEqual([]);
});

test("a service of Compose is found by its name, with the options of its exec", async () => {
  const host = await bareHost("postgresql://unused", "docker exec unused");
  const project = `holdfast-test-${randomBytes(4).toString("hex")}`;
  const file = join(host.folder, "compose.yaml");
  const password = `secret-${randomBytes(8).toString("hex")}`;
  await writeFile(file, `services:\n  db:\n    image: ${image}\n    labels: ["${label}"]\n    environment: { POSTGRES_PASSWORD: "${password}" }\n`);
  const compose = ["compose", "-p", project, "-f", file];
  onTestFinished(async () => { await execa("docker", [...compose, "down", "-v", "-t", "1"], { reject: false }); });
  await docker(...compose, "up", "-d");
  const database: DatabaseContainer = handleOf((await docker(...compose, "ps", "-q", "db")).trim(), password);
  await ready(database);
  await database.sql("postgres", people);
  Object.assign(host.env, { DATABASE_URL: database.url("ehr"), HOLDFAST_TOOLS: `docker ${compose.join(" ")} exec -u postgres db` });
  await host.ok("repository", "init");
  const { parts } = (await host.ok("backup", "--json")).json<{ parts: unknown[] }>();
  expect(parts).toHaveLength(5);

  await docker(...compose, "stop", "-t", "1");
  const stopped = await host.run("backup", "--json");
  expect(stopped.code).toBe(10);
  expect(stopped.json()).toMatchObject({ error: { code: "configuration", message: "no running container of service db", hints: ["Start it with `docker compose up -d db`."] } });
});

test("a container that is stopped, or not there, or has no client, is named with the reason", async () => {
  const database = await startDatabase();
  const prefix = ["docker", "exec", "-i", database.name];
  expect((await findClients({ prefix })).map(({ origin, inContainer }) => ({ origin, inContainer }))).toEqual([{ origin: `container ${database.name}`, inContainer: true }]);
  await docker("exec", database.name, "rm", "/usr/bin/pg_restore");
  expect(await caught(findClients({ prefix }))).toMatchObject({ code: "configuration", message: expect.stringMatching(/cannot run pg_restore by `docker exec -i \S+`: the container has no pg_restore that can be run/) as string });
  await docker("stop", "-t", "1", database.name);
  expect(await caught(findClients({ prefix }))).toMatchObject({ code: "configuration", message: expect.stringContaining("is not running") as string, hints: [expect.stringContaining("docker ps") as string] });
  expect(await caught(findClients({ prefix: ["docker", "exec", "-i", "no-such-container"] }))).toMatchObject({ code: "configuration", message: expect.stringContaining("No such container: no-such-container") as string });
  expect(await caught(findClients({ prefix: ["/no/such/docker", "exec", "-i", database.name] }))).toMatchObject({ code: "configuration", message: expect.stringContaining("/no/such/docker is not installed, or not in PATH") as string });
  expect(await caught(findClients({ prefix: ["docker", "compose", "exec", "-T", "--index", "2", "db"] }))).toMatchObject({ code: "configuration", message: expect.stringContaining("--index") as string });
});

test("no variable of the container's own reaches the server in place of ours", async () => {
  const database = await startDatabase();
  const [client] = await findClients({ prefix: ["docker", "exec", "-i", database.name] });
  const [program, ...args] = client!.command("psql");
  const { stdout } = await execa(program, [...args.slice(0, -1), "env"], { env: { PGHOST: "ours", PGREQUIREAUTH: "scram-sha-256", LC_ALL: undefined, LC_MESSAGES: "C" } });
  const seen = stdout.split("\n");
  expect(seen).toEqual(expect.arrayContaining(["PGHOST=ours", "PGREQUIREAUTH=scram-sha-256", "LC_MESSAGES=C"]));
  expect(seen.filter((line) => /^(?:LC_ALL|PGUSER|PGPASSWORD)=./.test(line))).toEqual([]);
});
