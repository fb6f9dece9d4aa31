/** Containers with PostgreSQL, from the image that is made of this machine's own programs. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";

export const image = "holdfast-test/postgres:local";
/** By which containers that a killed test left behind are found. */
export const label = "holdfast-test";

export async function docker(...args: string[]): Promise<string> {
  return (await execa("docker", args, { stdin: "ignore" })).stdout;
}

export interface DatabaseContainer {
  readonly name: string;
  readonly password: string;
  /** As the tools inside of the container reach the server. */
  url(database: string): string;
  /** Runs SQL as superuser over the container's socket. */
  sql(database: string, script: string): Promise<string>;
  /** Command lines of the programs that run inside. */
  programs(): Promise<string[]>;
}

export function handleOf(name: string, password: string): DatabaseContainer {
  return {
    name,
    password,
    url: (database) => `postgresql://postgres:${password}@127.0.0.1:5432/${database}`,
    sql: async (database, script) => (await execa("docker", ["exec", "-i", name, "psql", "-h", "/tmp", "-U", "postgres", "-d", database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"], { input: script })).stdout,
    programs: async () => (await docker("top", name, "-eo", "pid,args")).split("\n").slice(1).map((line) => line.trim().replace(/^\d+\s+/, "")),
  };
}

/** Removes what a test that was killed left behind. */
export async function sweep(): Promise<void> {
  const left = (await docker("ps", "-aq", "--filter", `label=${label}`)).split("\n").filter((id) => id !== "");
  if (left.length > 0) await docker("rm", "-f", ...left);
}

export async function ready(container: DatabaseContainer): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const { exitCode, stderr } = await execa("docker", ["exec", container.name, "pg_isready", "-h", "127.0.0.1", "-U", "postgres"], { reject: false });
    if (exitCode === 0) return;
    if (attempt > 150) throw new Error(`the server in ${container.name} does not answer: ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Starts a container with a server, removed after the test. Nothing of it is published on the host. */
export async function startDatabase(): Promise<DatabaseContainer> {
  const name = `holdfast-test-${randomBytes(4).toString("hex")}`;
  const password = `secret-${randomBytes(8).toString("hex")}`;
  onTestFinished(async () => { await execa("docker", ["rm", "-f", name], { reject: false }); });
  await execa("docker", ["run", "-d", "--name", name, "--label", label, "-e", "POSTGRES_PASSWORD", image], { env: { POSTGRES_PASSWORD: password } });
  const container = handleOf(name, password);
  await ready(container);
  return container;
}
