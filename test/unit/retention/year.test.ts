/** A year as it happens: a backup each night, deploys, failures, verifications and drills, and a prune after each success. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RetainedBackup } from "../../../src/retention/backup.ts";
import { decide } from "../../../src/retention/decide.ts";
import { noRules, type RetentionPolicy } from "../../../src/retention/policy.ts";
import { backupAt, day, policyOf } from "./fixture.ts";

const page = join(import.meta.dirname, "..", "..", "..", "docs", "retention.md");
const [begin, end] = ["<!-- The year: written by a test. -->", "<!-- End of the year. -->"];

const limits = { timeZone: "Europe/Berlin", minimumAgeMs: 90 * day, minimumCount: 3, requireVerified: "hash" as const };
const policy: RetentionPolicy = policyOf({ ...limits, daily: 14, weekly: 8, monthly: 12, yearly: 7, labels: new Map([["pre-deploy", { ...noRules, ...limits, keepLast: 10, minimumAgeMs: 14 * day }]]) });

interface Night {
  readonly at: Date;
  /** Whether the run succeeds. */
  readonly succeeds: boolean;
  readonly verifies: "passed" | "failed" | "never";
}

/** Of 365 nights, what goes wrong when. */
function nightOf(n: number): Night {
  // 03:00 in Berlin, summer and winter: 01:00 or 02:00 UTC.
  const at = new Date(Date.parse("2025-12-01T02:00:00Z") + n * day - (n >= 119 && n < 329 ? 3_600_000 : 0));
  const outage = n >= 200 && n < 204;
  return { at, succeeds: !outage && n % 61 !== 17, verifies: n === 150 || n === 364 - 40 ? "failed" : n >= 230 && n < 240 ? "never" : "passed" };
}

interface Year {
  readonly now: Date;
  readonly made: number;
  readonly failed: number;
  readonly removed: number;
  readonly most: number;
  readonly left: readonly RetainedBackup[];
}

function live(): Year {
  let left: RetainedBackup[] = [];
  let [made, failed, removed, most] = [0, 0, 0, 0];
  let now = new Date(0);
  for (let n = 0; n < 365; n += 1) {
    const { at, succeeds, verifies } = nightOf(n);
    now = new Date(at.getTime() + 1_800_000);
    if (!succeeds) {
      failed += 1;
      // A prune by hand while the last run has failed removes nothing.
      expect(decide(left, policy, now, { lastRunFailed: { at, why: "pg_dump ended with 3" } }).remove).toEqual([]);
      continue;
    }
    const verification = verifies === "never" ? { state: "never" as const } : verifies === "passed" ? { state: "passed" as const, at: now, level: "hash" as const } : { state: "failed" as const, at: now, why: "part data was changed" };
    const deploy = n % 12 === 5 ? [backupAt(new Date(at.getTime() + 8 * 3_600_000), { label: "pre-deploy", verification: { state: "passed", at: now, level: "hash" } })] : [];
    left.push(backupAt(at, { verification }), ...deploy);
    made += 1 + deploy.length;
    // The first of each quarter's backups is drilled a week later; a lawyer asks for one in spring.
    left = left.map((backup) => ((n === 97 || n === 187 || n === 277) && backup.snapshotAt.getTime() === nightOf(n - 7).at.getTime() ? { ...backup, proved: now } : backup));
    left = left.map((backup) => (n === 160 && backup.snapshotAt.getTime() === nightOf(101).at.getTime() ? { ...backup, held: { reason: "litigation 17", until: null } } : backup));
    const { keep, remove } = decide(left, policy, new Date(at.getTime() + 9 * 3_600_000));
    most = Math.max(most, left.length);
    removed += remove.length;
    left = keep.map(({ backup }) => backup);
  }
  return { now: new Date(now.getTime() + 9 * 3_600_000), made, failed, removed, most, left };
}

function table({ now, made, failed, removed, most, left }: Year): string {
  const { keep } = decide(left, policy, now);
  const old = keep.filter(({ backup }) => now.getTime() - backup.snapshotAt.getTime() >= 90 * day);
  const rows = old.map(({ backup, reasons }) => `| ${backup.snapshotAt.toISOString().slice(0, 16).replace("T", " ")} | ${reasons.join("; ")} |`);
  const young = keep.length - old.length;
  return `${begin}
In this year ${made} backups were made and ${failed} runs failed; ${removed} backups were removed, and never were more than ${most} there. At its
end, ${keep.length} are left: ${young} that are younger than 90 days, of which ${keep.filter(({ backup }) => backup.label !== null && now.getTime() - backup.snapshotAt.getTime() < 90 * day).length} are from before a deploy, and these:

| Snapshot (UTC) | Why it is still there |
| --- | --- |
${rows.join("\n")}
${end}`;
}

test("the table of a year on the page about retention is what the policy comes to", async () => {
  const year = live();
  const text = await readFile(page, "utf8");
  const shown = text.slice(text.indexOf(begin), text.indexOf(end) + end.length);
  const found = table(year);
  if (process.env["UPDATE_RETENTION"] === "1") await writeFile(page, text.replace(shown, found));
  else expect(shown).toBe(found);
});

test("after a year what is drilled, held and asked for is there, and the nights without a proof have left no gap in the months", () => {
  const { left, now } = live();
  expect(left.filter(({ held }) => held !== null)).toHaveLength(1);
  expect(left.filter(({ proved }) => proved !== null).some(({ snapshotAt }) => snapshotAt.getTime() === nightOf(270).at.getTime())).toBe(true);
  const months = new Set(left.filter(({ verification }) => verification.state === "passed").map(({ snapshotAt }) => snapshotAt.toISOString().slice(0, 7)));
  expect(months.size).toBe(12);
  // Whatever failed verification or was never verified has gone once it was old enough.
  const unproved = left.filter(({ verification, snapshotAt }) => verification.state !== "passed" && now.getTime() - snapshotAt.getTime() > 90 * day);
  expect(unproved).toEqual([]);
});
