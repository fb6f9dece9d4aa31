/** What is looked at before a rollback touches anything, beside what the platform looks at itself. */
import type { Manifest } from "../../catalog/manifest.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { openAdminSession, type Server } from "../../postgres/server.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import type { PreflightFinding } from "../../rollback/finding.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import { listRollbacks } from "../../rollback/plan/records.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import type { Context, Workplace } from "../context.ts";
import { restoreBackup } from "../restore/restore-backup.ts";
import { checkSwap } from "../restore/restore-target.ts";
import { databaseServiceFinding } from "./database-service.ts";
import { besideName } from "./database-steps.ts";
import { readDown } from "./down-sql-step.ts";
import { freeSequencesFinding } from "./free-sequences.ts";
import type { Present } from "./present.ts";
import { withinStep } from "./step-reporter.ts";

export interface PreflightPlace {
  readonly workplace: Workplace;
  readonly database: string;
  /** Of the live database. */
  readonly url: string;
  readonly server: Server;
  readonly platform: Platform;
  readonly settings: RollbackSettings;
  readonly checkpoint: Checkpoint;
  /** Of the checkpoint's backup. */
  readonly manifest: Manifest;
  readonly present: Present;
  readonly way: Pick<RollbackPlan, "strategy" | "migrations">;
  readonly rehearsed: RollbackPlan["rehearsed"];
  /** The rollback that is being run itself, which is no other. */
  readonly own?: string | undefined;
}

export async function preflightRollback(context: Context, place: PreflightPlace): Promise<PreflightFinding[]> {
  const { platform, checkpoint, present, way } = place;
  const { ledgers } = present;
  return [
    standbyFinding(place) ?? { id: "database", title: "the database answers", outcome: "ok", detail: ledgers.length === 0 ? "it has no migration ledger that holdfast knows" : `its ledger stands at ${ledgers.map(({ head }) => head ?? "empty").join(", ")}` },
    await otherRollbacks(place),
    placeFinding(place),
    databaseServiceFinding(checkpoint.state, place),
    ...(await backupFindings(context, place)),
    ...(await swapFindings(context, place)),
    ...(way.strategy === "restore-and-swap" ? [await freeSequencesFinding(place.server, place.manifest, context.signal)] : []),
    ...(await downFindings(place)),
    ...(await platform.preflight(checkpoint.state, present.state, context.signal, new Date(checkpoint.takenAt))),
    healthFinding(place),
    rehearsalFinding(place),
  ];
}

/** Reading is all that a standby can be asked for. */
function standbyFinding({ server, way }: PreflightPlace): PreflightFinding | undefined {
  if (way.strategy === "images-only" || !server.facts.inRecovery) return undefined;
  return { id: "database", title: "the database takes writes", outcome: "blocked", detail: "the server is a standby: the database can only be moved at its primary", hint: "Name the primary in the URL; if it is gone, promote this one first." };
}

async function otherRollbacks({ workplace, database, own }: PreflightPlace): Promise<PreflightFinding> {
  const title = "no other rollback is under way";
  const others = (await listRollbacks(workplace.repository, database)).filter(({ id }) => id !== own);
  const open = others.filter(({ begun, outcome }) => begun !== undefined && outcome === undefined);
  const [first] = open;
  if (first === undefined) {
    // Whoever can write to the repository could forge one, and must not keep anybody from rolling back by it.
    const doubtful = others.flatMap(({ id, problem }) => (problem === undefined ? [] : [`${id}: ${problem.message}`]));
    if (doubtful.length === 0) return { id: "other-rollback", title, outcome: "ok", detail: "none is" };
    return { id: "other-rollback", title, outcome: "warn", detail: `whether it has ended cannot be told of ${doubtful.join("; ")}`, hint: "Make sure that nobody is at it: look with `holdfast audit show`, and at the databases that are kept beside the live one." };
  }
  return { id: "other-rollback", title, outcome: "blocked", detail: `${open.map(({ id }) => id).join(", ")} was begun and has not ended`, hint: `Go on with \`holdfast rollback resume ${first.id}\`, or take it back with \`holdfast rollback abort ${first.id}\`.` };
}

/** The checkpoint must be of the very place that is configured. */
function placeFinding({ platform, checkpoint }: PreflightPlace): PreflightFinding {
  const title = "the checkpoint is of this place";
  const told = (address: Readonly<Record<string, string>>): string => Object.entries(address).map(([name, value]) => `${name} ${value}`).join(", ");
  if (checkpoint.state.platform === platform.kind && told(checkpoint.state.address) === told(platform.address)) return { id: "place", title, outcome: "ok", detail: told(platform.address) };
  return {
    id: "place", title, outcome: "blocked",
    detail: `the checkpoint is of ${checkpoint.state.platform} (${told(checkpoint.state.address)}), but configured is ${platform.kind} (${told(platform.address)})`,
    hint: "Correct databases.<name>.rollback, or choose a checkpoint of this place.",
  };
}

/** Of the backup and the room for its copy: a dry run of the restore looks at all of it. Without a restore only a damaged backup is told. */
async function backupFindings(context: Context, { database, server, checkpoint, way }: PreflightPlace): Promise<PreflightFinding[]> {
  const title = `backup ${checkpoint.backup.id} is whole, and a copy has its place`;
  if (way.strategy !== "restore-and-swap") return [];
  try {
    const { checks } = await restoreBackup(withinStep(context, "preflight", context.signal), {
      database, choice: { id: checkpoint.backup.id }, into: besideName(server.facts.database, "rollback-preflight"), swap: false, dryRun: true,
      tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: true, drainMs: 0,
    });
    return [
      { id: "backup", title, outcome: "ok", detail: "signature, sizes and the SHA-256 of every part are as the manifest says" },
      ...checks.map(({ name, outcome, detail, hint }): PreflightFinding => ({ id: `restore:${name}`, title: name, outcome: outcome === "fail" ? "blocked" : outcome, detail, ...(hint !== undefined && { hint }) })),
    ];
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
    return [{ id: "backup", title, outcome: "blocked", detail: messageOf(error), hint: error.hints[0] ?? "Choose another checkpoint with --to." }];
  }
}

/** The copy is made beside, so its own checks do not look at the database that it will replace. */
async function swapFindings({ signal }: Context, { server, way }: PreflightPlace): Promise<PreflightFinding[]> {
  if (way.strategy !== "restore-and-swap") return [];
  const title = "nothing keeps the live database from being swapped";
  const { connection, facts } = server;
  if (connection.database !== undefined && connection.database !== facts.database) {
    return [{ id: "swap", title, outcome: "blocked", detail: `the URL names the database ${connection.database}, but what answers is ${facts.database}: a pooler knows it by another name, and a rename would pass it by`, hint: "Give holdfast the server's own URL, in which the database has its own name." }];
  }
  const admin = await openAdminSession(server, signal, facts.database);
  try {
    const { outcome, detail, hint } = await checkSwap({ admin, target: facts.database }, title);
    return [{ id: "swap", title, outcome: outcome === "fail" ? "blocked" : outcome, detail, ...(hint !== undefined && { hint }) }];
  } finally {
    await admin.close();
  }
}

async function downFindings({ way, settings, checkpoint, present }: PreflightPlace): Promise<PreflightFinding[]> {
  if (way.strategy !== "down-sql") return [];
  const title = "the down-SQL can be run in one transaction";
  try {
    const { scripts } = await readDown({ migrations: way.migrations, now: { ...present, release: null, health: null }, target: { ...checkpoint } }, settings);
    return [{ id: "down-sql", title, outcome: "ok", detail: scripts.map(({ file, statements }) => `${file}: ${statements.map(({ words }) => words).join(", ")}`).join("; ") }];
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === "cancelled") throw error;
    return [{ id: "down-sql", title, outcome: "blocked", detail: messageOf(error), hint: error.hints[0] ?? "Choose --strategy restore-and-swap." }];
  }
}

function healthFinding({ settings, present }: PreflightPlace): PreflightFinding {
  const title = "success can be observed";
  if (settings.health === undefined) return { id: "health", title, outcome: "warn", detail: "no health check is configured: only images and the ledger will be looked at", hint: "Configure databases.<name>.rollback.health." };
  return { id: "health", title, outcome: "ok", detail: `${settings.health.url} must pass ${settings.health.times} times in a row; now: ${present.health?.detail ?? "not asked"}` };
}

function rehearsalFinding({ rehearsed, checkpoint }: PreflightPlace): PreflightFinding {
  const title = "this rollback was rehearsed";
  if (rehearsed?.verdict === "pass") return { id: "rehearsal", title, outcome: "ok", detail: `${rehearsed.id} passed on ${rehearsed.at}` };
  const hint = `Rehearse with \`holdfast rollback rehearse --to ${checkpoint.running}\` while there is time.`;
  return { id: "rehearsal", title, outcome: "warn", detail: rehearsed === null ? "never" : `${rehearsed.id} of ${rehearsed.at} did not pass: ${rehearsed.verdict}`, hint };
}
