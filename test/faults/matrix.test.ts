import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { faultMatrix, faultPage, messagePattern } from "./matrix.ts";

const page = join(import.meta.dirname, "..", "..", "docs", "fault-matrix.md");

test("the page about faults says what the tests expect", async () => {
  if (process.env["UPDATE_FAULT_MATRIX"] === "1") await writeFile(page, faultPage());
  expect(await readFile(page, "utf8")).toBe(faultPage());
});

test("every row of the fault matrix is provoked by a test", async () => {
  const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".test.ts") && name !== "matrix.test.ts");
  const tests = (await Promise.all(files.map((name) => readFile(join(import.meta.dirname, name), "utf8")))).join("\n");
  expect(Object.keys(faultMatrix).filter((name) => !tests.includes(JSON.stringify(name)))).toEqual([]);
});

test("the words of a row are the whole message", () => {
  expect("no database x is configured").toMatch(messagePattern("no database … is configured"));
  expect("no database x is configured, or so").not.toMatch(messagePattern("no database … is configured"));
  expect("bug: no database x is configured").not.toMatch(messagePattern("no database … is configured"));
});
