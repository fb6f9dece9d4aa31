/** A host without a signing key is told what would come of each thing that nobody signed. */
import { expect, test } from "vitest";

import { badRelease, way } from "../harness/database-rollbacks.ts";

test("each command that has to sign says what would not count without, and does nothing", async () => {
  const place = await badRelease();
  delete place.env["HOLDFAST_SIGNING_KEY_FILE"];
  const before = await place.databases();
  const said: Record<string, string> = {};
  for (const command of [
    way(place), ["rollback", "resume"], ["rollback", "rehearse", "--to", "1.0.0"], ["checkpoint", "create", "--release", "3.0.0", "--no-migrations"], ["checkpoint", "verify"],
    ["backup"], ["drill", "restore"], ["incident", "note", "last", "it is slow"],
  ]) {
    const { code, stdout } = await place.run(...command, "--json");
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    expect([code, error.message], command.join(" ")).toEqual([10, expect.stringContaining("no signing key")]);
    said[command.slice(0, command[0] === "backup" ? 1 : 2).join(" ")] = error.message;
  }
  const none = (why: string): string => `no signing key is configured, and ${why}`;
  expect(said).toEqual({
    "rollback --to": none("a rollback whose plan and journal nobody signed could not be resumed"),
    "rollback resume": none("a rollback whose plan and journal nobody signed could not be resumed"),
    "rollback rehearse": none("unsigned evidence of a rehearsal would not count"),
    "checkpoint create": none("nothing would go back to an unsigned checkpoint"),
    "checkpoint verify": none("an unsigned record of a deploy would not be believed"),
    "backup": none("an unsigned backup would not be restored"),
    "drill restore": none("unsigned evidence of a drill would not count"),
    "incident note": none("an unsigned record of an incident would not be believed"),
  });
  expect(await place.databases()).toEqual(before);
}, 240_000);
