/** A rollback for people: the plan in one screen, how it ended, and what there was. */
import type { RollbackResult } from "../app/rollback/carry-out.ts";
import type { ShownRollback } from "../app/rollback/show-rollbacks.ts";
import type { JournalEntry } from "../rollback/journal/journal.ts";
import { knownSeconds } from "../rollback/plan/downtime.ts";
import type { RollbackRecord } from "../rollback/plan/records.ts";
import type { RollbackPlan, Strategy } from "../rollback/plan/plan.ts";
import { shellWord } from "../process/shell-word.ts";
import { counted, formatDuration, formatSeconds, readable } from "../text/format.ts";
import { lossLines } from "./rollback-loss-view.ts";
import { renderTable } from "./table.ts";

const strategies: Readonly<Record<Strategy, string>> = {
  "images-only": "images only; the database stays as it is",
  "down-sql": "reviewed down-SQL, then the previous images",
  "restore-and-swap": "restore the checkpoint's backup beside, swap it in, then the previous images",
};

/** Where no platform is configured, what runs is stopped and started by whoever types this. */
const databaseOnly: Readonly<Record<Strategy, string>> = {
  "images-only": "nothing is done: the database stays as it is, and the previous release is started by you",
  "down-sql": "reviewed down-SQL; the previous release is started by you",
  "restore-and-swap": "restore the checkpoint's backup beside and swap it in; the previous release is started by you",
};

/** Everything that somebody must know before typing the name. */
export function renderPlan(plan: RollbackPlan): string {
  const { checkpoint, stops, rehearsed, preflight } = plan;
  const told = preflight.filter(({ outcome }) => outcome !== "ok");
  return [
    `ROLLBACK of ${plan.database} to ${plan.to}${plan.now.release === null ? "" : `, from ${plan.now.release}`}`,
    "",
    ...facts([
      ["where", Object.entries(plan.now.state.address).map(([name, value]) => `${name} ${value}`).join(", ")],
      ["how", (plan.now.state.platform === "none" ? databaseOnly : strategies)[plan.strategy]],
      ["because", plan.because],
      ["checkpoint", `${checkpoint.id}, taken ${checkpoint.takenAt}`],
      ["backup", `${checkpoint.backup}, of ${checkpoint.snapshotAt}`],
      ["stops", `${stops.workloads.join(", ") || "whatever uses the database"}${howLong(stops)}`],
      ["", stops.basis],
      ["images", imageLines(plan)],
      ["migrations", plan.migrations.length === 0 ? (plan.now.ledgers.length === 0 ? "NOT KNOWN: the database has no migration ledger that holdfast knows" : "none since the checkpoint") : plan.migrations.map((each) => `${each.name}: ${each.verdict}, ${each.why}${plan.strategy === "images-only" ? "" : "; it goes"}`).join("\n")],
      ["rehearsed", rehearsed === null ? "NEVER" : `${rehearsed.id}, ${rehearsed.at}: ${rehearsed.verdict}`],
      ...(plan.acceptIncompatible === null ? [] : [["ACCEPTED", `${plan.strategy === "images-only" ? "images that do not fit the schema" : "a schema that is not the checkpoint's"}: ${plan.acceptIncompatible}`] as const]),
      ...(plan.skipSafetyBackup === null ? [] : [["NO SAFETY BACKUP", plan.skipSafetyBackup] as const]),
    ]),
    "",
    ...lossLines(plan),
    "",
    ...(told.length === 0 ? [`preflight: all ${counted(preflight.length, "check")} passed`] : [`preflight: ${counted(told.length, "finding")} of ${preflight.length}`, renderTable(["check", "result", "detail"], told.map(({ title, outcome, detail, hint }) => [title, outcome.toUpperCase(), readable(hint === undefined ? detail : `${detail}. ${hint}`)]))]),
    "",
    "steps:",
    ...plan.steps.map(({ id, title }, at) => `  ${at + 1}. ${title} (${id})`),
  ].join("\n");
}

/**
 * What has to be done with a plan that was only looked at.
 * @param how - words that make the very same plan again
 */
export function renderPlanNext(plan: RollbackPlan, how: readonly string[]): string {
  const blocked = plan.preflight.some(({ outcome }) => outcome === "blocked");
  if (blocked) return "this plan would be REFUSED: mend what is BLOCKED above, and plan again; nothing was changed";
  return `nothing was changed; go ahead with: holdfast rollback ${how.join(" ")} --confirm ${shellWord(plan.confirm)}`;
}

/** A sum that lacks a part must not look like the whole. */
function howLong({ seconds, parts }: RollbackPlan["stops"]): string {
  if (parts === undefined) return seconds === null ? "" : ` for about ${formatSeconds(seconds)} and the start of the previous images`;
  if (seconds !== null) return ` for about ${formatSeconds(seconds)}`;
  const known = knownSeconds(parts);
  return known === 0 ? "; for how long is NOT KNOWN" : ` for at least ${formatSeconds(known)}; how long in all is NOT KNOWN`;
}

function facts(pairs: readonly (readonly [name: string, text: string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  return pairs.flatMap(([name, text]) => text.split("\n").map((line, at) => `${(at === 0 ? name : "").padEnd(width)}${readable(line)}`));
}

function imageLines({ now, target }: RollbackPlan): string {
  const lines = target.state.workloads.map(({ kind, name, configSha256, images, replicas }) => {
    const present = now.state.workloads.find((workload) => workload.kind === kind && workload.name === name);
    const configured = present === undefined || present.configSha256 === configSha256 ? "" : "; its configuration is not the target's, and goes back too";
    // Who scaled a Compose service since has to know that it is taken back; of a cluster, an autoscaler may have the say.
    const scaled = kind === "service" && present !== undefined && present.replicas !== replicas ? `; REPLICAS ${present.replicas} -> ${replicas}` : "";
    return `${name}: ${imageChanges(present?.images ?? [], images)}${configured}${scaled}`;
  });
  return lines.join("\n") || "none";
}

type Images = RollbackPlan["target"]["state"]["workloads"][number]["images"];

/** Of several containers each is named, and those that stay as they are come last. */
function imageChanges(present: Images, images: Images): string {
  if (images.length <= 1 && present.length <= 1) return `${present.map(shown).join(", ") || "nothing"} -> ${images.map(shown).join(", ")}`;
  const pairs = images.map((image) => ({ image, before: present.find(({ container }) => container === image.container) }));
  const changed = pairs.filter(({ image, before }) => before?.id !== image.id).map(({ image, before }) => `${image.container} ${before === undefined ? "nothing" : shown(before)} -> ${shown(image)}`);
  const same = pairs.filter(({ image, before }) => before?.id === image.id).map(({ image }) => image.container);
  const gone = present.filter(({ container }) => !images.some((image) => image.container === container)).map((image) => `${image.container} ${shown(image)} -> nothing`);
  return [...changed, ...gone, ...(same.length === 0 ? [] : [`${same.join(", ")} as now`])].join(", ");
}

function shown({ reference, id }: { reference: string; id: string }): string {
  return `${reference} (${id.replace(/^.*sha256:/, "").slice(0, 12)})`;
}

export function renderRollback(result: RollbackResult): string {
  const kept = result.facts["swap"]?.["kept"];
  const setAside = result.facts["swap"]?.["setAside"];
  const safety = result.facts["safety-backup"]?.["backup"];
  return [
    `${result.rollback}: ${result.message} (${formatDuration(result.seconds)})`,
    ...(typeof safety === "string" && result.outcome === "done" ? [`the state before is in backup ${safety}`] : []),
    ...(typeof kept === "string" && result.outcome === "done" ? [`the database before is kept as ${kept}; drop it when it is no longer needed`] : []),
    ...(typeof setAside === "string" && result.outcome === "aborted" ? [`the copy that was live meanwhile is kept as ${setAside}, with what was written to it; drop it when it is no longer needed`] : []),
    ...(result.incident === null ? [] : [`incident ${result.incident}: add what you know with \`holdfast incident note ${result.incident} TEXT\`, and draft the post-mortem with \`holdfast incident report ${result.incident}\``]),
  ].join("\n");
}

export interface RollbackJson {
  readonly id: string;
  readonly state: "under-way" | "done" | "aborted" | "left" | "untrusted";
  readonly to: string | null;
  readonly strategy: Strategy | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly message: string | null;
  readonly incident: string | null;
}

export function rollbackJson({ id, begun, outcome, problem }: RollbackRecord): RollbackJson {
  if (begun === undefined) return { id, state: "untrusted", to: null, strategy: null, startedAt: null, finishedAt: null, message: problem.message, incident: null };
  return {
    id, state: outcome?.outcome ?? "under-way", to: begun.plan.to, strategy: begun.plan.strategy, startedAt: begun.startedAt,
    finishedAt: outcome?.finishedAt ?? null, message: outcome?.message ?? null, incident: begun.incident,
  };
}

export function renderRollbacks(records: readonly RollbackRecord[]): string {
  if (records.length === 0) return "no rollback yet";
  return renderTable(["id", "started", "to", "how", "state", "message"], records.map(rollbackJson).map((each) => [each.id, each.startedAt ?? "-", each.to ?? "-", each.strategy ?? "-", each.state, each.message ?? "-"]));
}

export interface ShownRollbackJson extends RollbackJson {
  readonly plan: RollbackPlan;
  readonly journal: readonly JournalEntry[];
}

export function shownRollbackJson({ record, journal }: ShownRollback): ShownRollbackJson {
  return { ...rollbackJson(record), plan: record.begun.plan, journal };
}

export function renderShownRollback({ record, journal }: ShownRollback): string {
  const { state, message } = rollbackJson(record);
  const rows = journal.map((entry) => [entry.at, `${entry.by.user}@${entry.by.host}`, "step" in entry ? entry.step : "-", told(entry)]);
  return [renderPlan(record.begun.plan), "", "journal:", renderTable(["when", "who", "step", "what"], rows), "", `${record.id}: ${state}${message === null ? "" : `, ${message}`}`].join("\n");
}

function told(entry: JournalEntry): string {
  if ("facts" in entry) return [entry.kind, ...Object.entries(entry.facts).map(([name, value]) => `${name}=${String(value)}`)].join(" ");
  return "message" in entry ? `${entry.kind}: ${readable(entry.message)}` : entry.kind;
}
