/** What became of a deploy, from what was seen before it and after it. Pure. */
import type { Checkpoint, LedgerState } from "../../rollback/checkpoint/checkpoint.ts";
import type { SettledHealth } from "../../rollback/health/probe.ts";
import type { PlatformState } from "../../rollback/platform/platform.ts";
import { counted } from "../../text/format.ts";

export interface AfterDeploy {
  readonly state: PlatformState;
  /** What is wrong with single replicas: sentences. */
  readonly replicas: readonly string[];
  readonly ledgers: readonly LedgerState[];
  /** Undefined without a configured health check. */
  readonly health: SettledHealth | undefined;
  readonly errorBudget: { readonly passed: boolean; readonly detail: string } | null;
}

export interface DeployVerdict {
  readonly verdict: "good" | "bad";
  /** Why it is bad; empty if it is good. */
  readonly problems: readonly string[];
  /** What is odd, and does not decide. */
  readonly warnings: readonly string[];
}

export function judgeDeploy(checkpoint: Checkpoint, after: AfterDeploy): DeployVerdict {
  const found = [ofHealth(checkpoint, after), ofLedgers(checkpoint, after.ledgers), ofImages(checkpoint, after.state)];
  const problems = [
    ...found.flatMap((each) => each.problems),
    ...after.replicas,
    ...(after.errorBudget?.passed === false ? [`the error budget does not hold: ${after.errorBudget.detail}`] : []),
  ];
  return { verdict: problems.length === 0 ? "good" : "bad", problems, warnings: found.flatMap(({ warnings }) => warnings) };
}

type Found = Omit<DeployVerdict, "verdict">;

function ofHealth({ release, running }: Checkpoint, { health: settled }: AfterDeploy): Found {
  if (settled === undefined) return { problems: [], warnings: ["no health check is configured, so nothing says that the application works"] };
  const { healthy, health, passedInARow, attempts } = settled;
  const { version } = health;
  const sick = healthy ? [] : [`the health check did not pass often enough in a row: ${passedInARow} of ${counted(attempts, "attempt")}; the last said: ${health.detail}`];
  const stillOld = version === running && running !== release;
  return {
    problems: [...sick, ...(stillOld ? [`the application says that it still is ${running}, not ${release}`] : [])],
    warnings: version !== null && version !== release && !stillOld ? [`the application says that it is ${version}, where ${release} was expected`] : [],
  };
}

function ofLedgers(checkpoint: Checkpoint, now: readonly LedgerState[]): Found {
  const problems: string[] = [];
  const warnings: string[] = [];
  const applied = new Set(now.flatMap((ledger) => ledger.applied));
  // Alembic keeps its heads only: of several that came, the last one is there.
  const headsOnly = now.some(({ tool }) => tool === "alembic");
  const missing = (checkpoint.pending ?? []).filter((name) => !applied.has(name));
  const text = `${counted(missing.length, "migration")} of the release ${missing.length === 1 ? "is" : "are"} not applied: ${missing.join(", ")}`;
  // Where there was no ledger to tell the tool, what is to come is known by its file, and Prisma's ledger alone knows it by that.
  if (missing.length > 0 && checkpoint.ledgers.length === 0 && now.length > 0 && now.every(({ tool }) => tool !== "prisma")) warnings.push(`by the names of their files, ${text}`);
  else if (missing.length > 0 && !(headsOnly && missing.length < (checkpoint.pending ?? []).length)) problems.push(text);
  for (const ledger of now) {
    const before = checkpoint.ledgers.find(({ tool, table }) => tool === ledger.tool && table === ledger.table);
    const failed = ledger.failed - (before?.failed ?? 0);
    if (failed > 0) problems.push(`the ledger ${ledger.table} has ${counted(failed, "migration")} more that ${failed === 1 ? "was" : "were"} not finished, or rolled back`);
    const unannounced = ledger.applied.filter((name) => before?.applied.includes(name) !== true && checkpoint.pending?.includes(name) !== true);
    if (checkpoint.pending !== null && !headsOnly && unannounced.length > 0) warnings.push(`the checkpoint did not know of ${unannounced.join(", ")}, applied since`);
  }
  for (const { table } of checkpoint.ledgers.filter((before) => !now.some(({ table: there }) => there === before.table))) problems.push(`the ledger ${table} is gone`);
  return { problems, warnings };
}

function ofImages({ state: before, release }: Checkpoint, now: PlatformState): Found {
  if (before.workloads.length === 0) return { problems: [], warnings: [] };
  const runs = ({ workloads }: PlatformState): string => JSON.stringify(workloads.map(({ kind, name, configSha256, images }) => [kind, name, configSha256, images.map(({ container, id }) => [container, id])]).sort());
  const gone = before.workloads.filter(({ kind, name }) => !now.workloads.some((there) => there.kind === kind && there.name === name)).map(({ name }) => name);
  return {
    problems: gone.length > 0 ? [`${gone.join(", ")} ${gone.length === 1 ? "does" : "do"} not run any more`] : [],
    warnings: runs(before) === runs(now) ? [`every image and its configuration are those from before: was ${release} deployed at all?`] : [],
  };
}
