/** Whether the stored parts of a backup are what its manifest says, without opening them. */
import { backupKey } from "../../catalog/layout.ts";
import type { Manifest, Part } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { newDigest } from "../../pipeline/digest.ts";
import { readStored } from "./open-part.ts";

function differs(part: Part, what: string, expected: string | number, found: string | number): HoldfastError {
  return new HoldfastError("integrity", `part ${part.name}: ${what} is ${found}, but the manifest says ${expected}`, {
    hints: ["Do not count on this backup. Make a new one, and find out how this one was changed."],
    details: { part: part.name, expected, found },
  });
}

/** @throws HoldfastError `integrity` if the part is missing or has another size */
export async function checkSize(repository: Repository, manifest: Manifest, part: Part): Promise<void> {
  const stored = await repository.store.head(backupKey(manifest.database, manifest.id, part.file));
  if (stored === undefined) throw differs(part, "the object", `${part.bytes} bytes`, "missing");
  if (stored.bytes !== part.bytes) throw differs(part, "the size in bytes", part.bytes, stored.bytes);
}

/** @throws HoldfastError `integrity` if the part has another SHA-256 */
export async function checkHash(repository: Repository, manifest: Manifest, part: Part, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<void> {
  const digest = newDigest();
  let read = 0;
  for await (const chunk of digest.through(await readStored(repository, manifest, part, signal))) onBytes?.((read += chunk.length));
  if (digest.sha256 !== part.sha256) throw differs(part, "the SHA-256", part.sha256, digest.sha256);
}

/**
 * What a restore looks at before it makes anything: every part is the one that was signed, also those that this restore
 * would not read. An archive is a program that the server runs: it must be proved ours before its first statement, not
 * when its last byte has come.
 */
export async function checkBeforeRestore(repository: Repository, manifest: Manifest, signal: AbortSignal): Promise<void> {
  for (const part of manifest.parts) await checkSize(repository, manifest, part);
  for (const part of manifest.parts) await checkHash(repository, manifest, part, signal);
}
