/** Where the machine keeps PostgreSQL's server programs (initdb, pg_ctl); clients are the business of tools.ts. */
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";

const roots = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];

/** The folder with the newest server's programs, or the one of `major`; undefined if there is none. */
export async function serverBinaries(major?: number): Promise<string | undefined> {
  const found = await Promise.all(
    roots.map(async (root) => (await readdir(root).catch(() => [])).map((name) => ({ major: Number(name), folder: join(root, name, "bin") }))),
  );
  const candidates = found.flat().filter((candidate) => Number.isFinite(candidate.major) && (major === undefined || candidate.major === major));
  for (const { folder } of candidates.sort((a, b) => b.major - a.major)) {
    const usable = await Promise.all(["initdb", "pg_ctl"].map((tool) => access(join(folder, tool), constants.X_OK).then(() => true, () => false)));
    if (usable.every(Boolean)) return folder;
  }
  return undefined;
}
