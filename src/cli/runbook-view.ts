/** Runbooks as `--json` shows them and as rows for people; how operators give inputs. */
import { readFile } from "node:fs/promises";

import type { RunbookRunResult } from "../app/runbook/execute-runbook.ts";
import { HoldfastError, messageOf, systemCodeOf } from "../errors.ts";
import type { RunbookFile } from "../rollback/runbook/library.ts";
import { formatDuration } from "../text/format.ts";
import { renderTable } from "./table.ts";

export interface RunbookJson {
  readonly id: string | null;
  readonly title: string | null;
  readonly platform: string | null;
  readonly severity: string | null;
  readonly owner: string | null;
  readonly lastReviewed: string | null;
  readonly path: string;
  readonly origin: "shipped" | "own";
  /** Whether it stands in the place of a shipped one. */
  readonly replaces: boolean;
  readonly inputs: readonly { readonly name: string; readonly type: string; readonly required: boolean; readonly secret: boolean; readonly description: string }[];
  readonly steps: readonly { readonly id: string; readonly title: string; readonly confirm: boolean; readonly manual: boolean }[];
  readonly problems: readonly { readonly line: number; readonly severity: "error" | "warning"; readonly rule: string; readonly message: string }[];
}

export function runbookJson({ path, origin, replaces, runbook, problems }: RunbookFile): RunbookJson {
  return {
    id: runbook?.id ?? null,
    title: runbook?.title ?? null,
    platform: runbook?.platform ?? null,
    severity: runbook?.severity ?? null,
    owner: runbook?.owner ?? null,
    lastReviewed: runbook?.lastReviewed ?? null,
    path, origin, replaces,
    inputs: [...(runbook?.inputs.values() ?? [])].map((input) => ({ name: input.name, type: input.type, required: input.default === undefined, secret: input.secret, description: input.description })),
    steps: (runbook?.steps ?? []).map(({ id, title, confirm, manual }) => ({ id, title, confirm, manual: manual !== undefined })),
    problems,
  };
}

export function renderRunbooks(files: readonly RunbookFile[]): string {
  const rows = files.map((file) => runbookJson(file)).map(({ id, title, platform, severity, lastReviewed, origin, replaces, problems, path }) => [
    id ?? path, title ?? "-", platform ?? "-", severity ?? "-", lastReviewed ?? "-", replaces ? "own, in place of the shipped one" : origin, judgement(problems),
  ]);
  return renderTable(["id", "title", "platform", "severity", "reviewed", "from", "check"], rows);
}

function judgement(problems: RunbookJson["problems"]): string {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  return errors > 0 ? `${errors} errors` : problems.length > 0 ? `${problems.length} warnings` : "ok";
}

export function renderChecked(files: readonly RunbookFile[]): string {
  return files.map((file) => `${file.path}: ${file.runbook?.steps.length ?? 0} steps, ${judgement(file.problems)}`).join("\n");
}

/**
 * `name=value`, or `name=@FILE` for what a file holds, as every secret must.
 * @param secrets - names of the inputs that must not stand on a command line
 * @throws HoldfastError `usage`
 */
export async function parseInputs(given: readonly string[], secrets: ReadonlySet<string> = new Set()): Promise<Map<string, string>> {
  const inputs = new Map<string, string>();
  for (const each of given) {
    const at = each.indexOf("=");
    if (at < 1) throw new HoldfastError("usage", `--input ${each} is not NAME=VALUE`);
    const name = each.slice(0, at);
    const value = each.slice(at + 1);
    if (inputs.has(name)) throw new HoldfastError("usage", `the input ${name} is given twice`);
    if (secrets.has(name) && !value.startsWith("@")) {
      throw new HoldfastError("usage", `the input ${name} is a secret, and a command line is seen by every user of the host`, { hints: [`Write it into a file of yours, and give --input ${name}=@FILE.`] });
    }
    inputs.set(name, value.startsWith("@") ? await fileContent(name, value.slice(1)) : value);
  }
  return inputs;
}

async function fileContent(name: string, path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).replace(/\r?\n$/, "");
  } catch (error) {
    throw new HoldfastError("usage", `the file ${path} of the input ${name} cannot be read: ${systemCodeOf(error) ?? messageOf(error)}`, { cause: error });
  }
}

/** How an execution ended, in a few lines; the checklist is in its file. */
export function renderRunbookRun({ run, runbook, outcome, message, seconds, steps, record, incident }: RunbookRunResult): string {
  const words = { done: "done", "taken-back": "taken back", "not-done": "not done" } as const;
  return [
    `${runbook} ${outcome === "done" ? "is done" : "was taken back"}: ${message} (${formatDuration(seconds)})`,
    renderTable(["step", "state", "when", "who"], steps.map(({ id, state, at, by }) => [id, words[state], at ?? "-", by ?? "-"])),
    `execution ${run}; who did what and when: ${record}`,
    ...(incident === null ? [] : [`incident ${incident}: \`holdfast incident report ${incident}\` drafts the post-mortem`]),
  ].join("\n");
}
