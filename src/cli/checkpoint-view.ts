/** Checkpoints as `--json` shows them, and as rows or a page for people. */
import type { CreatedCheckpoint } from "../app/checkpoint/create-checkpoint.ts";
import type { CheckpointBackup, ListedCheckpoint, ShownCheckpoint } from "../app/checkpoint/show-checkpoints.ts";
import type { VerifiedDeploy } from "../app/checkpoint/verify-checkpoint.ts";
import type { Deployed } from "../rollback/checkpoint/checkpoint.ts";
import type { CheckpointEntry, DeployedEntry } from "../rollback/checkpoint/records.ts";
import type { PlatformState } from "../rollback/platform/platform.ts";
import { counted, formatInstant, printable, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The shape that `checkpoint create`, `list` and `show` share. Null where it cannot be trusted, and `problem` says why. */
export interface CheckpointJson {
  readonly id: string;
  readonly database: string;
  /** The release that was coming. */
  readonly release: string | null;
  /** The release that ran, which a rollback goes back to. */
  readonly running: string | null;
  readonly takenAt: string | null;
  readonly platform: PlatformState["platform"] | null;
  readonly backup: { readonly id: string; readonly snapshotAt: string; readonly reused: boolean } | null;
  readonly ledgers: readonly { readonly tool: string; readonly table: string; readonly head: string | null }[];
  /** Migrations that were to come; null if nobody had told. */
  readonly pending: readonly string[] | null;
  readonly healthy: boolean | null;
  readonly sha256: string | null;
  /** Of the last look after the deploy; null if nobody looked. */
  readonly verdict: Deployed["verdict"] | null;
  readonly verifiedAt: string | null;
  readonly problem: string | null;
}

export function checkpointJson(entry: CheckpointEntry, deployed: readonly DeployedEntry[]): CheckpointJson {
  const { id, database, checkpoint } = entry;
  const last = deployed.find((each) => each.deployed !== undefined)?.deployed;
  return {
    id,
    database,
    release: checkpoint?.release ?? null,
    running: checkpoint?.running ?? null,
    takenAt: checkpoint?.takenAt ?? null,
    platform: checkpoint?.state.platform ?? null,
    backup: checkpoint ? { id: checkpoint.backup.id, snapshotAt: checkpoint.backup.snapshotAt, reused: checkpoint.backup.reused } : null,
    ledgers: (checkpoint?.ledgers ?? []).map(({ tool, table, head }) => ({ tool, table, head })),
    pending: checkpoint?.pending ?? null,
    healthy: checkpoint?.health?.healthy ?? null,
    sha256: entry.problem ? null : entry.sha256,
    verdict: last?.verdict ?? null,
    verifiedAt: last?.at ?? null,
    problem: entry.problem?.message ?? null,
  };
}

export const listedJson = ({ entry, deployed }: ListedCheckpoint): CheckpointJson => checkpointJson(entry, deployed);

const verdictWords = { good: "good", bad: "BAD" } as const;

export function renderCheckpoints(listed: readonly ListedCheckpoint[]): string {
  const rows = listed.map(listedJson).map(({ id, running, takenAt, platform, backup, verdict, problem }) => [
    id, running ?? "-", takenAt === null ? "-" : formatInstant(takenAt), platform ?? "-", backup?.id ?? "-", problem === null ? (verdict === null ? "not verified" : verdictWords[verdict]) : "UNTRUSTED",
  ]);
  const problems = listed.flatMap(({ entry, deployed }) => [entry, ...deployed].flatMap(({ problem }) => (problem ? `${entry.id}: ${printable(problem.message)}` : [])));
  return [renderTable(["id", "goes back to", "taken", "platform", "backup", "deploy"], rows), ...problems].join("\n");
}

export function renderCreated({ id, checkpoint }: CreatedCheckpoint): string {
  const { running, release, backup, state, pending } = checkpoint;
  const coming = pending === null ? "" : `, ${counted(pending.length, "migration")} to come`;
  return `${id}  goes back to ${running}: ${counted(state.workloads.length, "workload")}, backup ${backup.id}${backup.reused ? " (reused)" : ""}${coming}\nAfter the deploy of ${release}: holdfast checkpoint verify ${release}`;
}

/** A look at a deploy, as `checkpoint verify` answers. */
export interface VerifiedJson {
  readonly checkpoint: string;
  readonly database: string;
  readonly release: string;
  readonly running: string;
  readonly at: string;
  readonly verdict: Deployed["verdict"];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly health: Deployed["health"];
  readonly errorBudget: Deployed["errorBudget"];
}

export function verifiedJson({ deployed, running, warnings }: VerifiedDeploy): VerifiedJson {
  const { checkpoint, database, release, at, verdict, problems, health, errorBudget } = deployed;
  return { checkpoint, database, release, running, at, verdict, problems, warnings, health, errorBudget };
}

export function renderDeployed({ deployed }: VerifiedDeploy): string {
  return `${deployed.release} is ${verdictWords[deployed.verdict]}${deployed.health === null ? "" : `: ${printable(deployed.health.detail)}`}`;
}

const page = (facts: readonly (readonly [string, string])[]): string => facts.map(([name, value]) => `${name.padEnd(14)}${printable(value).replaceAll("\n", `\n${" ".repeat(14)}`)}`).join("\n");

export function renderCheckpoint({ checkpoint, sha256, signer, deployed, boundTo }: ShownCheckpoint): string {
  const { state, health, backup, by, ledgers, pending } = checkpoint;
  const facts: [string, string][] = [
    ["id", checkpoint.id],
    ["goes back to", checkpoint.running],
    ["before", `the deploy of ${checkpoint.release}`],
    ["taken", formatInstant(checkpoint.takenAt)],
    ["by", `${by.operator ?? by.user}@${by.host}, holdfast ${by.holdfast}`],
    ["reason", checkpoint.reason ?? "-"],
    ["backup", `${backup.id}${backup.reused ? " (reused)" : ""}, snapshot of ${formatInstant(backup.snapshotAt)}\n${backupText(boundTo)}`],
    ["platform", [state.platform, ...Object.entries(state.address).map(([name, value]) => `${name} ${value}`)].join(", ")],
    ["health", health === null ? "not recorded" : `${health.healthy ? "healthy" : "NOT HEALTHY"}: ${health.detail}`],
    ["ledger", ledgers.map(({ tool, table, head, applied, failed }) => `${table} (${tool}) at ${head ?? "its beginning"}, ${counted(applied.length, "migration")}${failed > 0 ? `, ${failed} failed` : ""}`).join("\n") || "none"],
    ["to come", pending === null ? "nobody told" : pending.join("\n") || "no migrations"],
    ["schema", checkpoint.schemaFingerprint],
    ["checkpoint", sha256],
    ["signed by", signer],
  ];
  const images = state.workloads.flatMap(({ name, kind, replicas, revision, images: of }) => of.map(({ reference, id, pinned }) => [`${kind}/${name}`, String(replicas), revision ?? "-", reference, id === reference ? "not known" : id, pinned ?? "-"]));
  const looks = deployed.map((entry) => (entry.deployed ? [formatInstant(entry.deployed.at), verdictWords[entry.deployed.verdict], readable(entry.deployed.problems.join("; ")) || "-"] : [entry.name, "UNTRUSTED", entry.problem.message]));
  return [
    page(facts),
    ...(images.length > 0 ? [renderTable(["workload", "replicas", "revision", "image", "runs", "pinned as"], images, [1])] : []),
    looks.length > 0 ? renderTable(["looked at", "deploy", "problems"], looks) : `the deploy was not verified; \`holdfast checkpoint verify ${checkpoint.release}\` does it`,
  ].join("\n\n");
}

function backupText({ state, detail, verification, proved }: CheckpointBackup): string {
  if (state !== "there") return `${state.toUpperCase()}: ${detail}`;
  const verified = verification?.state === "passed" ? `verified (${verification.level}) ${formatInstant(verification.at.toISOString())}` : verification?.state === "failed" ? `FAILED VERIFICATION ${formatInstant(verification.at.toISOString())}: ${verification.why}` : "never verified";
  return `there, ${verified}${proved === null ? "" : `, proved by a drill ${formatInstant(proved.toISOString())}`}`;
}

/** A checkpoint in JSON as `checkpoint show` answers: the signed document whole, and what became of it. */
export function shownJson(shown: ShownCheckpoint): object {
  const { checkpoint, deployed, boundTo, signer } = shown;
  return {
    ...checkpointJson(shown, deployed),
    signer,
    backupState: { ...boundTo, proved: boundTo.proved?.toISOString() ?? null },
    checkpoint,
    deployed: deployed.map(({ name, deployed: record, problem }) => ({ name, record: record ?? null, problem: problem?.message ?? null })),
  };
}
