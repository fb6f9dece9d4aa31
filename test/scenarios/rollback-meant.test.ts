/** What is printed for copying does what was shown, and what a script leaves empty overrides nothing. */
import { expect, test } from "vitest";

import { badRelease as bad } from "../harness/database-rollbacks.ts";

test("the command that a plan ends with makes that very plan, overrides included", async () => {
  const place = await bad();
  const lastLine = async (...flags: string[]): Promise<string | undefined> => (await place.ok("rollback", "plan", ...flags)).stdout.split("\n").at(-1);
  const ahead = "nothing was changed; go ahead with: holdfast rollback";
  expect(await lastLine()).toBe(`${ahead} --to 1.0.0 --confirm ${place.name}`);
  expect(await lastLine("--accept-incompatible", "the form is switched off", "--to", "1.0.0")).toBe(`${ahead} --to 1.0.0 --accept-incompatible 'the form is switched off' --confirm ${place.name}`);
  const [{ id } = { id: "" }] = (await place.ok("checkpoint", "list", "--json")).json<{ id: string }[]>();
  expect(await lastLine("--to", id, "--strategy", "restore-and-swap", "--skip-safety-backup", "no room")).toBe(`${ahead} --to ${id} --strategy restore-and-swap --skip-safety-backup 'no room' --confirm ${place.name}`);
  expect(await lastLine("--skip-safety-backup", "no room", "--out", "the plan.json")).toBe(`${ahead} --plan 'the plan.json' --confirm ${place.name}`);
});

test.each<readonly [flags: readonly string[], says: string]>([
  [["rollback", "--to", "1.0.0", "--skip-safety-backup", ""], "--skip-safety-backup is empty, but must say why"],
  [["rollback", "--to", "1.0.0", "--accept-incompatible", " "], "--accept-incompatible is empty, but must say why"],
  [["rollback", "plan", "--skip-safety-backup", ""], "--skip-safety-backup is empty, but must say why"],
  [["rollback", "abort", "--leave-as-is", ""], "--leave-as-is is empty, but must say why"],
  [["rollback", "--drain", "99999999999999999999"], "--drain: expected an integer less than or equal to 86400 but received: 99999999999999999999"],
])("%j is refused as wrong usage, and nothing is begun", async (flags, says) => {
  const place = await bad();
  const refused = await place.run(...flags, ...(flags[1] === "plan" || flags[1] === "abort" ? [] : ["--confirm", place.name]), "--json");
  expect(refused.json<{ error: { code: string; message: string } }>().error).toMatchObject({ code: "usage", message: says });
  expect(refused.code).toBe(2);
  expect((await place.ok("incident", "list", "--json")).json<unknown[]>()).toEqual([]);
});
