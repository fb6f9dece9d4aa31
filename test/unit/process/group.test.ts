import { execa } from "execa";
import { join } from "node:path";
import { expect, test } from "vitest";

import { startGroup } from "../../../src/process/group.ts";

test("what is written is counted, and how it ended is told", async () => {
  const group = startGroup(["sh", "-c", "printf abc; printf de >&2; exit 4"]);
  expect(await group.ended).toEqual({ how: "exited", code: 4 });
  expect(await group.end()).toBe(true);
  expect(group.bytes()).toEqual({ stdout: 3, stderr: 2 });
});

test("a program that is not there is told from one that fails", async () => {
  const group = startGroup(["holdfast-no-such-program"]);
  expect(await group.ended).toEqual({ how: "missing", code: "ENOENT" });
  expect(await group.end()).toBe(true);
});

test("ending twice, or what has ended, is no error", async () => {
  const group = startGroup(["sleep", "60"]);
  expect(await group.end()).toBe(true);
  expect(await group.end()).toBe(true);
  expect(await group.ended).toEqual({ how: "signalled", signal: "SIGTERM" });
});

/** As in a container whose first process is Holdfast: orphans become its children, and Node does not collect them. */
test("orphans that have ended but are collected by nobody do not count as running", async () => {
  const module = join(import.meta.dirname, "../../../src/process/group.ts");
  const script = `
    import { startGroup } from ${JSON.stringify(module)};
    const group = startGroup(["sh", "-c", "sleep 60 & exit 0"]);
    await group.ended;
    console.log(await group.end());`;
  const { stdout } = await execa("unshare", [...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]), "--pid", "--fork", "--mount-proc", process.execPath, "--input-type=module", "-e", script], { timeout: 30_000 });
  expect(stdout).toBe("true");
});
