/** Whether a published backup is what its manifest says. */
import { readManifest } from "../../catalog/authenticity.ts";
import { readKeySidecar } from "../../catalog/key-sidecar.ts";
import { backupFolder, keyFile, manifestFile } from "../../catalog/layout.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import { isPartFile } from "../../catalog/places.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import type { StoredObject } from "../../store/store.ts";
import { checkHash } from "../backup/check-parts.ts";
import type { CheckLevel, Finding, FindingKind } from "./findings.ts";

/** A backup's folder with a manifest in it. */
export interface PublishedFolder {
  readonly database: string;
  readonly id: string;
  readonly files: ReadonlyMap<string, StoredObject>;
}

export interface PublishedResult {
  /** Undefined if it cannot be trusted. */
  readonly manifest: Manifest | undefined;
  readonly findings: readonly Finding[];
}

/** @returns undefined if the backup was removed since it was listed */
export async function checkPublished(repository: Repository, folder: PublishedFolder, level: CheckLevel, signal: AbortSignal): Promise<PublishedResult | undefined> {
  const { database, id } = folder;
  const place = backupFolder(database, id);
  const damage = (kind: FindingKind, file: string, detail: string): Finding => ({ kind, severity: "damage", key: place + file, database, backup: id, detail });
  let manifest: Manifest | undefined;
  try {
    manifest = await readManifest(repository, database, id);
  } catch (error) {
    if (!isIntegrity(error)) throw error;
    return { manifest: undefined, findings: [damage(await manifestKind(repository, place, error), manifestFile, error.message)] };
  }
  if (manifest === undefined) return undefined;
  const findings: Finding[] = [];
  try {
    await readKeySidecar(repository, manifest);
  } catch (error) {
    if (!isIntegrity(error)) throw error;
    findings.push(damage(error.details?.["found"] === "missing" ? "missing-key" : "wrong-key", keyFile, error.message));
  }
  for (const part of manifest.parts) {
    const stored = folder.files.get(part.file);
    if (stored === undefined) findings.push(damage("missing-part", part.file, `part ${part.name} of ${part.bytes} bytes is missing`));
    else if (stored.bytes !== part.bytes) findings.push(damage("wrong-size", part.file, `part ${part.name} has ${stored.bytes} bytes, but the manifest says ${part.bytes}`));
    else if (level === "hash") {
      try {
        await checkHash(repository, manifest, part, signal);
      } catch (error) {
        if (!isIntegrity(error) && !(error instanceof HoldfastError && error.code === "not-found")) throw error;
        findings.push(damage(error.code === "not-found" ? "missing-part" : "wrong-hash", part.file, error.message));
      }
    }
  }
  const named = new Set(manifest.parts.map(({ file }) => file));
  for (const file of folder.files.keys()) {
    if (isPartFile(file) && !named.has(file)) findings.push(damage("foreign-object", file, "the manifest of this backup names no such part"));
  }
  return { manifest, findings };
}

function isIntegrity(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === "integrity";
}

/** A manifest whose signature does not fit was changed, unless it says itself that a stranger signed it. */
async function manifestKind({ store, trusted }: Repository, place: string, { details }: HoldfastError): Promise<FindingKind> {
  const { part, expected, found } = details ?? {};
  if (part !== manifestFile) return "invalid-manifest";
  if (found === "no signature") return "unsigned-manifest";
  if (typeof expected === "string" && !expected.startsWith("a signature by ")) return "misplaced-manifest";
  const claimed = /^ {2}"signer": "([0-9a-f]{16})"/m.exec((await store.get(place + manifestFile))?.bytes.toString("utf8") ?? "")?.[1];
  return claimed === undefined || trusted.some(({ id }) => id === claimed) ? "changed-manifest" : "strangers-manifest";
}
