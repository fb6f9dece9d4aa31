/**
 * Which repository was opened at a location, as this host remembers it. A run that cannot open it any more (the folder
 * is gone, the bucket missing) then still knows with whose entries its own has to wait.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { ifMissing } from "./pending.ts";

/** The location itself is not kept: a name for it is enough. */
function pathOf(stateDir: string, location: string): string {
  return join(stateDir, "repositories", createHash("sha256").update(location).digest("hex").slice(0, 32));
}

/** Remembers the repository at a location; the last one that was opened there counts. */
export async function rememberRepository(stateDir: string, location: string, id: string): Promise<void> {
  if ((await knownRepository(stateDir, location).catch(() => undefined)) === id) return;
  const path = pathOf(stateDir, location);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(fresh, `${id}\n`, { mode: 0o600, flag: "wx" });
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}

/** The repository that was last opened at a location; undefined if this host never opened one there. */
export async function knownRepository(stateDir: string, location: string): Promise<string | undefined> {
  const text = await readFile(pathOf(stateDir, location), "utf8").catch(ifMissing(""));
  return /^[0-9a-f-]{36}$/.exec(text.trim())?.[0];
}
