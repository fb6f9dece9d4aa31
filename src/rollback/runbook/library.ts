/** Where runbooks lie: those that are shipped, and those of whoever runs this. Of two with one id, the own one is meant. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import { checkRunbook } from "./lint.ts";
import type { Problem, Runbook } from "./runbook.ts";

export interface RunbookFile {
  readonly path: string;
  readonly source: string;
  readonly origin: "shipped" | "own";
  /** Undefined where its front matter cannot be understood. */
  readonly runbook: Runbook | undefined;
  readonly problems: readonly Problem[];
  /** Whether it stands in the place of a shipped one. */
  readonly replaces: boolean;
}

export interface RunbookFolders {
  readonly shipped: string;
  readonly own: readonly string[];
}

/** @throws HoldfastError `configuration` if a folder of one's own cannot be read */
export async function readLibrary({ shipped, own }: RunbookFolders, now: Date): Promise<RunbookFile[]> {
  const ours = (await Promise.all(own.map((folder) => readFolder(folder, "own", now)))).flat();
  const taken = new Set(ours.map(idOf));
  const theirs = await readFolder(shipped, "shipped", now);
  const replaced = new Set(theirs.flatMap(({ runbook }) => (runbook && taken.has(runbook.id) ? [runbook.id] : [])));
  return [...ours.map((file) => ({ ...file, replaces: replaced.has(idOf(file)) })), ...theirs.filter(({ runbook }) => !(runbook && taken.has(runbook.id)))]
    .sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}

/** Where the front matter cannot be understood, the file's name says which runbook it was to be: the shipped one must not be taken for it. */
export const idOf = ({ runbook, path }: Pick<RunbookFile, "runbook" | "path">): string => runbook?.id ?? basename(path, ".md");

async function readFolder(folder: string, origin: RunbookFile["origin"], now: Date): Promise<RunbookFile[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw new HoldfastError("configuration", `the folder of runbooks ${folder} cannot be read: ${systemCodeOf(error) ?? messageOf(error)}`, { hints: ["Correct `rollback.runbooks` in holdfast.yaml."], cause: error });
  }
  const files = names.filter((name) => name.endsWith(".md") && name.toLowerCase() !== "readme.md").sort();
  return Promise.all(files.map((name) => readRunbookFile(join(folder, name), origin, now)));
}

/** @throws HoldfastError `not-found` */
export async function readRunbookFile(path: string, origin: RunbookFile["origin"], now: Date): Promise<RunbookFile> {
  try {
    const source = await readFile(path, "utf8");
    const { runbook, problems } = checkRunbook(source, now);
    const misnamed: Problem[] = runbook === undefined || basename(path) === `${runbook.id}.md` ? [] : [{ line: runbook.lineOf(["id"]), severity: "warning", rule: "file-name", message: `its id is ${runbook.id}, but the file is called ${basename(path)}` }];
    return { path, source, origin, replaces: false, runbook, problems: [...problems, ...misnamed] };
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    throw new HoldfastError("not-found", `the runbook ${path} cannot be read: ${systemCodeOf(error) ?? messageOf(error)}`, { hints: ["`holdfast runbook list` shows those that holdfast knows; of a file, give its path."], cause: error });
  }
}
