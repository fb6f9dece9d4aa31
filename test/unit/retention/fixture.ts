/** Backups and policies as a test needs them: everything that is not said is ordinary. */
import { backupId } from "../../../src/catalog/layout.ts";
import type { RetainedBackup, Verification } from "../../../src/retention/backup.ts";
import type { Decisions } from "../../../src/retention/decide.ts";
import { noRules, type LabelPolicy, type RetentionPolicy } from "../../../src/retention/policy.ts";

export const day = 86_400_000;

export function backupAt(at: string | Date, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  const snapshotAt = new Date(at);
  return { id: backupId("ehr", snapshotAt, "7f3a"), database: "ehr", label: null, snapshotAt, problem: null, verification: { state: "never" }, proved: null, held: null, locked: null, checkpoint: null, ...changes };
}

/** Without limits, so that a test sees the rule that it is about. */
export function policyOf(changes: Partial<RetentionPolicy> = {}): RetentionPolicy {
  return { ...noRules, timeZone: "UTC", minimumAgeMs: 0, minimumCount: 0, requireVerified: null, labels: new Map<string, LabelPolicy>(), ...changes };
}

export const passed = (level: "stat" | "hash" | "archive" = "hash"): Verification => ({ state: "passed", at: new Date("2026-06-01T00:00:00Z"), level });
export const failed = (why = "part data was changed"): Verification => ({ state: "failed", at: new Date("2026-06-01T00:00:00Z"), why });

/** `<label or id's time>: reasons`, for golden texts. */
export function inWords({ keep, remove }: Decisions): string {
  const line = (verb: string, { backup, reasons }: Decisions["keep"][number]): string => `${verb} ${backup.snapshotAt.toISOString().slice(0, 16)}Z${backup.label === null ? "" : ` (${backup.label})`}  ${reasons.join("; ")}`;
  const lines = [...keep.map((each) => ({ each, verb: "keep  " })), ...remove.map((each) => ({ each, verb: "remove" }))];
  return `${lines.sort((a, b) => b.each.backup.snapshotAt.getTime() - a.each.backup.snapshotAt.getTime()).map(({ each, verb }) => line(verb, each)).join("\n")}\n`;
}

export const idsOf = (decisions: Decisions["keep"]): string[] => decisions.map(({ backup }) => backup.id);

/** Every night at `hour` UTC, from one day to another, both included. */
export function nightly(from: string, to: string, hour = 2): Date[] {
  const nights: Date[] = [];
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= Date.parse(`${to}T00:00:00Z`); at += day) nights.push(new Date(at + hour * 3_600_000));
  return nights;
}
