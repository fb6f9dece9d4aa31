/** A connection that is lost while the containers of a real project are being stopped and started. */
import { beforeAll, expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackJson, ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { sweepApps } from "../harness/compose-app.ts";
import { badReleaseOnCompose, databasesOf, patientsOf, watchEngine } from "../harness/rolling-back.ts";
import { atTerminal, terminalMissing } from "../harness/terminal.ts";

beforeAll(sweepApps);

const missing = await terminalMissing();

test.skipIf(missing !== undefined)(`lost while containers stop and while they start, a rollback ends there each time, and a resume does what is left, once${missing === undefined ? "" : ` (skipped: ${missing})`}`, async () => {
  const here = await badReleaseOnCompose();
  const { app } = here;
  const engine = watchEngine(app.project);
  let command = ["rollback", "--to", "1.4.1", "--confirm", app.project];
  // The first of three containers has stopped; later, the first of three has started.
  for (const [first, step] of [[/^die /m, "maintenance-on"], [/^start /m, "start-previous"]] as const) {
    const terminal = atTerminal(here, ...command);
    await engine.until(first);
    terminal.hangUp();
    expect(await terminal.ended(), step).toBe(130);
    const [{ id } = { id: "" }] = (await here.ok("rollback", "list", "--json")).json<RollbackJson[]>();
    const { journal, state } = (await here.ok("rollback", "show", id, "--json")).json<ShownRollbackJson>();
    expect(state).toBe("under-way");
    expect(journal.at(-1), step).toMatchObject({ kind: "step-failed", step, code: "cancelled" });
    command = ["rollback", "resume"];
  }
  const result = (await here.ok("rollback", "resume", "--json")).json<RollbackResult>();
  expect(result.outcome).toBe("done");
  expect(await app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await patientsOf(here)).toBe(here.before);
  expect(await databasesOf(here)).toEqual(["ehr", result.facts["swap"]!["kept"]]);
  const { journal } = (await here.ok("rollback", "show", result.rollback, "--json")).json<ShownRollbackJson>();
  const done = journal.flatMap((entry) => (entry.kind === "step-done" ? [entry.step] : []));
  expect(done).toEqual(["restore-beside", "maintenance-on", "safety-backup", "swap", "start-previous", "observe"]);
  // The engine's own word: each container of the bad release stopped once, each of the good one started once.
  const events = await engine.stop();
  const of = (action: string): string[] => events.filter((line) => line.startsWith(`${action} `)).map((line) => line.replace(/^.*-((?:app|worker)-\d+)$/, "$1")).sort();
  expect([of("die"), of("start")]).toEqual([["app-1", "worker-1", "worker-2"], ["app-1", "worker-1", "worker-2"]]);
}, 400_000);
