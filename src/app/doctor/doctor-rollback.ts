/** What a rollback of one database would need, looked at before anybody needs it. Nothing is changed, and nothing waited for. */
import { findRepository, type Repository } from "../../catalog/repository.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { checkHealth } from "../../rollback/health/probe.ts";
import { readMigrations } from "../../rollback/migrations/folder.ts";
import { kubectlOf } from "../../rollback/platform/kubernetes/kubectl.ts";
import { permissionsFinding } from "../../rollback/platform/kubernetes/permissions.ts";
import { parseWorkload } from "../../rollback/platform/kubernetes/workload.ts";
import type { PlatformState } from "../../rollback/platform/platform.ts";
import { readLibrary, type RunbookFile } from "../../rollback/runbook/library.ts";
import { errorsOf } from "../../rollback/runbook/lint.ts";
import { counted } from "../../text/format.ts";
import { type Context, trustedSigners } from "../context.ts";
import { openConfiguredStore } from "../open-configured-store.ts";
import { configuredPlatform } from "../rollback/configured-platform.ts";
import { runbookFolders } from "../runbook/shipped.ts";
import { Area } from "./doctor-area.ts";
import { checkReadiness } from "./doctor-readiness.ts";

/** A cluster or an engine that takes longer counts as one that does not answer. */
const patienceMs = 20_000;

/** @returns undefined where nothing is configured about the deployment: then no rollback is meant to be run */
export async function checkRollback(context: Context, database: DatabaseConfig): Promise<Area | undefined> {
  const { rollback: settings } = database;
  if (settings === undefined) return undefined;
  const area = new Area(`rollback ${database.name}`);
  await checkPlatform(area, context, database, settings);
  await checkHealthUrl(area, context, settings);
  await checkMigrations(area, settings);
  await checkOwnRunbooks(area, context, settings);
  await withRepository(area, context, (repository) => checkReadiness(area, context, repository, database));
  return area;
}

/** That what runs can be read is all that a checkpoint needs; what a rollback may do there is asked of a cluster beside. */
async function checkPlatform(area: Area, context: Context, database: DatabaseConfig, settings: RollbackSettings): Promise<void> {
  const platform = await area.attempt("platform", () => configuredPlatform(database));
  if (platform === undefined) return;
  const place = Object.entries(platform.address).map(([name, value]) => `${name} ${value}`).join(", ");
  if (platform.kind === "none") {
    area.add("platform", "ok", "none: a rollback is of the database only");
    return;
  }
  const state = await area.attempt("platform", () => inTime(context, (signal) => platform.capture(signal)), `Correct databases.${database.name}.rollback.${platform.kind}: what cannot be looked at cannot be rolled back.`);
  if (state === undefined) return;
  const still = state.workloads.filter(({ replicas }) => replicas === 0).map(({ name }) => name);
  if (still.length > 0) area.add("platform", "warn", `${place}: nothing runs of ${still.join(", ")}`, "If they are not stopped on purpose, look why: a checkpoint records what runs.");
  else area.add("platform", "ok", `${place}: ${running(state)}`);
  for (const forgotten of (await area.attempt("history", () => inTime(context, (signal) => platform.forgets?.(signal) ?? Promise.resolve([])))) ?? []) area.add("history", "warn", forgotten);
  const { kubernetes } = settings;
  if (platform.kind !== "kubernetes" || kubernetes === undefined) return;
  const permissions = await area.attempt("permissions", () => inTime(context, (signal) => permissionsFinding(kubectlOf(kubernetes), kubernetes.workloads.map(parseWorkload), signal)));
  if (permissions?.outcome === "ok") area.add("permissions", "ok", permissions.detail);
  else if (permissions !== undefined) area.fail("permissions", "configuration", permissions.detail, permissions.hint);
}

function running({ workloads }: PlatformState): string {
  return workloads.map(({ name, replicas, images }) => `${name} ${images.map(({ reference }) => reference).join(" and ")} (${replicas})`).join(", ");
}

async function inTime<T>({ signal }: Context, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new HoldfastError("configuration", `it did not answer within ${patienceMs / 1000} s`, { hints: ["Look whether the engine or the cluster is overloaded, or behind a firewall that drops packets."] }));
  }, patienceMs);
  try {
    return await work(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    throw late.signal.aborted && !signal.aborted ? late.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** An application that is down now is no fault of the configuration, but nobody could see a rollback succeed by an answer that never comes. */
async function checkHealthUrl(area: Area, { clock, signal }: Context, { health }: RollbackSettings): Promise<void> {
  if (health === undefined) {
    area.add("health", "warn", "no health check is configured: only images and the migration ledger would show that a rollback succeeded", "Configure databases.NAME.rollback.health.");
    return;
  }
  const answer = await area.attempt("health", () => checkHealth(health, { clock, signal }));
  if (answer === undefined) return;
  const shown = `${answer.url}: ${answer.detail}${answer.version === null ? "" : `, version ${answer.version}`}`;
  if (answer.healthy) area.add("health", "ok", shown);
  else area.add("health", "warn", shown, "If the application is well, correct databases.NAME.rollback.health: a rollback succeeds only when this passes.");
}

async function checkMigrations(area: Area, { migrations: folder }: RollbackSettings): Promise<void> {
  if (folder === undefined) {
    area.add("migrations", "skip", "no folder is configured: what a later migration means for the older release is for a person to say");
    return;
  }
  await area.try("migrations", () => readMigrations(folder), (found) => `${counted(found.length, "migration")} in ${folder}, ${found.filter(({ down }) => down !== null).length} with reviewed down-SQL`);
}

async function checkOwnRunbooks(area: Area, { config, clock }: Context, { runbooks: own }: RollbackSettings): Promise<void> {
  const { shipped } = await runbookFolders(config);
  const files = await area.attempt("runbooks", () => readLibrary({ shipped, own: own === undefined ? [] : [own] }, clock.now()));
  if (files === undefined) return;
  const wrong = files.filter(({ problems }) => errorsOf(problems).length > 0);
  const [first] = wrong;
  if (first === undefined) area.add("runbooks", "ok", `${counted(files.length, "runbook")}, ${files.filter(({ origin }) => origin === "own").length} of them one's own`);
  else area.fail("runbooks", "configuration", `${counted(wrong.length, "runbook")} cannot be executed; ${firstError(first)}`, "Run `holdfast runbook check`, which names all that is wrong.");
}

function firstError({ path, problems }: RunbookFile): string {
  const [first] = errorsOf(problems);
  return `${path}:${first?.line ?? 1}: ${first?.message ?? ""}`;
}

/** A repository that cannot be read is a failure of its own area, and is not told twice. */
async function withRepository(area: Area, { config }: Context, look: (repository: Repository) => Promise<void>): Promise<void> {
  const store = await openConfiguredStore(config).catch(() => undefined);
  if (store === undefined) return;
  try {
    const trusted = await trustedSigners(config).catch(() => []);
    const repository = trusted.length === 0 ? undefined : await findRepository(store, trusted).catch(() => undefined);
    if (repository === undefined) area.add("checkpoints", "skip", "the repository, or whom to trust in it, is not known");
    else await look(repository);
  } finally {
    await store.close();
  }
}
