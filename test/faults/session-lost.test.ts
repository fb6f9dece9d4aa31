/** A connection that is lost in the middle of a rollback: its terminal goes away, and the kernel sends SIGHUP to all that ran there. */
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackJson, ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { badRelease, columns, way } from "../harness/database-rollbacks.ts";
import { type Hold, heldTools } from "../harness/held-tools.ts";
import { atTerminal, terminalMissing } from "../harness/terminal.ts";

const missing = await terminalMissing();
const why = missing === undefined ? "" : ` (skipped: ${missing})`;

/** In the middle of which steps, in the order in which they come: what is held there. */
const places: readonly (readonly [step: string, Hold])[] = [
  ["restore-beside", { tool: "pg_restore", unless: "--list" }],
  ["safety-backup", { tool: "pg_dump", unless: "--schema-only" }],
  ["swap", { tool: "psql", line: "RENAME TO" }],
];

test.skipIf(missing !== undefined)(`a connection lost in the middle of every step in turn ends there with 130, and each resume goes on: every step is done once${why}`, async () => {
  const place = await badRelease();
  let command = [...way(place)];
  for (const [step, hold] of places) {
    const tools = await heldTools(join(place.folder, `tools-${step}`), hold);
    place.env["HOLDFAST_PG_BIN"] = tools.folder;
    const terminal = atTerminal(place, ...command);
    await tools.reached();
    terminal.hangUp();
    expect(await terminal.ended(), step).toBe(130);
    await tools.release();
    delete place.env["HOLDFAST_PG_BIN"];
    // The live database is the one that it was, whole and open.
    expect(await columns(place), step).toEqual({ columns: "id,full_name", rows: 6 });
    const [{ id, state } = { id: "", state: "" }] = (await place.ok("rollback", "list", "--json")).json<RollbackJson[]>();
    expect(state).toBe("under-way");
    const { journal } = (await place.ok("rollback", "show", id, "--json")).json<ShownRollbackJson>();
    expect(journal.at(-1), step).toMatchObject({ kind: "step-failed", step, code: "cancelled", message: expect.stringContaining("cancelled by SIGHUP") as string });
    command = ["rollback", "resume"];
  }
  const told = (await place.ok("audit", "show", "--json")).json<{ action: string; outcome: string }[]>();
  expect(told.filter(({ action }) => action.startsWith("rollback")).map(({ outcome }) => outcome)).toEqual(["cancelled", "cancelled", "cancelled"]);

  const result = (await place.ok("rollback", "resume", "--json")).json<RollbackResult>();
  expect(result.outcome).toBe("done");
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  expect(await place.databases()).toEqual([place.name, result.facts["swap"]!["kept"]]);
  const { journal, plan } = (await place.ok("rollback", "show", result.rollback, "--json")).json<ShownRollbackJson>();
  expect(journal.flatMap((entry) => (entry.kind === "step-done" ? [entry.step] : []))).toEqual(plan.steps.map(({ id }) => id));
  expect((await place.ok("backup", "list", "--json")).json<{ label: string | null }[]>().map(({ label }) => label).sort()).toEqual(["pre-deploy", "safety"]);
}, 300_000);
