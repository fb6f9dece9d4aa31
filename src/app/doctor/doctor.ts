/** Everything a backup, a restore or a rollback would need, tried one by one; nothing is assumed that can be done. */
import { findRepository, openRepository } from "../../catalog/repository.ts";
import type { RepositoryConfig } from "../../config/config.ts";
import { errorTable } from "../../errors.ts";
import { findClients } from "../../postgres/tools.ts";
import { probeStore } from "../../store/probe.ts";
import type { Store } from "../../store/store.ts";
import type { Context } from "../context.ts";
import { Area, type DoctorCheck } from "./doctor-area.ts";
import { checkDatabase } from "./doctor-database.ts";
import { checkKeys } from "./doctor-keys.ts";
import { checkRollback } from "./doctor-rollback.ts";
import { openConfiguredStore, openStoreOf } from "../open-configured-store.ts";

export type { DoctorCheck, Outcome } from "./doctor-area.ts";

export interface Diagnosis {
  readonly checks: readonly DoctorCheck[];
  /** The exit code of the first failure; 0 if there is none. */
  readonly exitCode: number;
}

/** Runs every check. Never rejects for what it finds. */
export async function diagnose(context: Context): Promise<Diagnosis> {
  const { config } = context;
  const machine = await checkMachine(context);
  const databases = await Promise.all([...config.databases.values()].map((database) => checkDatabase(context, database)));
  const repository = await checkRepository(context, databases.reduce((sum, { bytes }) => sum + bytes, 0));
  const copies: Area[] = [];
  for (const [name, settings] of config.copies ?? []) copies.push(await checkCopy(context, name, settings));
  const rollbacks = await Promise.all([...config.databases.values()].map((database) => checkRollback(context, database)));
  const areas = [machine, ...databases.map(({ area }) => area), repository, ...copies, await checkKeys(config, context.clock.now()), ...rollbacks.filter((area) => area !== undefined)];
  const checks = areas.flatMap((area) => area.checks);
  const first = checks.find((check) => check.outcome === "fail");
  return { checks, exitCode: first === undefined ? 0 : errorTable[first.code ?? "configuration"].exit };
}

async function checkMachine({ config }: Context): Promise<Area> {
  const area = new Area("machine");
  area.add("configuration", config.warnings.length > 0 ? "warn" : "ok", config.warnings.join("; ") || (config.source ?? "from the environment"));
  if (config.databases.size === 0) area.fail("databases", "configuration", "no database is configured", "Set DATABASE_URL, or list databases in holdfast.yaml.");
  area.add("node", "ok", process.version);
  const inContainers = config.databases.size > 0 && [...config.databases.values()].every(({ tools }) => tools !== undefined);
  if (inContainers) area.add("client tools", "skip", "not needed: every database has its tools in a container");
  else await area.try("client tools", () => findClients({ pgBin: config.pgBin }), (clients) => clients.map((client) => `${client.version} in ${client.origin}`).join(", "));
  return area;
}

/** @param needed - bytes of all databases whose server answered */
async function checkRepository(context: Context, needed: number): Promise<Area> {
  const area = new Area("repository");
  const store = await area.try("location", () => openConfiguredStore(context.config), ({ url }) => url);
  if (store === undefined) return area;
  try {
    await area.try("marker", () => openRepository(store, []), ({ id }) => `repository ${id}`);
    await tryOut(area, store, context);
    const free = await store.freeBytes().catch(() => undefined);
    if (free !== undefined) checkSpace(area, free, needed);
  } finally {
    await store.close();
  }
  return area;
}

/** A copy that nothing was copied to yet is no failure: its marker comes with the first. */
async function checkCopy(context: Context, name: string, settings: RepositoryConfig): Promise<Area> {
  const area = new Area(`copy ${name}`);
  const store = await area.try("location", () => openStoreOf(settings), ({ url }) => url);
  if (store === undefined) return area;
  try {
    const found = await area.attempt("marker", async () => ({ repository: await findRepository(store, []) }));
    if (found?.repository !== undefined) area.add("marker", "ok", found.repository.copyOf === undefined ? `repository ${found.repository.id}` : `copy of ${found.repository.copyOf}`);
    else if (found !== undefined) area.add("marker", "skip", "not there yet: it comes with the first copy");
    await tryOut(area, store, context);
  } finally {
    await store.close();
  }
  return area;
}

async function tryOut(area: Area, store: Store, { clock }: Context): Promise<void> {
  const probe = await area.attempt("probe", () => probeStore(store, clock));
  for (const { name, ok, detail, hint } of probe?.checks ?? []) {
    if (ok) area.add(name, "ok", detail);
    else area.fail(name, "store-failed", detail, hint);
  }
}

/** A dump is smaller than its database, but nothing tells by how much; a backup refuses what is hopeless. */
const hopelessShare = 1 / 20;

/** Whether the next backup of every database will find room. */
export function checkSpace(area: Area, free: number, needed: number): void {
  const shown = `${free} bytes free, the databases hold ${needed}`;
  const hint = "Free space at the repository, or choose another with HOLDFAST_REPOSITORY.";
  if (free < needed * hopelessShare) area.fail("space", "store-failed", shown, hint);
  else if (free < needed) area.add("space", "warn", shown, hint);
  else area.add("space", "ok", shown);
}
