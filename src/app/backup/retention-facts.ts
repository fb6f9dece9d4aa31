/** What is known of a database's backups when it is decided which of them stay: from the catalog, the timeline, holds and checkpoints. */
import { decode, type TimelineEntry } from "../../audit/entry.ts";
import { isInForce, readHolds } from "../../catalog/holds.ts";
import { signerOf } from "../../catalog/signatures.ts";
import { isValidAt } from "../../catalog/signer-window.ts";
import { listSummaries, type SummaryEntry } from "../../catalog/summaries.ts";
import type { RetainedBackup, Verification, VerificationLevel } from "../../retention/backup.ts";
import { verificationLevels } from "../../retention/backup.ts";
import type { Situation } from "../../retention/decide.ts";
import { protectedByCheckpoints } from "../checkpoint/protection.ts";
import type { Workplace } from "../context.ts";

export interface RetentionFacts extends Situation {
  /** Without the store's object locks, which are asked for only where they decide. */
  readonly backups: readonly RetainedBackup[];
  readonly entries: ReadonlyMap<string, SummaryEntry>;
}

export async function gatherFacts(workplace: Workplace, database: string, now: Date): Promise<RetentionFacts> {
  const { repository } = workplace;
  const { entries } = await listSummaries(repository, database);
  const [history, holds, checkpoints] = await Promise.all([readHistory(workplace, database), readHolds(repository, database), protectedByCheckpoints(repository, database, entries.map(({ id }) => id), now)]);
  const backups = entries.map(({ id, summary, problem }): RetainedBackup => {
    const hold = holds.get(id)?.hold ?? null;
    return {
      id, database,
      label: summary?.label ?? null,
      snapshotAt: summary === undefined ? timeOf(id) : new Date(summary.snapshotAt),
      problem: problem?.message ?? null,
      verification: history.verifications.get(id) ?? { state: "never" },
      proved: history.proved.get(id) ?? null,
      held: isInForce(hold, now) ? hold : null,
      locked: null,
      checkpoint: checkpoints.get(id) ?? null,
    };
  });
  return { backups, entries: new Map(entries.map((entry) => [entry.id, entry])), lastRunFailed: history.lastRunFailed };
}

/** What the name of an untrusted backup says; the beginning of time where it says nothing. */
function timeOf(id: string): Date {
  const [, date = "", time = ""] = /-(\d{8})T(\d{6})Z-[0-9a-f]{4}$/.exec(id) ?? [];
  const at = new Date(`${date.replace(/(\d{4})(\d\d)(\d\d)/, "$1-$2-$3")}T${time.replace(/(\d\d)(\d\d)(\d\d)/, "$1:$2:$3")}Z`);
  return Number.isNaN(at.getTime()) ? new Date(0) : at;
}

interface History {
  readonly verifications: Map<string, Verification>;
  readonly proved: Map<string, Date>;
  readonly lastRunFailed: Situation["lastRunFailed"];
}

/**
 * The timeline as far as it speaks of this database's backups. What would make a backup count needs a trusted signature;
 * a failure is believed of anybody.
 */
async function readHistory({ timeline, repository: { trusted } }: Workplace, database: string): Promise<History> {
  const verifications = new Map<string, Verification>();
  const proved = new Map<string, Date>();
  let lastRunFailed: Situation["lastRunFailed"];
  for await (const line of timeline.export()) {
    const envelope = decode(Buffer.from(line));
    if (envelope?.entry.subject["database"] !== database) continue;
    const { entry, signature, text } = envelope;
    const signer = signature === null ? undefined : signerOf(Buffer.from(text), signature.bytes, trusted);
    const isTrusted = signer !== undefined && isValidAt(signer, new Date(entry.recordedAt ?? entry.at));
    const at = new Date(entry.at);
    const { backup = "" } = entry.subject;
    if (entry.action === "verify") note(verifications, backup, verificationIn(entry, at, isTrusted));
    if (entry.action === "drill restore" && entry.subject["verdict"] === "pass" && isTrusted) {
      note(proved, backup, at);
      note(verifications, backup, { state: "passed", at, level: "archive" });
    }
    if (entry.action === "backup" && entry.outcome !== "ok") lastRunFailed = { at, why: entry.message ?? entry.code ?? entry.outcome };
    if (entry.action === "backup" && entry.outcome === "ok" && isTrusted) lastRunFailed = undefined;
  }
  return { verifications, proved, lastRunFailed };
}

function note<T>(facts: Map<string, T>, backup: string, fact: T | undefined): void {
  if (backup !== "" && fact !== undefined) facts.set(backup, fact);
}

/** A verification that could not be carried out says nothing about the backup; only one that found it wrong does. */
function verificationIn({ outcome, code, message, subject }: TimelineEntry, at: Date, isTrusted: boolean): Verification | undefined {
  if (outcome === "failed" && code === "integrity") return { state: "failed", at, why: message ?? "integrity" };
  if (outcome !== "ok" || !isTrusted) return undefined;
  return { state: "passed", at, level: levelOf(subject["level"]) };
}

function levelOf(text: string | undefined): VerificationLevel {
  return verificationLevels.find((level) => level === text) ?? "stat";
}
