/** One throwaway PostgreSQL for the whole test run; each test makes its own databases in it. */
import type { TestProject } from "vitest/node";

import { requirePackages } from "../../scripts/debian.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { startCluster } from "../../src/postgres/cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: { socket: string; port: number; binaries: string; password: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await requirePackages(["postgresql", "age", "zstd", "openssl", "pgbouncer"], (text) => process.stderr.write(`${text}\n`));
  const binaries = await serverBinaries();
  if (binaries === undefined) throw new Error("PostgreSQL's programs were not found");
  const cluster = await startCluster({ binaries, tcp: true, settings: { max_connections: "200", wal_level: "logical", max_prepared_transactions: "10" } });
  project.provide("postgres", { socket: cluster.socket, port: cluster.port, binaries, password: cluster.password });
  return () => cluster.stop();
}
