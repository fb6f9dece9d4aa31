/** Whether the parts of a backup open and are whole, without a server: what is decrypted goes through pg_restore to nowhere. */
import { type Manifest, type Part, partNamed } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { countArchiveRows, readThrough } from "../../postgres/archive.ts";
import type { RowCounts } from "../../postgres/archive-rows.ts";
import { findClients } from "../../postgres/tools.ts";
import type { Context } from "../context.ts";
import { openPart, openTextPart } from "./open-part.ts";

/**
 * Opens every part, reads the archives to their end, and counts their rows. It checks the hashes as well: the bytes are fetched once.
 * @param onBytes - hears of the plain bytes so far, and of all that there are
 * @throws HoldfastError `integrity`, or what the store and the tools throw
 */
export async function checkContents(context: Context, repository: Repository, manifest: Manifest, identity: string, onBytes: (bytes: number, total: number) => void): Promise<void> {
  const total = manifest.parts.reduce((sum, part) => sum + part.plainBytes, 0);
  let done = 0;
  const [client] = await findClients({ pgBin: context.config.pgBin, prefix: context.config.databases.get(manifest.database)?.tools });
  if (client === undefined) throw new Error("findClients returned none");
  for (const part of manifest.parts) {
    if (part.file.includes(".pgdump.")) {
      const archive = await openPart(repository, manifest, part.name, identity, { signal: context.signal, onBytes: (bytes) => { onBytes(done + bytes, total); } });
      const pgRestore = client.command("pg_restore");
      if (part.name === "data") requireRows(manifest, await countArchiveRows(pgRestore, part.name, archive, context.signal));
      else await readThrough(pgRestore, part.name, archive, context.signal);
    } else {
      const text = await openTextPart(repository, manifest, part.name, identity, context.signal);
      if (part.file.includes(".json.")) parseJson(part, text);
    }
    done += part.plainBytes;
  }
  partNamed(manifest, "data");
}

/** The rows in the archive must be those that were counted in the dump's snapshot: no server is needed to know that. */
function requireRows(manifest: Manifest, counts: RowCounts): void {
  const expected = new Map<string, number>(manifest.truth.tables.flatMap(({ schema, name, kind, rows }) => (rows === undefined || (kind !== "table" && kind !== "partition") ? [] : [[`${schema}.${name}`, rows] as const])));
  const wrong = [...new Set([...expected.keys(), ...counts.keys()])].filter((table) => (expected.get(table) ?? 0) !== (counts.get(table) ?? 0));
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 10).map((table) => `${table}: the manifest says ${expected.get(table) ?? "none"}, the archive holds ${counts.get(table) ?? "none"}`);
  throw new HoldfastError("integrity", `part data: ${wrong.length} tables have other row counts than the truth: ${shown.join("; ")}`, {
    hints: ["Do not count on this backup. Make a new one, and find out how this one was changed."],
    details: { part: "data", tables: wrong.length },
  });
}

function parseJson(part: Part, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new HoldfastError("integrity", `part ${part.name} is not JSON: ${messageOf(error)}`, { details: { part: part.name } });
  }
}
