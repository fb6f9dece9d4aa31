import { CLIError } from "@oclif/core/errors";
import { expect, test } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import { describeError, errorJson } from "../../../src/cli/error-output.ts";
import { asHoldfastError, audienceOf } from "../../../src/cli/failure.ts";
import { runTool } from "../../../src/process/run.ts";

test("a failure that the operator can act on says what, what next, and the exit code, without a stack", () => {
  const error = new HoldfastError("store-failed", "the disk is full; 4096 bytes are free", { hints: ["Free space there."] });
  expect(describeError(error)).toBe("error: the disk is full; 4.1 kB are free\n  → Free space there.\n(exit 15: the repository failed, or its storage is full)");
});

test("a failing tool shows its last lines of stderr", async () => {
  const failure: unknown = await runTool(["sh"], ["-c", "for n in $(seq 30); do echo message $n >&2; done; exit 3"]).catch((error: unknown) => error);
  const shown = describeError(new HoldfastError("dump-failed", (failure as Error).message));
  expect(shown).toContain("sh exited with 3: message 19\n");
  expect(shown).toContain("message 30\n(exit 14:");
  expect(shown).not.toContain("message 18\n");
});

test("a bug shows its stack and how to report it, and its message once", () => {
  const shown = describeError(new TypeError("rows is not iterable"));
  expect(shown).toMatch(/^bug: TypeError: rows is not iterable\n {4}at .+error-output\.test\.ts/);
  expect(shown.match(/rows is not iterable/g)).toHaveLength(1);
  expect(shown).toMatch(/Please report it[^\n]+`holdfast --version`\.\n\(exit 1: a bug in holdfast\)$/);
  expect(describeError("thrown text")).toMatch(/^bug: thrown text\n {2}→ /);
});

test("a name in a message cannot move the cursor or colour the screen", () => {
  expect(describeError(new HoldfastError("not-found", "no database \u001b[2Jx"))).toContain("no database �[2Jx");
});

test("a script gets code, message, hints and facts", () => {
  expect(errorJson(new HoldfastError("integrity", "m", { hints: ["h"], details: { part: "data" } }))).toEqual({ error: { code: "integrity", message: "m", hints: ["h"], details: { part: "data" } } });
  expect(errorJson(new Error("m"))).toEqual({ error: { code: "bug", message: "m", hints: [] } });
});

test.each([
  ["command backup:nope not found", "there is no command backup nope"],
  ["Nonexistent flag: --nope\nSee more help with --help", "there is no flag --nope"],
  ["Nonexistent flags: --a, --b\nSee more help with --help", "there are no flags --a, --b"],
  ["Parsing --lock-wait \n\tExpected an integer but received: abc\nSee more help with --help", "--lock-wait: expected an integer but received: abc"],
  ["The following error occurred:\n  Missing required flag into\nSee more help with --help", "the flag --into is required"],
  ["The following errors occurred:\n  --data-only=true cannot also be provided when using --schema-only\n  Missing required flag into\nSee more help", "--data-only cannot be given together with --schema-only; the flag --into is required"],
])("oclif's %j is told in our terms", (theirs, ours) => {
  expect(asHoldfastError(new CLIError(theirs))).toMatchObject({ code: "usage", message: ours });
});

test("oclif's table of missing arguments is told in a line", () => {
  const theirs = Object.assign(new CLIError("Missing 2 required args:\nid    id of an incident, or\n      latest\ntext  the note\nSee more help with --help"), { args: [{ name: "id", description: "id of an incident, or latest" }, { name: "text" }] });
  expect(asHoldfastError(theirs)).toMatchObject({ code: "usage", message: "the argument ID is required (id of an incident, or latest); the argument TEXT is required" });
});

test("who is told of a failure is known before the flags are parsed", () => {
  expect(audienceOf(["backup", "--json"], { HOLDFAST_LOG_FORMAT: "json" })).toBe("script");
  expect(audienceOf(["backup", "--log-format", "json"], {})).toBe("log");
  expect(audienceOf(["backup", "--log-format=json"], {})).toBe("log");
  expect(audienceOf(["backup", "--log-format", "text"], { HOLDFAST_LOG_FORMAT: "json" })).toBe("person");
  expect(audienceOf(["backup"], { HOLDFAST_LOG_FORMAT: "json" })).toBe("log");
  expect(audienceOf(["backup"], {})).toBe("person");
});
