import { describe, expect, test } from "vitest";

import { decide } from "../../../src/retention/decide.ts";
import { noRules } from "../../../src/retention/policy.ts";
import { backupAt, day, failed, idsOf, inWords, nightly, passed, policyOf } from "./fixture.ts";

const now = new Date("2026-11-21T12:00:00Z");
const nights = (count: number, changes: (n: number) => Parameters<typeof backupAt>[1] = () => ({})) => Array.from({ length: count }, (_, n) => backupAt(new Date(Date.parse("2026-11-21T02:00:00Z") - n * day), changes(n)));

describe("the reasons read as in the golden files", () => {
  test("a year with all rules, in Berlin across both changes of the clocks", async () => {
    const backups = nightly("2025-11-22", "2026-11-21", 23).map((at) => backupAt(at));
    const policy = policyOf({ keepLast: 2, keepWithinMs: 3 * day, daily: 7, weekly: 5, monthly: 6, yearly: 2, timeZone: "Europe/Berlin", minimumCount: 1 });
    const { keep, remove } = decide(backups, policy, now);
    expect(keep.length + remove.length).toBe(365);
    await expect(inWords({ keep, remove: remove.slice(0, 2) })).toMatchFileSnapshot("__golden__/year-in-berlin.txt");
  });

  test("everything that protects, everything that does not count", async () => {
    const at = (n: number) => new Date(Date.parse("2026-11-20T02:00:00Z") - n * day);
    const backups = [
      backupAt(at(0), { verification: failed() }),
      backupAt(at(1), { verification: passed("stat") }),
      backupAt(at(2)),
      backupAt(at(3), { verification: passed("archive") }),
      backupAt(at(4), { problem: "manifest.json is not signed" }),
      backupAt(at(100), { held: { reason: "litigation 17", until: null } }),
      backupAt(at(101), { held: { reason: "audit", until: new Date("2026-12-24T00:00:00Z") } }),
      backupAt(at(102), { held: { reason: "audit", until: new Date("2026-11-20T00:00:00Z") } }),
      backupAt(at(103), { locked: new Date("2027-01-01T00:00:00Z") }),
      backupAt(at(104), { locked: new Date("2026-11-21T11:59:59Z") }),
      backupAt(at(105), { checkpoint: "release-1.4.2" }),
      backupAt(at(106), { proved: new Date("2026-09-01T00:00:00Z"), verification: passed("archive") }),
      backupAt(at(107), { proved: new Date("2026-10-01T00:00:00Z"), verification: passed("archive") }),
      backupAt(at(108), { verification: failed("part data was cut") }),
      backupAt(at(109), { problem: "manifest.json was changed" }),
      backupAt(at(110), { label: "pre-deploy" }),
    ];
    const policy = policyOf({ keepLast: 1, minimumAgeMs: 90 * day, requireVerified: "hash" });
    await expect(inWords(decide(backups, policy, now))).toMatchFileSnapshot("__golden__/protected-and-uncounted.txt");
  });

  test("while the last run failed", async () => {
    const lastRunFailed = { at: new Date("2026-11-21T02:00:10Z"), why: "pg_dump ended with 3" };
    await expect(inWords(decide(nights(4), policyOf({ keepLast: 1 }), now, { lastRunFailed }))).toMatchFileSnapshot("__golden__/last-run-failed.txt");
  });
});

test("the last two are kept by count, whatever their age", () => {
  const backups = nights(5);
  const { keep, remove } = decide(backups, policyOf({ keepLast: 2 }), new Date("2036-01-01T00:00:00Z"));
  expect([idsOf(keep), idsOf(remove)]).toEqual([backups.slice(0, 2).map(({ id }) => id), backups.slice(2).map(({ id }) => id)]);
});

test("of one hour, day, week, month and year the newest is kept", () => {
  const times = ["2026-11-21T11:50:00Z", "2026-11-21T11:10:00Z", "2026-11-21T09:00:00Z", "2026-11-20T23:00:00Z", "2026-11-13T01:00:00Z", "2026-10-31T23:00:00Z", "2026-10-01T01:00:00Z", "2025-12-31T23:00:00Z", "2025-01-01T01:00:00Z"];
  const kept = (rules: object) => decide(times.map((at) => backupAt(at)), policyOf(rules), now).keep.map(({ backup }) => backup.snapshotAt.toISOString().slice(0, 13));
  expect(kept({ hourly: 3 })).toEqual(["2026-11-21T11", "2026-11-21T09", "2026-11-20T23"]);
  expect(kept({ daily: 2 })).toEqual(["2026-11-21T11", "2026-11-20T23"]);
  expect(kept({ weekly: 2 })).toEqual(["2026-11-21T11", "2026-11-13T01"]);
  expect(kept({ monthly: 3 })).toEqual(["2026-11-21T11", "2026-10-31T23", "2025-12-31T23"]);
  expect(kept({ yearly: 5 })).toEqual(["2026-11-21T11", "2025-12-31T23"]);
});

test("when backups stop, what lies within the newest ones' time does not age out", () => {
  const later = new Date("2027-11-21T00:00:00Z");
  expect(decide(nights(10), policyOf({ keepWithinMs: 3 * day }), later).keep).toHaveLength(4);
});

test("a backup that failed verification does not take the place of one that counts", () => {
  const backups = nights(4, (n) => (n === 0 ? { verification: failed() } : {}));
  const { keep, remove } = decide(backups, policyOf({ keepLast: 1 }), now);
  expect(idsOf(keep)).toEqual([backups[1]!.id]);
  expect(idsOf(remove)).toContain(backups[0]!.id);
});

test("an unverified backup counts unless the policy asks for proof, and then a drill is proof enough", () => {
  const backups = nights(4, (n) => [{}, { verification: passed("stat") }, { proved: now }, { verification: passed("archive") }][n]!);
  const kept = (requireVerified: "stat" | "hash" | null) => idsOf(decide(backups, policyOf({ keepLast: 1, requireVerified }), now).keep);
  expect(kept(null)).toEqual([backups[0]!.id, backups[2]!.id]);
  expect(kept("stat")).toEqual([backups[1]!.id, backups[2]!.id]);
  expect(kept("hash")).toEqual([backups[2]!.id]);
});

test("the newest proved backup that is not known to be damaged is the one that is protected", () => {
  const backups = nights(5, (n) => ({ ...(n >= 3 && { proved: new Date("2026-11-20T00:00:00Z") }), ...(n === 3 && { verification: failed() }) }));
  const { keep } = decide(backups, policyOf({ keepLast: 1 }), now);
  expect(idsOf(keep)).toEqual([backups[0]!.id, backups[4]!.id]);
});

test("backups with a label of its own policy are counted apart, and the others' rules do not touch them", () => {
  const backups = nights(20, (n) => (n % 2 === 0 ? { label: "pre-deploy" } : { label: n === 1 ? "by-hand" : null }));
  const labels = new Map([["pre-deploy", { ...policyOf(), labels: undefined, ...noRules, keepLast: 3 }]]);
  const { keep, remove } = decide(backups, policyOf({ keepLast: 2, labels }), now);
  expect(idsOf(keep)).toEqual([0, 1, 2, 3, 4].map((n) => backups[n]!.id));
  expect(remove[0]).toEqual({ backup: backups[5], reasons: ["no rule keeps it (last 2)", "5 days old, past the minimum age"] });
  expect(remove[1]!.reasons[0]).toBe("no rule for the label pre-deploy keeps it (last 3)");
});

test("a policy that would leave nothing that counts is refused, and names how many it would take", () => {
  const refuse = (changes: Parameters<typeof nights>[1], policy: object) => () => decide(nights(3, changes), policyOf(policy), now);
  expect(refuse(() => ({ verification: failed() }), { keepLast: 2 })).toThrow(expect.objectContaining({ code: "refused", message: "the policy would remove 3 backups of ehr, and none of those left would count" }));
  expect(refuse(() => ({}), { keepLast: 2, requireVerified: "hash" })).toThrow("none of those left would count");
  // One that is held but damaged is no reason to let the others go.
  expect(refuse((n) => ({ verification: failed(), held: n === 0 ? { reason: "x", until: null } : null }), { keepLast: 2 })).toThrow("would remove 2 backups");
  expect(decide([], policyOf({ keepLast: 1 }), now)).toEqual({ keep: [], remove: [] });
});

test("a policy that keeps nothing, has negative or broken counts, or an unknown zone is refused", () => {
  const message = (changes: object) => () => decide(nights(1), policyOf({ keepLast: 1, ...changes }), now);
  expect(message({ keepLast: 0, minimumCount: 5, minimumAgeMs: day })).toThrow(expect.objectContaining({ code: "configuration", message: "the retention policy keeps nothing: every rule is 0" }));
  expect(message({ daily: -1 })).toThrow("the retention policy has daily -1, but it must be a whole number of 0 or more");
  expect(message({ minimumCount: 1.5 })).toThrow("minimumCount 1.5");
  expect(message({ keepWithinMs: Number.NaN })).toThrow("keepWithinMs NaN");
  expect(message({ timeZone: "Europe/Berlni" })).toThrow('the retention policy has the time zone "Europe/Berlni", which this machine does not know');
  expect(message({ labels: new Map([["pre-deploy", policyOf()]]) })).toThrow("the retention policy of the label pre-deploy keeps nothing");
});

test("the backups of two databases are not mixed", () => {
  expect(() => decide([backupAt(now), backupAt(now, { database: "clinic" })], policyOf({ keepLast: 1 }), now)).toThrow("several databases");
});
