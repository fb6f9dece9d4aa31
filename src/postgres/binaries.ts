/** Where the machine keeps PostgreSQL's server programs (initdb, pg_ctl); clients are the business of tools.ts. */
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";

const roots = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];

export interface ServerBinaries {
  readonly major: number;
  readonly folder: string;
}

/** The folder with the newest server's programs, or the one of `major`; undefined if there is none. */
export async function serverBinaries(major?: number): Promise<string | undefined> {
  const found = (await allServerBinaries()).filter((server) => major === undefined || server.major === major);
  return found.at(-1)?.folder;
}

/** Every server's programs on this machine, oldest first. */
export async function allServerBinaries(): Promise<ServerBinaries[]> {
  const found = await Promise.all(
    roots.map(async (root) => (await readdir(root).catch(() => [])).map((name) => ({ major: Number(name), folder: join(root, name, "bin") }))),
  );
  const candidates = found.flat().filter(({ major }) => Number.isFinite(major)).sort((a, b) => a.major - b.major);
  const usable = await Promise.all(candidates.map(({ folder }) => Promise.all(["initdb", "pg_ctl"].map((tool) => access(join(folder, tool), constants.X_OK))).then(() => true, () => false)));
  return candidates.filter((_, at) => usable[at]);
}
