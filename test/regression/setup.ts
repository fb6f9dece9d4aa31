/** The server that PostgreSQL's own regression tests left behind, unpacked and started, in the place of the empty one of the other tests. */
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

import { requirePackages } from "../../scripts/debian.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { runTool, ToolFailure } from "../../src/process/run.ts";
import { freePort } from "../harness/owned-folders.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What the tests said, in their own words; or why there is no database. */
    regression: { readonly outcome: string } | { readonly missing: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await requirePackages(["postgresql", "zstd"], (text) => process.stderr.write(`${text}\n`));
  const binaries = await serverBinaries();
  if (binaries === undefined) throw new Error("PostgreSQL's programs were not found");
  const nothing = (): Promise<void> => Promise.resolve();
  let prepared: string;
  try {
    prepared = (await runTool(["bash", join(import.meta.dirname, "../harness/regression/prepare.sh")], [binaries], { env: { HOLDFAST_TEST_CACHE: process.env["HOLDFAST_TEST_CACHE"] } })).stdout.trim();
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    process.stderr.write(`skipped: ${error.lastLines}\n`);
    project.provide("regression", { missing: error.lastLines });
    return nothing;
  }
  const folder = await mkdtemp(join(tmpdir(), "holdfast-regression-"));
  const stop = await startServer(binaries, folder, prepared, project);
  project.provide("regression", { outcome: (await readFile(join(prepared, "tests.txt"), "utf8")).trim() });
  return stop;
}

/** The superuser's password, as prepare.sh sets it. */
const password = "throwaway";

async function startServer(binaries: string, folder: string, prepared: string, project: TestProject): Promise<() => Promise<void>> {
  const user = process.getuid?.() === 0 ? await account() : undefined;
  const as = { cwd: folder, ...(user && { user }) };
  const data = join(folder, "data");
  const port = await freePort();
  const stop = async (): Promise<void> => {
    await runTool([join(binaries, "pg_ctl")], ["-D", data, "-m", "immediate", "-w", "stop"], { ...as, cwd: "/" }).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    if (user) await chown(folder, user.uid, user.gid);
    await runTool(["tar"], ["-I", "zstd", "-xf", join(prepared, "cluster.tar.zst"), "-C", folder], as);
    const settings = { listen_addresses: "127.0.0.1", port: String(port), unix_socket_directories: folder, fsync: "off", synchronous_commit: "off", max_connections: "100" };
    const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`).join(" ");
    await runTool([join(binaries, "pg_ctl")], ["-D", data, "-l", join(folder, "server.log"), "-w", "-t", "120", "-o", options, "start"], as);
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide("postgres", { socket: folder, port, binaries, password });
  return stop;
}

/** The account that owns the archived files: the server refuses to run as root. */
async function account(): Promise<{ uid: number; gid: number }> {
  const [uid = 0, gid = 0] = await Promise.all(["-u", "-g"].map(async (flag) => Number((await runTool(["id"], [flag, "postgres"])).stdout)));
  return { uid, gid };
}
