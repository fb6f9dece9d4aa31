/** Small files that the configuration names: keys, certificates, identities. */
import { readFile } from "node:fs/promises";

import { HoldfastError, systemCodeOf } from "../errors.ts";

/** @param what - for the message, as `the signing key`. @throws HoldfastError `configuration` naming file and cause */
export async function readTextFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = { ENOENT: "does not exist", EACCES: "may not be read by this user", EISDIR: "is a folder" }[systemCodeOf(error) ?? ""] ?? `cannot be read (${systemCodeOf(error) ?? String(error)})`;
    throw new HoldfastError("configuration", `${what} ${path} ${why}`, { hints: ["Check the path in the configuration: `holdfast config show` says where it comes from."], cause: error });
  }
}
