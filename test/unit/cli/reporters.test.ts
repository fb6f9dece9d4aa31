/** Events in a log: which of them become a line, and what the line says. */
import { expect, test } from "vitest";

import { describeProgress, jsonReporter, lineReporter, pausable } from "../../../src/cli/reporters.ts";
import type { Event } from "../../../src/ports.ts";
import { registerSecret } from "../../../src/process/redact.ts";

const story: readonly (Event | number)[] = [
  { type: "plan", steps: [{ id: "inspect", title: "inspect" }, { id: "data", title: "dump data" }, { id: "truth", title: "read the truth" }, { id: "publish", title: "publish" }] },
  { type: "step-started", step: "inspect" },
  { type: "note", level: "warn", message: "one recipient\nonly" },
  { type: "note", level: "debug", message: "chose pg_dump 15" },
  { type: "step-finished", step: "inspect", detail: "PostgreSQL 15" },
  { type: "step-started", step: "data" },
  { type: "progress", step: "data", bytes: 1_000_000, total: 300_000_000 },
  { type: "step-started", step: "truth" },
  1_500,
  { type: "progress", step: "data", bytes: 150_000_000, total: 300_000_000 },
  { type: "step-skipped", step: "truth", why: "not asked for" },
  9_000,
  { type: "progress", step: "data", bytes: 200_000_000, total: 300_000_000 },
  { type: "step-failed", step: "data", message: "pg_dump exited with 3" },
  { type: "note", level: "info", message: "the password is correct-horse" },
];

type Reporter = (write: (line: string) => void, now: () => Date) => { emit: (event: Event) => void };

function told(make: Reporter): string[] {
  registerSecret("correct-horse");
  let time = Date.parse("2026-11-21T02:00:00Z");
  const lines: string[] = [];
  const reporter = make((line) => lines.push(line), () => new Date(time));
  for (const event of story) {
    if (typeof event === "number") time += event;
    else reporter.emit(event);
  }
  return lines;
}

test("without a terminal an event that matters is one plain line", () => {
  expect(told((write, now) => lineReporter({ quiet: false, verbose: false }, write, now))).toEqual([
    "warning: one recipient; only",
    "inspect: PostgreSQL 15",
    "read the truth: skipped, not asked for",
    "dump data: 200 MB of about 300 MB, 19.0 MB/s, 5.3 s left",
    "dump data: failed",
    "the password is ***",
  ]);
});

test("verbose shows every start, progress each second and debug notes", () => {
  expect(told((write, now) => lineReporter({ quiet: false, verbose: true }, write, now))).toEqual([
    "inspect…",
    "warning: one recipient; only",
    "chose pg_dump 15",
    "inspect: PostgreSQL 15",
    "dump data…",
    "read the truth…",
    "dump data: 150 MB of about 300 MB, 100 MB/s, 1.5 s left",
    "read the truth: skipped, not asked for",
    "dump data: 200 MB of about 300 MB, 19.0 MB/s, 5.3 s left",
    "dump data: failed",
    "the password is ***",
  ]);
});

test("quiet shows warnings only, in text and in JSON", () => {
  expect(told((write, now) => lineReporter({ quiet: true, verbose: false }, write, now))).toEqual(["warning: one recipient; only"]);
  expect(told((write, now) => jsonReporter({ quiet: true, verbose: false }, write, now))).toEqual(['{"time":"2026-11-21T02:00:00.000Z","type":"note","level":"warn","message":"one recipient\\nonly"}']);
});

test("a JSON log has every event with its time on a line of its own, and no secret", () => {
  const lines = told((write, now) => jsonReporter({ quiet: false, verbose: false }, write, now));
  const events = lines.map((line) => JSON.parse(line) as Event & { time: string });
  expect(events.map(({ type }) => type)).toEqual(["plan", "step-started", "note", "step-finished", "step-started", "step-started", "progress", "step-skipped", "progress", "step-failed", "note"]);
  expect(events[6]).toEqual({ time: "2026-11-21T02:00:01.500Z", type: "progress", step: "data", bytes: 150_000_000, total: 300_000_000 });
  expect(lines.join()).not.toContain("correct-horse");
});

test("a rate is told once it means something, and an estimate until it has been passed", () => {
  const since = new Date(0);
  expect(describeProgress({ bytes: 5_000, total: 9_000_000 }, since, new Date(100))).toBe("5.0 kB of about 9.0 MB");
  expect(describeProgress({ bytes: 5_000_000, total: 9_000_000 }, since, new Date(2_000))).toBe("5.0 MB of about 9.0 MB, 2.5 MB/s, 1.6 s left");
  expect(describeProgress({ bytes: 9_500_000, total: 9_000_000 }, since, new Date(2_000))).toBe("9.5 MB, 4.8 MB/s");
  expect(describeProgress({ bytes: 0, total: 9 }, since, new Date(5_000))).toBe("0 B of about 9 B");
  expect(describeProgress({ bytes: 7 }, undefined, new Date(0))).toBe("7 B");
});

test("a question ends the drawing, and what has not ended yet is drawn anew below it once something goes on", async () => {
  const drawings: string[][] = [];
  const reporter = pausable(() => {
    const told: string[] = [];
    drawings.push(told);
    return {
      emit: (event) => { told.push(event.type === "plan" ? `plan ${event.steps.map(({ id }) => id).join(" ")}` : "step" in event ? `${event.type} ${event.step}` : event.type); },
      close: () => { told.push("closed"); return Promise.resolve(); },
    };
  });
  reporter.emit({ type: "plan", steps: [{ id: "look", title: "look" }, { id: "swap", title: "swap" }] });
  reporter.emit({ type: "step-started", step: "look" });
  reporter.emit({ type: "step-finished", step: "look" });
  await reporter.pause();
  expect(drawings[1]).toEqual([]);
  reporter.emit({ type: "step-started", step: "swap" });
  await reporter.close();
  expect(drawings).toEqual([["plan look swap", "step-started look", "step-finished look", "closed"], ["plan swap", "step-started swap", "closed"]]);
});
