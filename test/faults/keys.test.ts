import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { expectFault } from "./leftovers.ts";
import { type FaultBench, useScene } from "./scene.ts";

const scene = useScene();

const stranger = (bench: FaultBench) => generateKeys(join(bench.folder, "stranger"));

test("a mistyped recipient is shown and refused, though the others are right", async () => {
  const bench = await scene().bench();
  const recipient = bench.env["HOLDFAST_RECIPIENTS"] ?? "";
  const mistyped = recipient.replace(/.$/, (last) => (last === "q" ? "p" : "q"));
  bench.env["HOLDFAST_RECIPIENTS"] = `${recipient},${mistyped}`;
  const { stderr } = await expectFault("recipient mistyped", bench, ["backup"], { recorded: "backup" });
  expect(stderr).toContain(mistyped);
});

test("an identity in the place of a recipient is refused without being shown", async () => {
  const bench = await scene().bench();
  const identity = /AGE-SECRET-KEY-\S+/.exec(await readFile(bench.env["HOLDFAST_IDENTITY_FILE"] ?? "", "utf8"))?.[0] ?? "";
  bench.env["HOLDFAST_RECIPIENTS"] = identity;
  await expectFault("secret as recipient", bench, ["backup"], { recorded: "backup" });
});

test("without a recipient there is no backup", async () => {
  const bench = await scene().bench();
  delete bench.env["HOLDFAST_RECIPIENTS"];
  await expectFault("no recipient", bench, ["backup"], { recorded: "backup" });
});

test("without a signing key there is no backup", async () => {
  const bench = await scene().bench();
  delete bench.env["HOLDFAST_SIGNING_KEY_FILE"];
  await expectFault("no signing key", bench, ["backup"], { recorded: "backup" });
});

test("somebody else's identity verifies no archive and restores nothing", async () => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_IDENTITY_FILE"] = (await stranger(bench)).files.identity;
  const { stderr } = await expectFault("verify somebody else", bench, ["backup", "verify", "latest", "--level", "archive"], { recorded: "verify" });
  expect(stderr).toContain(bench.env["HOLDFAST_RECIPIENTS"]);
  await expectFault("restore somebody else", bench, ["restore", "latest", "--into", `${scene().database}_copy`], { recorded: "restore" });
});

test("without an identity hashes can be verified and nothing can be restored", async () => {
  const bench = await scene().bench();
  delete bench.env["HOLDFAST_IDENTITY_FILE"];
  await bench.ok("backup", "verify", "latest");
  await expectFault("no identity", bench, ["restore", "latest", "--into", `${scene().database}_copy`], { recorded: "restore" });
});
