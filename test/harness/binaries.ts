import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The folder of the newest PostgreSQL server on the machine (Debian's layout). */
export function serverBinaries(): string {
  const root = "/usr/lib/postgresql";
  const majors = existsSync(root) ? readdirSync(root).map(Number).filter((major) => existsSync(join(root, String(major), "bin", "initdb"))) : [];
  if (majors.length === 0) throw new Error("the tests need a PostgreSQL server: apt-get install postgresql");
  return join(root, String(Math.max(...majors)), "bin");
}
