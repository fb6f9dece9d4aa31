/** What servers of a test run need beside themselves: a port, and an end for those of runs that were killed. */
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ends what test runs have left that were killed: folders of that name whose file `owner` holds the id of a process that is gone. */
export async function sweepOwned(prefix: string, end: (folder: string) => Promise<void>): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(tmpdir(), name);
    const owner = await readFile(join(folder, "owner"), "utf8").catch(() => "");
    if (owner !== "" && !exists(Number(owner))) await end(folder);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
