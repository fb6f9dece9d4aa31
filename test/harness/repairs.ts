/** What `repository check --repair` makes of what killed runs have left. */
import { expect } from "vitest";

import type { Context } from "../../src/app/context.ts";
import { checkRepository } from "../../src/app/repository/check-repository.ts";

/** Repairs, and expects that nothing is damaged and that a second look finds no garbage. @param at - where the run was killed, for the message */
export async function expectRepaired(context: Context, at: string): Promise<void> {
  const look = async (repair: boolean) => (await checkRepository(context, { level: "hash", repair, graceMs: 0 })).findings.filter(({ severity }) => severity !== "note");
  const found = await look(true);
  expect(found.filter(({ severity }) => severity === "damage"), at).toEqual([]);
  expect(await look(false), at).toEqual([]);
}
