/** What must hold of every rollback that was aborted after its database had been swapped, wherever it ran. */
import { expect } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import type { Workbench } from "./cli.ts";

interface ShownIncident {
  readonly entries: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Journal, incident and list say that it was taken back, step by step, and nothing goes on with it.
 * @returns the database that holds what was live meanwhile
 */
export async function takenBack(bench: Workbench, { outcome, rollback, incident, facts }: RollbackResult, undone: readonly string[]): Promise<string> {
  expect(outcome).toBe("aborted");
  const { journal, state } = (await bench.ok("rollback", "show", rollback, "--json")).json<ShownRollbackJson>();
  expect(state).toBe("aborted");
  expect(journal.flatMap((entry) => (entry.kind === "undo-done" ? [entry.step] : []))).toEqual(undone);
  expect(journal.at(-1)).toMatchObject({ kind: "ended", outcome: "aborted", message: expect.stringContaining("returned to what ran before") as string });
  const shown = (await bench.ok("incident", "show", incident!, "--json")).json<ShownIncident>();
  const said = JSON.stringify(shown);
  for (const step of undone) expect(said).toMatch(new RegExp(`"step":"${step}"[^}]*"outcome":"taken-back"`));
  expect(said).toMatch(/"kind":"outcome","outcome":"aborted"/);

  // A resume finds nothing that is under way; one that is named has ended.
  expect((await bench.run("rollback", "resume")).code).toBe(16);
  const again = await bench.run("rollback", "resume", rollback);
  expect([again.code, again.stderr]).toEqual([19, expect.stringContaining(`${rollback} has ended: returned to what ran before`)]);
  const setAside = facts["swap"]?.["setAside"];
  expect(setAside).toEqual(expect.stringMatching(/_holdfast_old_\d{17}$/));
  return String(setAside);
}
