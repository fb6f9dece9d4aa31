import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

import { toolOutput } from "../../../src/pipeline/tool.ts";
import { startTool } from "../../../src/process/run.ts";

/** True once a process has exited; its entry may stay until its parent has read its output. */
const exited = async (pid: number | undefined): Promise<boolean> => /^State:\s+Z/m.test(await readFile(`/proc/${String(pid)}/status`, "utf8").catch(() => "State: Z"));

test("what a tool printed before anybody listened is not lost, though the tool has exited", async () => {
  const tool = startTool(["sh", "-c", "echo early; echo words"]);
  await expect.poll(() => exited(tool.pid)).toBe(true);
  let text = "";
  for await (const bytes of toolOutput(tool)) text += bytes.toString();
  expect(text).toBe("early\nwords\n");
});

test("a tool whose output nobody has asked for yet waits with more than a pipe holds", async () => {
  const tool = startTool(["sh", "-c", "head -c 500000 /dev/zero"]);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  let bytes = 0;
  for await (const chunk of toolOutput(tool)) bytes += chunk.length;
  expect(bytes).toBe(500_000);
});
