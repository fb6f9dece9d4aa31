/** What holds for whatever backups there are and whatever a policy asks for. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { RetainedBackup } from "../../../src/retention/backup.ts";
import { type Decisions, decide, type Situation } from "../../../src/retention/decide.ts";
import { type LabelPolicy, keepsNothing, type RetentionPolicy } from "../../../src/retention/policy.ts";
import { whyItDoesNotCount } from "../../../src/retention/reasons.ts";
import { backupAt, day, idsOf, policyOf } from "./fixture.ts";

const start = Date.parse("2024-12-20T00:00:00Z");
const instant = fc.integer({ min: 0, max: 800 * 24 * 4 }).map((quarters) => new Date(start + quarters * 900_000));
const later = fc.integer({ min: 0, max: 400 * 24 }).map((hours) => hours * 3_600_000);
const seldom = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 5, nil: null });

const backup = fc.record({
  snapshotAt: instant,
  suffix: fc.integer({ min: 0, max: 0xffff }),
  label: fc.constantFrom(null, null, null, "pre-deploy", "by-hand"),
  problem: seldom(fc.constant("its manifest is not signed")),
  verification: fc.oneof(
    fc.constant({ state: "never" as const }),
    fc.record({ state: fc.constant("passed" as const), at: instant, level: fc.constantFrom("stat" as const, "hash" as const, "archive" as const) }),
    fc.record({ state: fc.constant("failed" as const), at: instant, why: fc.constant("part data was changed") }),
  ),
  proved: seldom(instant),
  held: seldom(fc.record({ reason: fc.constant("litigation"), until: fc.option(instant, { nil: null }) })),
  locked: seldom(instant),
  checkpoint: seldom(fc.constant("release-1")),
}).map(({ suffix, ...facts }): RetainedBackup => ({ ...backupAt(facts.snapshotAt), ...facts, id: `ehr-${facts.snapshotAt.toISOString()}-${suffix.toString(16).padStart(4, "0")}` }));

const backups = fc.uniqueArray(backup, { selector: ({ id }) => id, maxLength: 60 });

const rules: fc.Arbitrary<LabelPolicy> = fc.record({
  keepLast: fc.nat(4), keepWithinMs: fc.constantFrom(0, 0, day, 30 * day), hourly: fc.nat(3), daily: fc.nat(5), weekly: fc.nat(3), monthly: fc.nat(3), yearly: fc.nat(2),
  timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
  minimumAgeMs: fc.constantFrom(0, day, 90 * day), minimumCount: fc.nat(4), requireVerified: fc.constantFrom(null, null, "hash" as const, "archive" as const),
}).filter((policy) => !keepsNothing(policy));

const policy: fc.Arbitrary<RetentionPolicy> = fc.record({ own: rules, label: fc.option(rules, { nil: undefined }) })
  .map(({ own, label }) => policyOf({ ...own, labels: new Map(label ? [["pre-deploy", label]] : []) }));

/** Undefined where the policy is refused. */
function decided(given: readonly RetainedBackup[], asked: RetentionPolicy, now: Date, situation?: Situation): Decisions | undefined {
  try {
    return decide(given, asked, now, situation);
  } catch (error) {
    expect(error).toMatchObject({ code: "refused" });
    return undefined;
  }
}

const policyFor = (of: RetainedBackup, asked: RetentionPolicy): LabelPolicy => (of.label === null ? undefined : asked.labels.get(of.label)) ?? asked;
const counts = (each: RetainedBackup, asked: RetentionPolicy): boolean => whyItDoesNotCount(each, policyFor(each, asked)) === undefined;
const check = (property: fc.IProperty<[RetainedBackup[], RetentionPolicy, Date]> | fc.IProperty<[RetainedBackup[], RetentionPolicy, Date, number]>): void => { fc.assert(property as fc.IProperty<unknown>, { numRuns: 400 }); };

describe("whatever there is and whatever is asked for", () => {
  test("every backup is decided exactly once, with reasons that say something", () => {
    check(fc.property(backups, policy, instant, (given, asked, now) => {
      const found = decided(given, asked, now);
      if (!found) return;
      expect([...idsOf(found.keep), ...idsOf(found.remove)].sort()).toEqual(given.map(({ id }) => id).sort());
      for (const { reasons } of [...found.keep, ...found.remove]) {
        expect(reasons.length).toBeGreaterThan(0);
        for (const reason of reasons) expect(reason).toMatch(/^\S.*[^.\s]$/);
      }
    }));
  });

  test("the order in which backups are given does not matter", () => {
    check(fc.property(backups, policy, instant, fc.nat(), (given, asked, now, seed) => {
      const shuffled = given.map((each, n) => ({ each, rank: (n * 7919 + seed) % 61 })).sort((a, b) => a.rank - b.rank).map(({ each }) => each);
      expect(decided(shuffled, asked, now)).toEqual(decided(given, asked, now));
    }));
  });

  test("deciding again about what was kept removes nothing more", () => {
    check(fc.property(backups, policy, instant, (given, asked, now) => {
      const found = decided(given, asked, now);
      if (!found) return;
      const again = decide(found.keep.map(({ backup: kept }) => kept), asked, now);
      expect(again.remove).toEqual([]);
    }));
  });

  test("what may go at one time may go at any later one", () => {
    check(fc.property(backups, policy, instant, later, (given, asked, now, wait) => {
      const [early, late] = [decided(given, asked, now), decided(given, asked, new Date(now.getTime() + wait))];
      if (!early || !late) return;
      const gone = new Set(idsOf(late.remove));
      expect(idsOf(early.remove).filter((id) => !gone.has(id))).toEqual([]);
    }));
  });

  test("pruning now and again later leaves what pruning once, later, would leave of the same backups", () => {
    check(fc.property(backups, policy, instant, later, (given, asked, now, wait) => {
      const then = new Date(now.getTime() + wait);
      // Newer ones come in between, as they do every night.
      const [before, all] = [given.filter(({ snapshotAt }) => snapshotAt <= now), given.filter(({ snapshotAt }) => snapshotAt <= then)];
      const [first, once] = [decided(before, asked, now), decided(all, asked, then)];
      if (!first || !once) return;
      const left = all.filter(({ id }) => !idsOf(first.remove).includes(id));
      const twice = decide(left, asked, then);
      const isHeldThen = ({ held, locked }: RetainedBackup): boolean => (held !== null && (held.until === null || held.until > then)) || (locked !== null && locked > then);
      // A drill proves new ones in between, so that the one that was the newest proved is not any more.
      expect(idsOf(once.keep).filter((id) => !idsOf(twice.keep).includes(id) && !isHeldThen(given.find((each) => each.id === id)!))).toEqual([]);
      expect(idsOf(twice.keep).filter((id) => !idsOf(once.keep).includes(id))).toEqual([]);
    }));
  });

  test("the newest that count, as many as the minimum, are never removed, nor is anything too young", () => {
    check(fc.property(backups, policy, instant, (given, asked, now) => {
      const found = decided(given, asked, now);
      if (!found) return;
      for (const label of [null, "pre-deploy"]) {
        const group = given.filter((each) => (asked.labels.has(each.label ?? "") ? each.label : null) === label);
        const own = (label === null ? undefined : asked.labels.get(label)) ?? asked;
        const counting = group.filter((each) => counts(each, asked)).length;
        const kept = found.keep.filter(({ backup: each }) => group.includes(each) && counts(each, asked)).length;
        expect(kept).toBeGreaterThanOrEqual(Math.min(counting, own.minimumCount));
      }
      for (const { backup: gone } of found.remove) expect(now.getTime() - gone.snapshotAt.getTime()).toBeGreaterThanOrEqual(policyFor(gone, asked).minimumAgeMs);
    }));
  });

  test("what is proved last, held, locked, of a checkpoint or not trusted is never removed, and something that counts is always left", () => {
    check(fc.property(backups, policy, instant, (given, asked, now) => {
      const found = decided(given, asked, now);
      if (!found) return;
      const proved = given.filter((each) => each.proved !== null && each.problem === null && each.verification.state !== "failed");
      const newest = Math.max(...proved.map(({ snapshotAt }) => snapshotAt.getTime()));
      expect(found.keep.some(({ backup: each }) => proved.includes(each) && each.snapshotAt.getTime() === newest)).toBe(proved.length > 0);
      for (const { backup: gone } of found.remove) {
        expect(gone.problem).toBeNull();
        expect(gone.checkpoint).toBeNull();
        expect(gone.held === null || (gone.held.until !== null && gone.held.until <= now)).toBe(true);
        expect(gone.locked === null || gone.locked <= now).toBe(true);
      }
      if (found.remove.length > 0) expect(found.keep.some(({ backup: each }) => counts(each, asked))).toBe(true);
    }));
  });

  test("nothing at all is removed while the last run failed", () => {
    check(fc.property(backups, policy, instant, (given, asked, now) => {
      expect(decided(given, asked, now, { lastRunFailed: { at: now, why: "pg_dump ended with 3" } })?.remove).toEqual([]);
    }));
  });
});
