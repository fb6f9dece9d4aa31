/** The live list as a terminal of a given width receives it: what it shows at the end, and what it showed on the way. */
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";

import { terminalReporter } from "../../../src/cli/terminal-reporter.ts";
import type { Event } from "../../../src/ports.ts";

/** A stream that says that it is a terminal, and keeps what it is sent. */
function terminal(columns: number) {
  const sent: string[] = [];
  const stream = Object.assign(new PassThrough(), { columns, rows: 50, isTTY: true });
  stream.on("data", (bytes: Buffer) => { sent.push(bytes.toString()); });
  return { stream: stream as never, all: () => stripVTControlCharacters(sent.join("")), lastDrawing: () => stripVTControlCharacters(sent.join("").split("\u001b[?25l").at(-1) ?? "") };
}

const plan: Event = { type: "plan", steps: [{ id: "inspect", title: "inspect" }, { id: "data", title: "dump data" }, { id: "truth", title: "read the truth" }, { id: "publish", title: "publish" }] };

/** Tells a story to a terminal and gives its last drawing, line by line, and all that was ever drawn. */
async function told(columns: number, events: readonly (Event | "drawn")[]): Promise<{ end: string[]; all: string }> {
  let time = 0;
  const { stream, all, lastDrawing } = terminal(columns);
  const reporter = terminalReporter(stream, () => new Date((time += 200)));
  for (const event of events) {
    // The list is drawn from the event loop; what is told before is shown in the first drawing.
    if (event === "drawn") await expect.poll(() => all().includes("publish")).toBe(true);
    else reporter.emit(event);
  }
  await reporter.close();
  await new Promise((resolve) => setImmediate(resolve));
  const drawings = all().split(/(?=^. inspect)/m);
  return { end: (drawings.at(-1) ?? lastDrawing()).trimEnd().split("\n"), all: all() };
}

test("two steps that run side by side are both shown at work, and each with its outcome", async () => {
  const { end, all } = await told(80, [
    plan,
    "drawn",
    { type: "step-started", step: "inspect" },
    { type: "step-finished", step: "inspect", detail: "PostgreSQL 15" },
    { type: "step-started", step: "data" },
    { type: "step-started", step: "truth" },
    { type: "progress", step: "data", bytes: 150_000_000, total: 300_000_000 },
    { type: "step-finished", step: "truth", detail: "2 tables, 1500000 rows" },
    { type: "step-finished", step: "data", detail: "306000000 bytes" },
    { type: "step-skipped", step: "publish", why: "a dry run" },
  ]);
  // Only lines that change are drawn again.
  expect(all).toMatch(/[^✔◼] dump data\n[^✔◼] read the truth\n {2}› 150 MB of about 300 MB\n[^✔◼] read the truth\n/);
  expect(end).toEqual(["✔ inspect: PostgreSQL 15", "✔ dump data: 306 MB", "✔ read the truth: 2 tables, 1 500 000 rows", "↓ publish: skipped, a dry run"]);
});

test("a failure is marked where it happened, what was not reached stays open, and its message is left to the error below", async () => {
  const { end, all } = await told(80, [
    plan,
    { type: "step-started", step: "inspect" },
    { type: "step-finished", step: "inspect" },
    { type: "step-started", step: "data" },
    { type: "step-started", step: "truth" },
    { type: "step-failed", step: "data", message: "pg_dump exited with 3" },
  ]);
  expect(end).toEqual(["✔ inspect", "✖ dump data", "✖ read the truth", "◼ publish"]);
  expect(all).not.toContain("exited with 3");
});

test("warnings come once, below the list; before a list they come at once", async () => {
  const { end, all } = await told(80, [{ type: "note", level: "warn", message: "early" }, plan, { type: "step-started", step: "inspect" }, { type: "note", level: "warn", message: "late" }, { type: "note", level: "debug", message: "hidden" }, { type: "step-finished", step: "inspect" }]);
  expect(all).toMatch(/^warning: early\n/);
  expect(end).toEqual(["✔ inspect", "◼ dump data", "◼ read the truth", "◼ publish", "warning: late"]);
  expect(all.match(/warning: /g)).toHaveLength(2);
  expect(all).not.toContain("hidden");
});

test("names are cut to the width, cannot draw over the list, and take one line each", async () => {
  const { end } = await told(40, [plan, { type: "step-started", step: "inspect" }, { type: "step-finished", step: "inspect", detail: `\u001b[2J患者\n${"x".repeat(100)}` }]);
  expect(end).toHaveLength(4);
  expect(end[0]).toMatch(/^✔ inspect: �\[2J患者; x+…$/);
});

test("a step that nobody planned is shown, not lost", async () => {
  const { end } = await told(80, [plan, { type: "step-started", step: "inspect" }, { type: "step-finished", step: "inspect" }, { type: "step-started", step: "extra" }, { type: "step-finished", step: "extra", detail: "done" }]);
  expect(end).toEqual(["✔ inspect", "◼ dump data", "◼ read the truth", "◼ publish", "✔ extra: done"]);
});
