/** Judges runbooks before they are needed. */
import { HoldfastError } from "../../errors.ts";
import { readLibrary, readRunbookFile, type RunbookFile } from "../../rollback/runbook/library.ts";
import { errorsOf } from "../../rollback/runbook/lint.ts";
import { counted } from "../../text/format.ts";
import type { Context } from "../context.ts";
import { runbookFolders } from "./shipped.ts";

/**
 * Checks the named files, or all that the library has.
 * @throws HoldfastError `configuration` naming every error of every file; `not-found`
 */
export async function checkRunbooks({ config, clock, reporter }: Context, paths: readonly string[]): Promise<RunbookFile[]> {
  const now = clock.now();
  const files = paths.length === 0 ? await readLibrary(await runbookFolders(config), now) : await Promise.all(paths.map((path) => readRunbookFile(path, "own", now)));
  for (const { path, problems } of files) {
    for (const { line, severity, message } of problems) if (severity === "warning") reporter.emit({ type: "note", level: "warn", message: `${path}:${line}: ${message}` });
  }
  const found = [...files.flatMap(({ path, problems }) => errorsOf(problems).map((problem) => ({ path, ...problem }))), ...twins(files)];
  if (found.length === 0) return files;
  throw new HoldfastError("configuration", `${counted(found.length, "error")} in ${counted(new Set(found.map(({ path }) => path)).size, "runbook")}:\n${found.map(({ path, line, message }) => `${path}:${line}: ${message}`).join("\n")}`, {
    hints: ["docs/runbooks.md describes the format; `holdfast runbook new` writes one to begin with."],
    details: { problems: found },
  });
}

/** Two files with one id: which is meant nobody knows. */
function twins(files: readonly RunbookFile[]) {
  return files.flatMap((file, at) => {
    const twin = files.slice(0, at).find(({ runbook, origin }) => runbook !== undefined && runbook.id === file.runbook?.id && origin === file.origin);
    return twin ? [{ path: file.path, line: 1, severity: "error" as const, rule: "duplicate-id", message: `its id ${file.runbook?.id ?? ""} is that of ${twin.path} too` }] : [];
  });
}
