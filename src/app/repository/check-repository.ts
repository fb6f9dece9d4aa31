/** The story of a repository's check: what lies there, what is wrong with it, and what may go. */
import { databasesIn } from "../../catalog/repository.ts";
import { manifestFile } from "../../catalog/layout.ts";
import { type Inventory, takeInventory } from "../../catalog/inventory.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep, type Step } from "../../ports.ts";
import { findDeadLocks, findStaleProbes, findStaleUploads, findUnpublished, type History, type Patience } from "./check-garbage.ts";
import { findHidden } from "./check-hidden.ts";
import { checkOtherRecords } from "./check-other-records.ts";
import { checkDrills, checkTimeline, readHistory, type RecordedHistory } from "./check-history.ts";
import { IndexCheck } from "./check-index.ts";
import { checkPublished, type PublishedFolder } from "./check-published.ts";
import type { Context, Workplace } from "../context.ts";
import type { CheckLevel, CheckReport, Finding, Severity } from "./findings.ts";
import { openFor, recorded } from "../record.ts";
import { repair } from "./repair-repository.ts";

export interface CheckOptions {
  /** Only this one of the repository's databases, which need not be configured, and neither the timeline nor what belongs to none. */
  readonly database?: string | undefined;
  readonly level: CheckLevel;
  readonly repair: boolean;
  /** Milliseconds for which what looks like garbage is left in peace. */
  readonly graceMs: number;
  readonly lockWaitMs?: number | undefined;
}

const atOnce = 16;

const steps: readonly Step[] = [
  { id: "inventory", title: "list the repository" },
  { id: "history", title: "check timeline, drills and all other records" },
  { id: "backups", title: "check backups" },
  { id: "garbage", title: "look for leftovers" },
];

/**
 * Looks at everything in the repository, and removes garbage if it is asked to.
 * @throws HoldfastError what keeps it from looking; whatever is wrong with the repository itself is in the report
 */
export async function checkRepository(context: Context, options: CheckOptions): Promise<CheckReport> {
  const action = { action: "repository check", subject: { ...(options.database !== undefined && { database: options.database }) } };
  const workplace = await openFor(context, action);
  let report: CheckReport | undefined;
  try {
    await recorded(context, workplace, action, async () => {
      report = await check(context, workplace, options);
      const damage = report.findings.filter(({ severity }) => severity === "damage");
      if (damage.length > 0) throw new Damaged("integrity", `damage was found: ${damage.slice(0, 5).map(({ kind, key }) => `${kind} ${key}`).join(", ")}${damage.length > 5 ? `, and ${damage.length - 5} more` : ""}`);
    });
  } catch (error) {
    if (!(error instanceof Damaged)) throw error;
  } finally {
    await workplace.close();
  }
  if (report === undefined) throw new Error("the check ended without a report");
  return report;
}

/** For the timeline only: an action that found damage failed. */
class Damaged extends HoldfastError {}

async function check(context: Context, workplace: Workplace, options: CheckOptions): Promise<CheckReport> {
  const { reporter, clock } = context;
  const { store, trusted } = workplace.repository;
  if (trusted.length === 0) {
    throw new HoldfastError("configuration", "no trusted signer is configured, so nothing could be told from a stranger's", { hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."] });
  }
  if (options.database !== undefined) await requireDatabase(workplace, options.database);
  reporter.emit({ type: "plan", steps: [...steps, ...(options.repair ? [{ id: "repair", title: "remove leftovers" }] : [])] });
  const patience = { now: (await store.clock()) ?? clock.now(), graceMs: options.graceMs };
  const inventory = await runStep(reporter, "inventory", () => takeInventory(store, options.database === undefined ? "" : `${options.database}/`), ({ objects }) => `${objects} objects`);
  const history = await runStep(reporter, "history", () => checkHistory(workplace, inventory, options, patience.now), ({ entries, drills }) => `${entries ?? "no"} entries, ${drills} drills`);
  const backups = await runStep(reporter, "backups", () => checkBackups(context, workplace, inventory, options.level), ({ folders }) => `${folders} backups`);
  const garbage = await runStep(reporter, "garbage", () => findGarbage(workplace, inventory, withShredded(history.recorded, inventory), patience, options.database), (found) => `${found.length} found`);
  const foreign = inventory.foreign.map(({ key }): Finding => ({ kind: "foreign-object", severity: "damage", key, detail: "no holdfast puts such an object here" }));
  const found = [...backups.findings, ...foreign, ...history.findings, ...garbage];
  const findings = options.repair ? await runStep(reporter, "repair", () => repair(context, workplace, found, { patience, history: withShredded(history.recorded, inventory), lockWaitMs: options.lockWaitMs ?? 0 })) : found;
  const { objects, bytes, databases } = inventory;
  return {
    url: store.url,
    level: options.level,
    checked: { objects, bytes, databases: [...databases.keys()].sort(), backups: backups.folders, parts: backups.parts, entries: history.entries, drills: history.drills },
    findings: findings.toSorted((a, b) => order[a.severity] - order[b.severity] || a.key.localeCompare(b.key)),
    clean: backups.folders > 0 && findings.every(({ severity, repaired }) => severity === "note" || repaired === true),
  };
}

/** A backup that was shredded was meant to go, also when the run that did it was killed. */
function withShredded(history: History, { databases }: Inventory): History {
  return { ...history, removed: new Set([...history.removed, ...[...databases.values()].flatMap(({ shredded }) => [...shredded])]) };
}

const order: Record<Severity, number> = { damage: 0, garbage: 1, note: 2 };

async function requireDatabase({ repository: { store } }: Workplace, database: string): Promise<void> {
  const there = await databasesIn(store);
  if (there.includes(database)) return;
  throw new HoldfastError("not-found", `${store.url} holds nothing of a database ${database}; there ${there.length === 1 ? "is" : "are"} ${there.join(", ") || "none"}`, { hints: ["Check --database, or leave it out to check everything."] });
}

interface CheckedHistory {
  readonly recorded: RecordedHistory;
  readonly entries: number | null;
  readonly drills: number;
  readonly findings: readonly Finding[];
}

async function checkHistory(workplace: Workplace, inventory: Inventory, { database }: CheckOptions, now: Date): Promise<CheckedHistory> {
  const timeline = database === undefined ? await checkTimeline(workplace) : undefined;
  const recordedHistory = await readHistory(workplace);
  const databases = database === undefined ? new Set([...inventory.databases.keys(), ...recordedHistory.databases]) : [database];
  const findings = [...(timeline?.findings ?? [])];
  let drills = 0;
  for (const name of databases) {
    const checked = await checkDrills(workplace, name, recordedHistory);
    drills += checked.drills;
    findings.push(...checked.findings, ...(await checkOtherRecords(workplace, name, recordedHistory, now)).findings);
  }
  return { recorded: recordedHistory, entries: timeline?.report.entries ?? null, drills, findings };
}

interface CheckedBackups {
  readonly folders: number;
  readonly parts: number;
  readonly findings: readonly Finding[];
}

async function checkBackups({ reporter, signal }: Context, { repository }: Workplace, inventory: Inventory, level: CheckLevel): Promise<CheckedBackups> {
  const findings: Finding[] = [];
  let folders = 0;
  let parts = 0;
  let bytes = 0;
  for (const [database, { backups }] of inventory.databases) {
    const index = await IndexCheck.of(repository, database);
    const queue = [...backups].map(([id, files]): PublishedFolder => ({ database, id, files })).filter(({ files }) => files.has(manifestFile)).values();
    const worker = async (): Promise<void> => {
      for (const folder of queue) {
        throwIfCancelled(signal);
        const result = await checkPublished(repository, folder, level, signal);
        if (result === undefined) continue;
        folders += 1;
        findings.push(...result.findings);
        if (result.manifest === undefined) continue;
        index.compare(result.manifest, folder.files);
        parts += result.manifest.parts.length;
        bytes += result.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
        if (level === "hash") reporter.emit({ type: "progress", step: "backups", bytes });
      }
    };
    await Promise.all(Array.from({ length: level === "hash" ? 2 : atOnce }, worker));
    findings.push(...index.findings());
  }
  return { folders, parts, findings };
}

async function findGarbage({ repository }: Workplace, inventory: Inventory, history: History, patience: Patience, only: string | undefined): Promise<Finding[]> {
  const { store } = repository;
  const findings = [...findStaleProbes(inventory, patience), ...(await findStaleUploads(store, only, patience))];
  for (const [database, found] of inventory.databases) {
    findings.push(...(await findUnpublished(store, database, found, history, patience)), ...(await findDeadLocks(store, database, found, patience)), ...(await findHidden(repository, database, history, patience)));
  }
  return findings;
}
export type { CheckReport };
