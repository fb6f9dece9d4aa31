/** A runbook that is executed in memory: parsed and checked as always, its journal a list, its programs scripts of a folder. */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import type { Event } from "../../../src/ports.ts";
import type { Journal, JournalEntry, JournalNote } from "../../../src/rollback/journal/journal.ts";
import { resolveInputs } from "../../../src/rollback/runbook/inputs.ts";
import { checkRunbook, errorsOf } from "../../../src/rollback/runbook/lint.ts";
import type { Runbook } from "../../../src/rollback/runbook/runbook.ts";
import { stepsOfRunbook } from "../../../src/rollback/runbook/steps.ts";
import { now } from "./sample.ts";

export let folder: string;

/** A fresh folder for the programs of a test. */
export async function freshFolder(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), "holdfast-runbook-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
}

/** A journal in memory. */
export function memory(entries: JournalEntry[] = []): Journal & { readonly entries: JournalEntry[] } {
  return {
    id: "runbook-ehr-20261122T030000Z-0000",
    entries,
    append: (note: JournalNote) => {
      entries.push({ ...note, run: "runbook-ehr-20261122T030000Z-0000", sequence: entries.length + 1, previous: null, at: "2026-11-22T03:00:00.000Z", by: { user: "responder", host: "here", operator: null, pid: 1 } });
      return Promise.resolve();
    },
  };
}

export const head = (inputs = "") => `---\nid: tried\ntitle: Tried\nplatform: any\nseverity: SEV-2\nowner: the tests\nlastReviewed: 2026-11-01\n${inputs}---\n`;
export const block = (id: string, yaml: string) => `\n## Step ${id}\n\nSomething.\n\n\`\`\`yaml holdfast\nid: ${id}\n${yaml}\n\`\`\`\n`;

export function parsed(source: string): Runbook {
  const { runbook, problems } = checkRunbook(source, now);
  if (runbook === undefined || errorsOf(problems).length > 0) throw new Error(problems.map(({ message }) => message).join("\n"));
  return runbook;
}

export function prepare(source: string, given: Record<string, string> = {}) {
  const runbook = parsed(source);
  const inputs = resolveInputs(runbook, new Map(Object.entries(given)));
  const told: string[] = [];
  const steps = stepsOfRunbook(runbook, { inputs, tell: (message) => told.push(message), programs: { find: (name) => Promise.resolve({ command: [name], env: {}, writesRows: name.endsWith("/rows") }) } });
  const events: Event[] = [];
  const options = { reporter: { emit: (event: Event) => { events.push(event); } }, signal: new AbortController().signal, clock: { now: () => new Date() } };
  return { runbook, inputs, steps, told, options };
}

/** A program that writes its arguments into a log. */
export async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\necho "$0 $*" >> "${folder}/log"\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
export const log = async (): Promise<string[]> => (await readFile(join(folder, "log"), "utf8").catch(() => "")).trim().split("\n").map((line) => line.replaceAll(`${folder}/`, "").trimEnd());
