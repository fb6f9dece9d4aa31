/** What runbooks there are, and one of them as a checklist. */
import { nearest } from "../../config/nearest.ts";
import { HoldfastError } from "../../errors.ts";
import { idOf, readLibrary, readRunbookFile, type RunbookFile } from "../../rollback/runbook/library.ts";
import { errorsOf } from "../../rollback/runbook/lint.ts";
import { renderChecklist } from "../../rollback/runbook/checklist.ts";
import { valuesFor } from "../../rollback/runbook/inputs.ts";
import type { Runbook } from "../../rollback/runbook/runbook.ts";
import { counted } from "../../text/format.ts";
import type { Context } from "../context.ts";
import { runbookFolders } from "./shipped.ts";

export async function listRunbooks({ config, clock }: Context): Promise<RunbookFile[]> {
  return readLibrary(await runbookFolders(config), clock.now());
}

/** A file where `name` looks like one, else the runbook of that id. @throws HoldfastError `not-found` */
export async function findRunbook(context: Context, name: string): Promise<RunbookFile> {
  if (name.includes("/") || name.endsWith(".md")) return readRunbookFile(name, "own", context.clock.now());
  const library = await listRunbooks(context);
  const found = library.find((file) => idOf(file) === name);
  if (found) {
    if (found.replaces) context.reporter.emit({ type: "note", level: "info", message: `the runbook ${name} of ${found.path} stands in the place of the shipped one` });
    return found;
  }
  const ids = library.flatMap(({ runbook }) => runbook?.id ?? []);
  const meant = nearest(name, ids);
  throw new HoldfastError("not-found", `there is no runbook ${name}`, { hints: [meant === undefined ? "`holdfast runbook list` shows which there are." : `Did you mean ${meant}?`] });
}

/** A runbook that may be followed. @throws HoldfastError `configuration` naming everything that is wrong with it */
export function requireSound({ path, runbook, problems }: RunbookFile): Runbook {
  const errors = errorsOf(problems);
  if (runbook && errors.length === 0) return runbook;
  throw new HoldfastError("configuration", `${path} has ${counted(errors.length, "error")}: ${errors.map(({ line, message }) => `line ${line}: ${message}`).join("; ")}`, {
    hints: ["Mend what is named; `holdfast runbook check` reads it again."],
  });
}

export interface ShownRunbook {
  readonly file: RunbookFile;
  readonly runbook: Runbook;
  /** Markdown. */
  readonly checklist: string;
}

/**
 * A runbook as a person follows it, with the inputs that are known filled in.
 * @throws HoldfastError `not-found`, `configuration`, `usage` for an input that is none
 */
export async function showRunbook(context: Context, name: string, inputs: ReadonlyMap<string, string>): Promise<ShownRunbook> {
  const file = await findRunbook(context, name);
  const runbook = requireSound(file);
  return { file, runbook, checklist: renderChecklist(runbook, { inputs: valuesFor(runbook, inputs) }) };
}
