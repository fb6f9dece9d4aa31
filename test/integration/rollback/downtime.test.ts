/** What a plan says of the standstill, before and after a rollback has measured it. */
import { expect, test } from "vitest";

import type { RollbackPlan } from "../../../src/rollback/plan/plan.ts";
import { badRelease, renaming, way } from "../../harness/database-rollbacks.ts";

test("what no rollback has measured is not known, and is known by the journal after one", async () => {
  const place = await badRelease();
  const plan = async (): Promise<RollbackPlan> => (await place.ok("rollback", "plan", "--to", "1.0.0", "--json")).json<RollbackPlan>();
  const first = (await plan()).stops;
  expect(first.seconds).toBeNull();
  expect(first.parts).toEqual([{ id: "safety-backup", seconds: expect.any(Number) as number, from: expect.stringMatching(/^the last backup, ehr-|^the last backup, /) as string }, { id: "swap", seconds: null, from: "no rollback that ended well has measured it" }]);
  expect((await place.ok("rollback", "plan", "--to", "1.0.0")).stdout).toMatch(/^stops +whatever uses the database for at least .* s; how long in all is NOT KNOWN$/m);

  const { rollback } = (await place.ok(...way(place), "--json")).json<{ rollback: string }>();
  await place.deploys("3.0.0", "1.0.0", renaming);
  const second = (await plan()).stops;
  expect(second.parts?.at(-1)).toEqual({ id: "swap", seconds: expect.any(Number) as number, from: rollback });
  expect(second.seconds).toBe(Math.ceil((second.parts ?? []).reduce((sum, { seconds }) => sum + (seconds ?? NaN), 0)));
  expect((await place.ok("rollback", "plan", "--to", "1.0.0")).stdout).toMatch(/^stops +whatever uses the database for about .* s$/m);
}, 240_000);
