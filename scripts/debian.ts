/** Programs of the system that the quickstart and the tests need: installed as root on Debian, otherwise named. */
import { execa } from "execa";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { serverBinaries } from "../src/postgres/binaries.ts";

/** Debian packages, each with how we know that it is there. */
const known = {
  postgresql: async () => (await serverBinaries()) !== undefined,
  age: () => inPath("age"),
  zstd: () => inPath("zstd"),
  openssl: () => inPath("openssl"),
  chromium: () => inPath("chromium"),
  // A daemon: Debian keeps it where an ordinary user's PATH does not lead.
  pgbouncer: () => inPath("pgbouncer") || existsSync("/usr/sbin/pgbouncer"),
} as const satisfies Record<string, () => boolean | Promise<boolean>>;

export type DebianPackage = keyof typeof known;

function inPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
}

async function missingOf(packages: readonly DebianPackage[]): Promise<DebianPackage[]> {
  const missing: DebianPackage[] = [];
  for (const name of packages) if (!(await known[name]())) missing.push(name);
  return missing;
}

/**
 * Makes sure that packages are there.
 * @throws Error that names the command to run, where we may not install
 */
export async function requirePackages(packages: readonly DebianPackage[], say: (text: string) => void): Promise<void> {
  const missing = await missingOf(packages);
  if (missing.length === 0) return;
  const command = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0 || !inPath("apt-get")) throw new Error(`missing from this machine: ${missing.join(", ")}; on Debian: sudo ${command.join(" ")}`);
  say(`installing what is missing: ${command.join(" ")}`);
  const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "ignore", "inherit"] } as const;
  await execa("apt-get", ["update", "-qq"], options);
  await execa("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], options);
  const still = await missingOf(packages);
  if (still.length > 0) throw new Error(`installed, but still not found: ${still.join(", ")}`);
}
