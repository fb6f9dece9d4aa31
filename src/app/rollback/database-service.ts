/** Whether the way to the database leads through a service of the release: it would be stopped with the release, and nothing could be saved, put back or taken back. */
import type { DatabaseConfig } from "../../config/config.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { PreflightFinding } from "../../rollback/finding.ts";
import type { PlatformState } from "../../rollback/platform/platform.ts";
import { composePorts } from "../../rollback/rehearsal/health-address.ts";
import { ownAddresses } from "../../rollback/rehearsal/trial.ts";

const defaultPort = 5432;
const loopback = /^(?:localhost|127\.[\d.]+|::1)$/;

/** Services by whose name, or by whose published port on this host, the configured URL finds the database. */
export function databaseServices({ platform, workloads }: PlatformState, { url }: Pick<DatabaseConfig, "url">): string[] {
  if (platform !== "compose") return [];
  const { host, port } = parseDatabaseUrl(url);
  const hosts = (host ?? "").split(",").filter((each) => each !== "" && !each.startsWith("/"));
  const own = new Set(ownAddresses().map((each) => each.host));
  const isHere = hosts.some((each) => loopback.test(each) || own.has(each));
  return workloads.filter((workload) => {
    const publishes = composePorts(workload).some(({ published }) => published === String(port ?? defaultPort));
    return hosts.includes(workload.name) || (isHere && publishes);
  }).map(({ name }) => name);
}

export const databaseServiceHint = "Take it out of the services of the rollback's configuration, and take a new checkpoint: a rollback stops those of the release, and needs the database.";

export function databaseServiceFinding(state: PlatformState, database: Pick<DatabaseConfig, "url">): PreflightFinding {
  const base = { id: "database-service", title: "the database is none of the release's services" };
  const names = databaseServices(state, database);
  if (names.length === 0) return { ...base, outcome: "ok", detail: "the way to it leads through none of them" };
  return { ...base, outcome: "blocked", detail: `the database is reached through a service of the release: ${names.join(", ")}`, hint: databaseServiceHint };
}
