/** The disk that takes a pipeline's log, or its answers, is full: neither ends what is being done in the middle. */
import { execa } from "execa";
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { badRelease, columns, type DatabasePlace, way as back } from "../harness/database-rollbacks.ts";

const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");

/** Runs holdfast with one of its outputs where nothing more can be written. */
const intoFull = ({ folder, env }: DatabasePlace, output: "1" | "2", ...args: string[]) =>
  execa("sh", ["-c", `exec "$@" ${output}>/dev/full`, "sh", process.execPath, starter, ...args], { env: { PATH: process.env["PATH"], HOME: folder, ...env }, extendEnv: false, cwd: folder, reject: false, stdin: "ignore" });

test("a rollback whose log cannot be written is done all the same", async () => {
  const place = await badRelease();
  const { exitCode, stdout } = await intoFull(place, "2", ...back(place), "--json");
  expect([exitCode, (JSON.parse(stdout) as RollbackResult).outcome]).toEqual([0, "done"]);
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
});

test("an answer that cannot be written is told as such, and not as a bug; a failure keeps its exit code", async () => {
  const place = await badRelease();
  const plan = await intoFull(place, "1", "rollback", "plan", "--json");
  expect([plan.exitCode, plan.stderr]).toEqual([3, expect.stringMatching(/error: the output could not be written to its end: its disk is full; whatever the command did, it has done/)]);
  expect(plan.stderr).not.toMatch(/bug/);
  expect(await intoFull(place, "1", "rollback", "plan", "--to", "0.0.1", "--json")).toMatchObject({ exitCode: 16 });
});
