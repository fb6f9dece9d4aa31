import { expect, test } from "vitest";

import type { JournalEntry, JournalNote } from "../../../../src/rollback/journal/journal.ts";
import { downtime, measuredBy, startMeasuredBy } from "../../../../src/rollback/plan/downtime.ts";
import { stopsShape } from "../../../../src/rollback/plan/plan.ts";
import type { RehearsalEvidence } from "../../../../src/rollback/rehearsal/evidence.ts";

const id = "rollback-ehr-20261121T020000Z-7f3a";

/** A journal of notes, each so many seconds after the beginning. */
function journal(...notes: readonly (readonly [seconds: number, note: JournalNote])[]): JournalEntry[] {
  const by = { user: "ann", host: "db1", operator: null, pid: 1 };
  return notes.map(([seconds, note], at) => ({ run: id, sequence: at + 1, previous: null, at: new Date(1_800_000_000_000 + seconds * 1000).toISOString(), by, ...note }));
}

const begun = (step: string): JournalNote => ({ kind: "step-begun", step });
const done = (step: string, found = false): JournalNote => ({ kind: "step-done", step, facts: {}, found });
const whole = [
  [0, begun("restore-beside")], [60, done("restore-beside")], [60, begun("maintenance-on")], [64, done("maintenance-on")], [64, begun("safety-backup")], [70, done("safety-backup")],
  [70, begun("swap")], [70.5, done("swap")], [71, begun("start-previous")], [80, done("start-previous")], [80, begun("maintenance-off")], [81, done("maintenance-off")], [81, begun("observe")], [84, done("observe")],
] as const;

test("a former rollback tells how long its stop, its swap and its start until it was observed took", () => {
  expect(measuredBy(id, journal(...whole))).toEqual({ stop: { seconds: 4, from: id }, swap: { seconds: 0.5, from: id }, start: { seconds: 13, from: id } });
});

test("the several steps of a platform belong to its start, and a rollback of the database alone measures none", () => {
  const kubernetes = journal([0, begun("start:deployment/app")], [2, done("start:deployment/app")], [2, begun("start:deployment/worker")], [5, done("start:deployment/worker")], [5, begun("rollout")], [25, done("rollout")], [25, begun("observe")], [26, done("observe")]);
  expect(measuredBy(id, kubernetes)).toEqual({ stop: undefined, swap: undefined, start: { seconds: 26, from: id } });
  expect(measuredBy(id, journal([0, begun("swap")], [1, done("swap")], [1, begun("observe")], [2, done("observe")])).start).toBeUndefined();
});

test.each([
  ["was resumed in between", [[70, begun("swap")], [80, { kind: "resumed" }], [90, done("swap")]]],
  ["was found done by a later run", [[70, begun("swap")], [80, { kind: "resumed" }], [90, done("swap", true)]]],
  ["had failed before", [[70, begun("swap")], [71, { kind: "step-failed", step: "swap", code: "bug", message: "x" }], [80, { kind: "resumed" }], [81, begun("swap")], [82, done("swap")]]],
] as const)("a step that %s measures nothing", (_, notes) => {
  expect(measuredBy(id, journal(...notes)).swap).toBeUndefined();
});

test("a start of which one step was resumed is not measured by the rest", () => {
  const notes = whole.flatMap((each) => (each[1] === whole[8][1] ? [each, [75, { kind: "resumed" }] as const] : [each]));
  expect(measuredBy(id, journal(...notes))).toMatchObject({ swap: { seconds: 0.5 }, start: undefined });
});

const evidence = (outcomes: Readonly<Record<string, "pass" | "fail" | "left-out">>, verdict: RehearsalEvidence["verdict"] = "pass"): RehearsalEvidence =>
  ({ id: "rehearsal-1", verdict, checks: Object.entries(outcomes).map(([check, outcome], at) => ({ id: check, title: check, outcome, detail: "", seconds: at + 1 })) }) as unknown as RehearsalEvidence;

test("a rehearsal that passed tells how long the images took to be healthy; one without a health check, or that failed, does not", () => {
  const all = { restore: "pass", "application:running": "pass", "application:health": "pass", "application:services": "pass", smoke: "pass" } as const;
  expect(startMeasuredBy(evidence(all))).toEqual({ seconds: 2 + 3 + 4, from: "rehearsal-1" });
  expect(startMeasuredBy(evidence({ ...all, "application:health": "left-out" }))).toBeUndefined();
  expect(startMeasuredBy(evidence({ restore: "pass", smoke: "pass" }))).toBeUndefined();
  expect(startMeasuredBy(evidence({ ...all, smoke: "fail" }, "fail"))).toBeUndefined();
});

const by = (seconds: number, from: string): { seconds: number; from: string } => ({ seconds, from });
const swap = { strategy: "restore-and-swap", safetyBackup: true, platform: true, maintenance: false } as const;

test("the standstill is the sum of its parts, each with what it is from", () => {
  const found = downtime(swap, { stop: by(4, "rollback-1"), safetyBackup: by(12, "the last backup, ehr-1"), swap: by(0.5, "rollback-1"), start: by(9, "rehearsal-1"), restore: by(61, "drill-1") });
  expect(stopsShape.parse({ workloads: ["app"], ...found })).toMatchObject({ seconds: 26 });
  expect(found.parts.map((part) => [part.id, part.seconds, part.from])).toEqual([["stop", 4, "rollback-1"], ["safety-backup", 12, "the last backup, ehr-1"], ["swap", 0.5, "rollback-1"], ["start", 9, "rehearsal-1"]]);
  expect(found.basis).toBe("restoring beside takes about 1 min 1 s (drill-1) and stops nothing; to stop what writes 4.0 s (rollback-1); the safety backup 12 s (the last backup, ehr-1); the swap 0.5 s (rollback-1); the start of the previous images until they are healthy 9.0 s (rehearsal-1)");
});

test("a part that was never measured is named as not known, and there is no sum that lacks it", () => {
  const { seconds, parts, basis } = downtime(swap, { stop: by(4, "rollback-1"), safetyBackup: by(12, "the last backup, ehr-1"), swap: by(0.5, "rollback-1") });
  expect([seconds, parts.at(-1)]).toEqual([null, { id: "start", seconds: null, from: "neither a rehearsal of this checkpoint nor a rollback that ended well has measured it" }]);
  expect(basis).toMatch(/^restoring beside stops nothing, and how long it takes is NOT KNOWN .*; the start of the previous images until they are healthy NOT KNOWN \(neither/);
});

test("each way has its own parts", () => {
  const ids = (question: Partial<typeof swap> | Record<string, unknown>): string[] => downtime({ ...swap, ...question }, {}).parts.map(({ id: part }) => part);
  expect(ids({ strategy: "images-only" })).toEqual(["start"]);
  expect(ids({ strategy: "down-sql" })).toEqual(["stop", "safety-backup", "down-sql", "start"]);
  expect(ids({ safetyBackup: false })).toEqual(["stop", "swap", "start"]);
  expect(ids({ platform: false })).toEqual(["safety-backup", "swap"]);
  expect(ids({ platform: false, maintenance: true })).toEqual(["stop", "safety-backup", "swap"]);
  expect(downtime({ ...swap, platform: false }, {}).basis).toContain("what uses the database is stopped and started by you, which is not counted");
});
