/**
 * A throwaway PostgreSQL server from the machine's own binaries, for the quickstart, drills and tests: its own folder
 * (0700), its own Unix socket, no durability. TCP only where asked, and then on the loopback address only.
 */
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { HoldfastError, throwIfCancelled } from "../errors.ts";
import { runTool } from "../process/run.ts";

export interface ClusterOptions {
  /** Folder with `initdb` and `pg_ctl`. */
  readonly binaries: string;
  /** Listen on 127.0.0.1 as well as on the socket; passwords are then required there. */
  readonly tcp?: boolean;
  /** Further settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** An empty folder to keep everything in, in place of a new one in the system's temporary folder; it is removed as well. */
  readonly folder?: string;
  /** Ends the making of it; a server that runs is not stopped by it. */
  readonly signal?: AbortSignal;
}

export interface Cluster {
  /** The folder that holds everything; gone after `stop`. */
  readonly folder: string;
  /** Folder of the Unix socket: libpq's PGHOST. */
  readonly socket: string;
  readonly port: number;
  /** The superuser, who logs in over the socket without a password. */
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

/** The server refuses to run as root: as root we run it as this account. */
const serverAccount = "postgres";

/** The user to run a server as; undefined for our own. @throws HoldfastError `configuration` if we are root and there is none */
export async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => Number((await runTool(["id"], [flag, serverAccount])).stdout)));
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  } catch {
    // falls through to the error below
  }
  throw new HoldfastError("configuration", `root cannot run PostgreSQL, and there is no account ${serverAccount}`, {
    hints: [`Create it with \`useradd --system ${serverAccount}\`, or run as an ordinary user.`],
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/**
 * Starts a throwaway server; two seconds on an ordinary machine.
 * @throws HoldfastError `configuration` when it cannot be made or started, with the server's own last words
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const user = await serverUser();
  const as = user === undefined ? {} : { user };
  const making = { ...as, ...(options.signal && { signal: options.signal }) };
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "holdfast-pg-")));
  const data = join(folder, "data");
  const socket = folder;
  const password = randomBytes(12).toString("hex");
  const port = await freePort();
  const stop = async (): Promise<void> => {
    await runTool([join(options.binaries, "pg_ctl")], ["-D", data, "-m", "immediate", "-w", "stop"], { ...as, cwd: "/" }).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await chmod(folder, 0o700);
    const passwordFile = join(folder, "password");
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (user) await Promise.all([folder, passwordFile].map((path) => chown(path, user.uid, user.gid)));
    await runTool(
      [join(options.binaries, "initdb")],
      ["-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", `--pwfile=${passwordFile}`, "--no-sync"],
      { ...making, cwd: folder },
    );
    const settings = {
      listen_addresses: options.tcp === true ? "'127.0.0.1'" : "''",
      port: String(port),
      unix_socket_directories: `'${socket}'`,
      fsync: "off",
      full_page_writes: "off",
      synchronous_commit: "off",
      ...options.settings,
    };
    await writeFile(join(data, "postgresql.auto.conf"), Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`).join(""));
    const log = join(folder, "server.log");
    await runTool([join(options.binaries, "pg_ctl")], ["-D", data, "-l", log, "-w", "-t", "60", "start"], { ...making, cwd: folder }).catch(async (error: unknown) => {
      throwIfCancelled(options.signal);
      const said = await readFile(log, "utf8").catch(() => "");
      throw new HoldfastError("configuration", `the throwaway PostgreSQL did not start: ${said.trim().split("\n").slice(-5).join("\n")}`, { cause: error });
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { folder, socket, port, user: "postgres", password, stop };
}
