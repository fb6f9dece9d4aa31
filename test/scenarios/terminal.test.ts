/** What a person at a terminal is asked before and in the middle, what he sees then, and what his answer does. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RollbackJson } from "../../src/cli/rollback-view.ts";
import { type Workbench, workbench } from "../harness/cli.ts";
import { badRelease, columns } from "../harness/database-rollbacks.ts";
import { createDatabase } from "../harness/postgres.ts";
import { journalOf, performedSteps } from "../harness/runbooks.ts";
import { atTerminal, type Terminal, terminalMissing } from "../harness/terminal.ts";

const missing = await terminalMissing();
const testIfTerminal = test.skipIf(missing !== undefined);
const why = missing === undefined ? "" : ` (skipped: ${missing})`;

const stepOf = (id: string, title: string, more = ""): string => `## ${title}

It leaves a file.

\`\`\`yaml holdfast
id: ${id}
${more}run: [touch, "{{folder}}/${id}"]
after:
  - run: [test, -e, "{{folder}}/${id}"]
undo: [rm, "{{folder}}/${id}"]
\`\`\`
`;

const runbook = `---
id: three-marks
title: Three marks
platform: none
severity: SEV-3
owner: the tests
lastReviewed: 2026-11-01
preconditions: []
inputs:
  folder:
    type: path
    description: Where the marks are made.
---

# Three marks

For a test.

${stepOf("first", "Make the first mark")}
${stepOf("second", "Make the second mark", "confirm: true\n")}
${stepOf("third", "Make the third mark")}`;

/** A bench on which a runbook can be executed that leaves a file with each step. */
async function benchWithRunbook(): Promise<Workbench & { marks(): Promise<string[]> }> {
  const database = await createDatabase();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  await writeFile(join(bench.folder, "three-marks.md"), runbook);
  return { ...bench, marks: async () => (await readdir(bench.folder)).filter((name) => ["first", "second", "third"].includes(name)) };
}

testIfTerminal(`a step that wants to be confirmed is asked about where nothing draws over it; its name goes on, anything else stops there${why}`, async () => {
  const bench = await benchWithRunbook();
  const input = ["--input", `folder=${bench.folder}`];
  let terminal = atTerminal(bench, "rollback", "--runbook", "three-marks.md", ...input);
  await terminal.shows(/Type three-marks to go ahead, anything else to leave it:$/);
  expect(await bench.marks()).toEqual([]);
  terminal.type("three-marks");
  await terminal.shows(/Type second to go ahead/);
  // The picture moves ten times a second; what stands there after a while is what a person reads.
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  expect(terminal.screen()).toMatch(/✔ Make the first mark.*\n◼ Make the second mark\n◼ Make the third mark\n\n# Three marks\n[^]*\n## 2\. \[ \] Make the second mark\n[^]*\nType second to go ahead, anything else to leave it:$/);
  const { id } = await journalOf(bench);

  const answers: readonly (readonly [answer: (at: Terminal) => void, code: number, says: RegExp])[] = [
    [(at) => { at.type("yes"); }, 19, /leave it: yes\nerror: the step "Make the second mark" was not confirmed\n +→ Once that is mended, go on with `holdfast rollback resume runbook-ehr-/],
    [(at) => { at.press("\u0003"); }, 130, /error: cancelled at the question\n +→ Once that is mended, go on with `holdfast rollback resume runbook-ehr-/],
    [(at) => { at.press("\u0004"); }, 130, /error: cancelled at the question\n/],
    [(at) => { at.hangUp(); }, 130, /leave it:$/],
  ];
  for (const [answer, code, says] of answers) {
    answer(terminal);
    expect(await terminal.ended(), String(says)).toBe(code);
    expect(terminal.screen()).toMatch(says);
    expect(await bench.marks()).toEqual(["first"]);
    terminal = atTerminal(bench, "rollback", "resume", id, ...input);
    await terminal.shows(/Type second to go ahead/);
  }
  terminal.type("second");
  expect(await terminal.ended()).toBe(0);
  // The question stays with its answer, and what was left is drawn once below it.
  expect(terminal.screen()).toMatch(/leave it: second\n✔ Make the second mark.*\n✔ Make the third mark.*\n\n?\S/);
  expect(terminal.screen().match(/^. Make the third mark/gm)).toEqual(["◼ Make the third mark", "✔ Make the third mark"]);
  expect(await bench.marks()).toEqual(["first", "second", "third"]);

  const { entries } = await journalOf(bench);
  expect(performedSteps(entries)).toEqual({ first: 1, second: 1, third: 1 });
  expect(entries.map(({ kind }) => kind).slice(0, 8)).toEqual(["step-begun", "step-noted", "step-done", "resumed", "resumed", "resumed", "resumed", "step-begun"]);
  const told = (await bench.ok("audit", "show", "--json")).json<{ action: string; outcome: string }[]>();
  expect(told.filter(({ action }) => action.startsWith("runbook")).map(({ outcome }) => outcome)).toEqual(["failed", "cancelled", "cancelled", "cancelled", "ok"]);
}, 180_000);

testIfTerminal(`a rollback shows its plan and wants the name of the place: with anything else nothing is touched, with it it is carried out${why}`, async () => {
  const place = await badRelease();
  const before = await place.databases();
  const asked = async (): Promise<Terminal> => {
    const terminal = atTerminal(place, "rollback", "--to", "1.0.0");
    await terminal.shows(`Type ${place.name} to go ahead, anything else to leave it:`);
    expect(terminal.screen()).toMatch(/DATA LOST[^]*public\.patients +2 /);
    return terminal;
  };
  const answers: readonly (readonly [answer: (at: Terminal) => void, code: number, says: RegExp])[] = [
    [(at) => { at.type("production"); }, 19, /"production" was typed, but the place that is rolled back is [^]*Nothing was changed\.[^]*\(exit 19: /],
    [(at) => { at.type(""); }, 19, /"" was typed, but[^]*\(exit 19: /],
    [(at) => { at.hangUp(); }, 130, /leave it:$/],
  ];
  for (const [answer, code, says] of answers) {
    const terminal = await asked();
    answer(terminal);
    expect(await terminal.ended()).toBe(code);
    expect(terminal.screen()).toMatch(says);
    expect(await place.databases()).toEqual(before);
    expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });
  }
  expect((await place.ok("rollback", "list", "--json")).json<RollbackJson[]>()).toEqual([]);
  expect((await place.ok("incident", "list", "--json")).json()).toEqual([]);

  const terminal = await asked();
  terminal.type(place.name);
  expect(await terminal.ended()).toBe(0);
  expect(terminal.screen()).toMatch(new RegExp(`leave it: ${place.name}\n✔ restore [^]*\n✔ observe: `));
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
}, 180_000);
