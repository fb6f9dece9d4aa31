/** A PgBouncer before the test run's server, on the loopback address. */
import { execa } from "execa";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject, onTestFinished } from "vitest";

import { freePort } from "./owned-folders.ts";
import { targetOf } from "./postgres.ts";

export interface Pooler {
  readonly port: number;
  /** The URL of a database through the pooler. */
  url(database: string): string;
}

/**
 * Starts a pooler that is stopped after the test.
 * @param aliases - databases that it knows by another name, by that name
 */
export async function startPgBouncer(mode: "session" | "transaction" | "statement", settings: Record<string, string> = {}, aliases: Record<string, string> = {}): Promise<Pooler> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pgbouncer-"));
  const { socket, port: server, password } = inject("postgres");
  const port = await freePort();
  const lines = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "plain",
    auth_file: join(folder, "users"),
    pool_mode: mode,
    default_pool_size: "5",
    ...settings,
  };
  await writeFile(join(folder, "users"), `"postgres" "${password}"\n`);
  await writeFile(join(folder, "pgbouncer.ini"), `[databases]\n${Object.entries(aliases).map(([alias, name]) => `${alias} = host=${socket} port=${server} dbname=${name}\n`).join("")}* = host=${socket} port=${server}\n[pgbouncer]\n${Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`).join("")}`);
  // As root it refuses to run; the server's account may read the server's socket.
  const account = process.getuid?.() === 0 ? { uid: await idOf("-u"), gid: await idOf("-g") } : undefined;
  if (account) for (const path of [folder, join(folder, "users"), join(folder, "pgbouncer.ini")]) await chown(path, account.uid, account.gid);
  await chmod(folder, 0o700);
  const child = execa("pgbouncer", [join(folder, "pgbouncer.ini")], {
    ...account,
    cwd: folder,
    env: { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
    reject: false,
    stdin: "ignore",
    stdout: "ignore",
    forceKillAfterDelay: 2_000,
  });
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await child;
    await rm(folder, { recursive: true, force: true });
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("process up")) resolve();
    });
    void child.then(() => { reject(new Error(`pgbouncer ended: ${said}`)); });
  });
  return { port, url: (database) => `postgresql://${targetOf(database).env["PGUSER"] ?? ""}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}` };
}

async function idOf(flag: string): Promise<number> {
  return Number((await execa("id", [flag, "postgres"])).stdout);
}
