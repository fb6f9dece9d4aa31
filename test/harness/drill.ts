/** What a drill asks of a scratch, and whose it is. */
import { execa } from "execa";
import { hostname } from "node:os";

import type { ScratchRequest } from "../../src/drill/scratch/scratch.ts";

const expires = new Date(Date.now() + 3_600_000);

export function requestOf(change: Partial<ScratchRequest> = {}): ScratchRequest {
  return {
    owner: { drill: "drill-20261121T020000Z-7f3a", host: hostname(), user: "tester", pid: process.pid, expires },
    major: 12, bytes: 1_000_000, database: "ehr", signal: new AbortController().signal, ...change,
  };
}

/** The number of a process that has ended. */
export async function endedProcess(): Promise<number> {
  const child = execa("true");
  const { pid } = child;
  await child;
  if (pid === undefined) throw new Error("the process had no number");
  return pid;
}
