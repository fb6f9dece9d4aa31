/** A new runbook to fill in. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { HoldfastError, messageOf, systemCodeOf } from "../../errors.ts";
import type { Runbook } from "../../rollback/runbook/runbook.ts";
import { runbookSkeleton } from "../../rollback/runbook/skeleton.ts";
import type { Context } from "../context.ts";
import { runbookFolders } from "./shipped.ts";

export interface NewRunbook {
  readonly id: string;
  readonly path: string;
}

/**
 * Writes a skeleton that passes its own check. A file that is there is never overwritten.
 * @param folder - by default the configured one
 * @throws HoldfastError `usage`, `refused` if it is there, `configuration`
 */
export async function newRunbook({ config, clock, actor }: Context, { id, platform, folder }: { readonly id: string; readonly platform: Runbook["platform"]; readonly folder: string | undefined }): Promise<NewRunbook> {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(id)) throw new HoldfastError("usage", `${JSON.stringify(id)} is no id of a runbook: it must be lower-case letters, digits and -`);
  const into = folder ?? (await runbookFolders(config)).own[0];
  if (into === undefined) throw new HoldfastError("usage", "no folder for runbooks is configured", { hints: ["Say where with --folder FOLDER, or set `rollback.runbooks` in holdfast.yaml."] });
  const path = join(into, `${id}.md`);
  try {
    await mkdir(into, { recursive: true });
    await writeFile(path, runbookSkeleton(id, platform, actor.operator ?? actor.user, clock.now()), { flag: "wx" });
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") throw new HoldfastError("refused", `${path} is there already`, { hints: ["Choose another id; nothing is overwritten."], cause: error });
    throw new HoldfastError("configuration", `${path} cannot be written: ${systemCodeOf(error) ?? messageOf(error)}`, { cause: error });
  }
  return { id, path };
}
