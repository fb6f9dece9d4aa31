/** Which file is meant by an id. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { idOf, readLibrary } from "../../../src/rollback/runbook/library.ts";
import { now, sample } from "./sample.ts";

async function libraryWith(own: string, name = "sample.md") {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-runbook-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const folders = { shipped: join(folder, "shipped"), own: [join(folder, "own")] };
  await mkdir(folders.shipped);
  await mkdir(join(folder, "own"));
  await writeFile(join(folders.shipped, "sample.md"), sample);
  await writeFile(join(folder, "own", name), own);
  return (await readLibrary(folders, now)).map((file) => ({ id: idOf(file), origin: file.origin, replaces: file.replaces, problems: file.problems.map(({ severity, rule }) => `${severity} ${rule}`) }));
}

test("an own runbook stands in the place of the shipped one of its id", async () => {
  expect(await libraryWith(sample)).toEqual([{ id: "sample", origin: "own", replaces: true, problems: [] }]);
});

test("one whose front matter cannot be understood is not passed over for the shipped one", async () => {
  expect(await libraryWith(sample.replace("platform: compose", "platform: composed"))).toEqual([{ id: "sample", origin: "own", replaces: true, problems: ["error value"] }]);
});

test("a file that is called otherwise than its id is told", async () => {
  expect(await libraryWith(sample, "other.md")).toEqual([{ id: "sample", origin: "own", replaces: true, problems: ["warning file-name"] }]);
});
