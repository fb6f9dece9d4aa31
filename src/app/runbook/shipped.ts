/** Where the runbooks lie: beside the package, wherever it runs from, and where the configuration says. */
import { access } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Config } from "../../config/config.ts";
import type { RunbookFolders } from "../../rollback/runbook/library.ts";

/** The package's own folder: from the sources as from what is compiled of them. */
async function shippedFolder(from = import.meta.dirname): Promise<string> {
  const folder = join(from, "runbooks");
  const isPackage = await access(join(from, "package.json")).then(() => true, () => false);
  if (isPackage || dirname(from) === from) return folder;
  return shippedFolder(dirname(from));
}

export async function runbookFolders(config: Config): Promise<RunbookFolders> {
  const own = [...config.databases.values()].flatMap(({ rollback }) => rollback?.runbooks ?? []);
  return { shipped: await shippedFolder(), own: [...new Set(own)] };
}
