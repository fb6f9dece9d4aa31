/** How this holdfast was started, for runbooks that run it: the same program with the same surroundings. */
import type { RunbookOptions } from "../app/runbook/run-runbook.ts";

export function thisHoldfast(): RunbookOptions["self"] {
  const [node, starter = ""] = process.argv;
  return { command: [node ?? process.execPath, starter], env: process.env, writesRows: false };
}
