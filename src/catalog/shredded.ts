/**
 * The record of a shredded backup: that it existed, and who destroyed its key, when and why. It is written before
 * anything is destroyed and stays for good, outside the backup's folder. It holds nothing of the manifest's truth.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import { formatVersion, shreddedFolder, shreddedKey } from "./layout.ts";
import { type Manifest, serializeManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { openRecord, sealRecord } from "./signed-record.ts";
import type { Signer } from "./signatures.ts";

const instant = z.iso.datetime({ precision: 3 });

const recordShape = z.strictObject({
  kind: z.literal("shredded"),
  format: z.literal(formatVersion),
  id: z.string(),
  database: z.string(),
  /** Of the backup: when it was of, and who had signed it. */
  snapshotAt: instant,
  manifestSigner: z.string(),
  manifestSha256: z.string(),
  recipient: z.string(),
  parts: z.array(z.strictObject({ name: z.string(), file: z.string(), bytes: z.int(), sha256: z.string() })),
  /** When its destruction began; the timeline tells when it was proved. */
  shreddedAt: instant,
  shreddedBy: z.strictObject({ host: z.string(), user: z.string() }),
  reason: z.string().nullable(),
});

export type ShredRecord = z.infer<typeof recordShape>;

export function shredRecordOf(manifest: Manifest, deed: Pick<ShredRecord, "shreddedAt" | "shreddedBy" | "reason">): ShredRecord {
  const { id, database, snapshotAt, signer, encryption: { recipient }, parts } = manifest;
  return {
    kind: "shredded", format: formatVersion, id, database, snapshotAt, manifestSigner: signer, recipient,
    manifestSha256: createHash("sha256").update(serializeManifest(manifest)).digest("hex"),
    parts: parts.map(({ name, file, bytes, sha256 }) => ({ name, file, bytes, sha256 })), ...deed,
  };
}

/** Writes the record once; one that a shredding which was cut short has left stays as it is. */
export async function writeShredRecord({ store }: Repository, record: ShredRecord, signer: Signer): Promise<void> {
  await store.put(shreddedKey(record.database, record.id), sealRecord(record, signer), { ifAbsent: true });
}

/**
 * The record of a shredded backup, or undefined if it was not shredded.
 * @throws HoldfastError `integrity` if what lies there is not a record of ours about that backup
 */
export async function readShredRecord({ store, trusted }: Repository, database: string, id: string): Promise<ShredRecord | undefined> {
  const key = shreddedKey(database, id);
  const stored = await store.get(key);
  if (stored === undefined) return undefined;
  const { record } = openRecord(stored.bytes, recordShape, trusted, key, ({ shreddedAt }) => shreddedAt);
  if (record.id === id && record.database === database) return record;
  throw new HoldfastError("integrity", `${key} is of backup ${record.id}: it was moved or copied`, { hints: ["Find out who wrote it."], details: { key } });
}

/** The shredded backups of a database; one whose record cannot be trusted is given as its problem. */
export async function listShredded(repository: Repository, database: string): Promise<({ readonly id: string } & ({ readonly record: ShredRecord } | { readonly problem: HoldfastError }))[]> {
  const ids: string[] = [];
  const folder = shreddedFolder(database);
  for await (const { key } of repository.store.list(folder)) if (key.endsWith(".json")) ids.push(key.slice(folder.length, -".json".length));
  return Promise.all(
    ids.map(async (id) => {
      try {
        const record = await readShredRecord(repository, database, id);
        return record ? { id, record } : { id, problem: new HoldfastError("integrity", `${shreddedKey(database, id)} was removed while it was read`) };
      } catch (error) {
        if (error instanceof HoldfastError && error.code === "integrity") return { id, problem: error };
        throw error;
      }
    }),
  );
}

/** The error of whoever asks for a backup that was shredded. */
export function wasShredded({ id, snapshotAt, shreddedAt, shreddedBy, reason }: ShredRecord): HoldfastError {
  return new HoldfastError("not-found", `backup ${id} was shredded on ${shreddedAt} by ${shreddedBy.user} on ${shreddedBy.host}${reason === null ? "" : ` (${reason})`}: its key was destroyed, and nobody can open it`, {
    hints: ["Choose another: `holdfast backup list` shows what there is."],
    details: { backup: id, snapshotAt, shreddedAt, shreddedBy, reason },
  });
}
