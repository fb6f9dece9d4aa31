/**
 * libpq's service files. A service's settings win over libpq's environment, so `PGSERVICE` beside a `PGDATABASE` of
 * ours would lead to the service's own database: a restore meant for a new database would write into the live one.
 * Services are therefore expanded here, by libpq's rules, and never handed on by name together with anything else.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The files, in libpq's order; Debian keeps the system's in a folder of its own. */
function serviceFiles(env: NodeJS.ProcessEnv): string[] {
  const own = env["PGSERVICEFILE"] ?? join(env["HOME"] ?? homedir(), ".pg_service.conf");
  const system = env["PGSYSCONFDIR"] === undefined ? ["/etc/postgresql-common", "/etc"] : [env["PGSYSCONFDIR"]];
  return [own, ...system.map((folder) => join(folder, "pg_service.conf"))];
}

/** The settings of a service by keyword, or undefined if no file of this machine defines it in full. */
export function readService(name: string, env: NodeJS.ProcessEnv): ReadonlyMap<string, string> | undefined {
  for (const path of serviceFiles(env)) {
    const lines = textOf(path)?.split("\n").map((line) => line.trim()) ?? [];
    const start = lines.indexOf(`[${name}]`);
    if (start === -1) continue;
    const settings = new Map<string, string>();
    for (const line of lines.slice(start + 1)) {
      if (line.startsWith("[")) break;
      // A directory service is asked by libpq only.
      if (line.startsWith("ldap")) return undefined;
      const at = line.indexOf("=");
      // As in libpq, the first setting of a keyword holds.
      if (!line.startsWith("#") && at > 0 && !settings.has(line.slice(0, at))) settings.set(line.slice(0, at), line.slice(at + 1));
    }
    return settings;
  }
  return undefined;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
