/** Everything a backup, a restore or a drill would need, tried one by one; nothing is assumed that can be done. */
import type { DatabaseConfig } from "../config/config.ts";
import { type ErrorCode, errorTable, HoldfastError, messageOf } from "../errors.ts";
import { parseRecipients } from "../pipeline/age-keys.ts";
import { parseDatabaseUrl } from "../postgres/connection.ts";
import { inspectAccess } from "../postgres/access.ts";
import { majorOf, openAdminSession, type Server } from "../postgres/server.ts";
import { abandonedCopies, keptDatabases } from "../postgres/databases.ts";
import { identifier, openSession } from "../postgres/session.ts";
import { findClients } from "../postgres/tools.ts";
import { openRepository } from "../catalog/repository.ts";
import { probeStore } from "../store/probe.ts";
import type { Store } from "../store/store.ts";
import { configuredSigner, type Context, reachDatabase, requireIdentities, trustedSigners } from "./context.ts";
import { openConfiguredStore } from "./open-configured-store.ts";

export type Outcome = "ok" | "warn" | "fail" | "skip";

export interface DoctorCheck {
  /** `configuration`, `tools`, `database ehr`, `repository`, `keys`. */
  readonly area: string;
  readonly name: string;
  readonly outcome: Outcome;
  readonly detail: string;
  readonly hint?: string;
  /** Of a failure: what a backup would end with. */
  readonly code?: ErrorCode;
}

export interface Diagnosis {
  readonly checks: readonly DoctorCheck[];
  /** The exit code of the first failure; 0 if there is none. */
  readonly exitCode: number;
}

/** Collects checks of one area; a step that throws is a failed check, and those that build on it are left out. */
class Area {
  readonly checks: DoctorCheck[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  add(name: string, outcome: Outcome, detail: string, hint?: string): void {
    this.checks.push({ area: this.#name, name, outcome, detail, ...(hint !== undefined && { hint }), ...(outcome === "fail" && { code: "configuration" as const }) });
  }

  async try<T>(name: string, work: () => Promise<T> | T, detail: (result: T) => string): Promise<T | undefined> {
    try {
      const result = await work();
      this.add(name, "ok", detail(result));
      return result;
    } catch (error) {
      const known = error instanceof HoldfastError ? error : undefined;
      this.checks.push({ area: this.#name, name, outcome: "fail", detail: messageOf(error), code: known?.code ?? "bug", ...(known?.hints[0] !== undefined && { hint: known.hints[0] }) });
      return undefined;
    }
  }
}

/** Runs every check. Never rejects for what it finds. */
export async function diagnose(context: Context): Promise<Diagnosis> {
  const areas = [
    await checkMachine(context),
    ...(await Promise.all([...context.config.databases.values()].map((database) => checkDatabase(context, database)))),
    await checkRepository(context),
    await checkKeys(context),
  ];
  const checks = areas.flatMap((area) => area.checks);
  const first = checks.find((check) => check.outcome === "fail");
  return { checks, exitCode: first === undefined ? 0 : errorTable[first.code ?? "configuration"].exit };
}

async function checkMachine(context: Context): Promise<Area> {
  const area = new Area("machine");
  const { config } = context;
  area.add("configuration", config.warnings.length > 0 ? "warn" : "ok", config.warnings.join("; ") || (config.source ?? "from the environment"));
  if (config.databases.size === 0) area.add("databases", "fail", "no database is configured", "Set DATABASE_URL, or list databases in holdfast.yaml.");
  area.add("node", "ok", process.version);
  await area.try("client tools", () => findClients({ pgBin: config.pgBin }), (clients) => clients.map((client) => `${client.version} in ${client.origin}`).join(", "));
  return area;
}

async function checkDatabase(context: Context, database: DatabaseConfig): Promise<Area> {
  const area = new Area(`database ${database.name}`);
  const connection = await area.try("url", () => parseDatabaseUrl(database.url), ({ display }) => display);
  if (connection === undefined) return area;
  if (connection.poolerDeclared) area.add("pooler", "fail", "the URL says pgbouncer=true: pg_dump cannot work through a pooler in transaction mode", "Give holdfast the direct URL of the server (Prisma's directUrl).");
  const server = await area.try("server", () => reachDatabase(context, database), ({ facts, client }) => `PostgreSQL ${facts.version}, ${facts.databaseBytes} bytes; pg_dump ${client.version} in ${client.origin}`);
  if (server === undefined) return area;
  if (majorOf(server.facts.versionNum) < server.client.major) area.add("client version", "warn", `pg_dump ${server.client.version} is newer than the server: archives need pg_restore ${server.client.major} or newer`);
  await checkAccess(area, context, server);
  await checkLeftovers(area, context, server);
  return area;
}

async function checkAccess(area: Area, context: Context, server: Server): Promise<void> {
  const access = await area.try(
    "session",
    async () => {
      const session = await openSession(server.target(), { signal: context.signal });
      try {
        return await inspectAccess(session);
      } finally {
        await session.close();
      }
    },
    (found) => `user ${found.user}${found.superuser ? ", superuser" : ""}`,
  );
  if (access === undefined) return;
  const socket = server.connection.host === undefined || server.connection.host.startsWith("/");
  if (access.tls !== null) area.add("tls", "ok", `${access.tls.version}, ${access.tls.cipher}`);
  else if (socket) area.add("tls", "ok", "not needed on a Unix socket");
  else area.add("tls", "warn", "the connection is not encrypted", "Add sslmode=require or, better, sslmode=verify-full to the database URL.");
  if (access.pooler) area.add("pooler", "fail", `the connection goes through a pooler: it says port ${access.serverPort ?? "unknown"}, we asked for ${server.connection.port ?? 5432}`, "Give holdfast the direct URL of the server.");
  if (access.unreadable.length > 0) {
    area.add("privileges", "fail", `${access.unreadable.length} tables cannot be read: ${access.unreadable.slice(0, 5).join(", ")}`, `GRANT pg_read_all_data TO "${access.user}"; or let the owner take the backup.`);
  } else area.add("privileges", "ok", `all ${access.readable} tables can be read`);
  if (access.rowSecurity.length > 0) area.add("row security", "fail", `row security would hide rows of ${access.rowSecurity.slice(0, 5).join(", ")}`, `ALTER ROLE "${access.user}" BYPASSRLS;`);
  if (access.createDatabase) area.add("restore", "ok", "may create databases");
  else area.add("restore", "warn", "the user may not create databases, so restores need another URL", `ALTER ROLE "${access.user}" CREATEDB; on hosts that restore.`);
}

/** Databases of ours that nobody else will ever remove. */
async function checkLeftovers(area: Area, context: Context, server: Server): Promise<void> {
  const admin = await openAdminSession(server, context.signal).catch(() => undefined);
  if (admin === undefined) return;
  try {
    const dropAll = (names: readonly string[]): string => names.map((name) => `DROP DATABASE ${identifier(name)};`).join(" ");
    const [abandoned, kept] = [await abandonedCopies(admin), await keptDatabases(admin)];
    if (abandoned.length > 0) area.add("interrupted restores", "warn", `nobody is connected to ${abandoned.join(", ")}`, `If no restore runs now: ${dropAll(abandoned)}`);
    if (kept.length > 0) area.add("kept databases", "warn", `swaps set aside ${kept.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(", ")}`, `When they are no longer needed for \`holdfast restore undo\`: ${dropAll(kept.map(({ name }) => name))}`);
  } finally {
    await admin.close();
  }
}

async function checkRepository(context: Context): Promise<Area> {
  const area = new Area("repository");
  const store = await area.try("location", () => openConfiguredStore(context.config), ({ url }) => url);
  if (store === undefined) return area;
  try {
    await area.try("marker", () => openRepository(store, []), ({ id }) => `repository ${id}`);
    await probe(area, store);
    const free = await store.freeBytes().catch(() => undefined);
    if (free !== undefined) area.add("space", "ok", `${free} bytes free`);
  } finally {
    await store.close();
  }
  return area;
}

async function probe(area: Area, store: Store): Promise<void> {
  try {
    for (const { name, ok, detail, hint } of (await probeStore(store)).checks) area.add(name, ok ? "ok" : "fail", detail, hint);
  } catch (error) {
    area.add("probe", "fail", messageOf(error), error instanceof HoldfastError ? error.hints[0] : undefined);
  }
}

async function checkKeys(context: Context): Promise<Area> {
  const area = new Area("keys");
  const { config } = context;
  const recipients = await area.try("recipients", () => parseRecipients(config.recipients), (list) => `${list.length} valid`);
  if (recipients?.length === 1) area.add("recipients", "warn", "there is one recipient only: whoever loses that identity loses every backup", "Add an escrow or offline recipient to HOLDFAST_RECIPIENTS.");
  const quantumSafe = recipients?.filter((recipient) => recipient.startsWith("age1pq1")).length ?? 0;
  if (quantumSafe > 0 && quantumSafe < (recipients?.length ?? 0)) area.add("recipients", "warn", "post-quantum and classic recipients are mixed: the backups are as strong as the classic ones");
  const signer = await area.try("signing key", () => configuredSigner(config), (key) => (key ? `ed25519 ${key.id}` : "none: this host cannot back up"));
  await area.try("trusted signers", () => trustedSigners(config), (list) => list.map(({ id }) => id).join(", ") || "none: nothing can be restored");
  if (config.identityFile === undefined) area.add("identity", "ok", "none on this host: it can write backups but not read them");
  else {
    await area.try("identity", () => requireIdentities(config), (identities) => `${identities.length} in ${config.identityFile ?? ""}`);
    if (signer) area.add("identity", "warn", "identity and signing key lie on one host: whoever takes it over can read and forge every backup", "Keep identities on restore and drill hosts only.");
  }
  return area;
}
