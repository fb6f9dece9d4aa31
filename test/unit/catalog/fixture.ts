/** Manifests as a run would write them, without a run. */
import { backupFolder, backupId } from "../../../src/catalog/layout.ts";
import type { Manifest } from "../../../src/catalog/manifest.ts";
import { writeKeySidecar } from "../../../src/catalog/key-sidecar.ts";
import { publishManifest } from "../../../src/catalog/publishing.ts";
import { initRepository, openRepository, type Repository } from "../../../src/catalog/repository.ts";
import { generateSigningKey, loadSigner, loadTrustedSigners, type Signer, type TrustedSigner } from "../../../src/catalog/signatures.ts";
import type { Truth } from "../../../src/postgres/truth/truth.ts";
import { type MemoryStore, memoryStore } from "../../harness/memory-store.ts";

export interface Keys {
  readonly signer: Signer;
  readonly trusted: readonly TrustedSigner[];
}

export function freshKeys(): Keys {
  const { privateKeyPem, publicKeyPem } = generateSigningKey();
  return { signer: loadSigner(privateKeyPem, "a test"), trusted: loadTrustedSigners(publicKeyPem, "a test") };
}

const truth: Truth = {
  server: { version: "15.18", versionNum: 150_018, settings: {} },
  database: { name: "ehr", encoding: "UTF8", collate: "C", ctype: "C", provider: "libc", owner: "ehr", bytes: 1 },
  tables: [],
  sequences: [],
  largeObjects: { count: 0 },
  extensions: [],
  collations: [],
  schema: { fingerprint: "0".repeat(64), kinds: {} },
  migrations: [],
};

/** A manifest of `database` whose run began at `at`; its snapshot is of the same time unless told otherwise. */
export function manifestOf(at: string, changes: Partial<Manifest> = {}): Manifest {
  const instant = new Date(at).toISOString();
  const database = changes.database ?? "ehr";
  return {
    format: 1,
    id: backupId(database, new Date(at), "7f3a"),
    database,
    label: null,
    reason: null,
    startedAt: instant,
    snapshotAt: instant,
    finishedAt: instant,
    createdBy: { holdfast: "0.1.0", host: "db1", user: "backup" },
    source: { database: "ehr", server: "15.18", client: "15.18" },
    compression: { algorithm: "zstd", level: 1 },
    encryption: { format: "age", recipient: "age1one", keyRecipients: ["age1me"] },
    partial: false,
    roles: [],
    parts: [{ name: "data", file: "data.pgdump.zst.age", bytes: 3, sha256: "a".repeat(64), plainBytes: 9 }],
    truth,
    sequencesAfter: [],
    signer: "0".repeat(16),
    ...changes,
  };
}

export interface Catalog extends Keys {
  readonly store: MemoryStore;
  readonly repository: Repository;
  readonly publish: (manifest: Manifest, signer?: Signer) => Promise<Manifest>;
  /** The bytes of a file of a backup, to be changed by {@link put}. */
  readonly read: (manifest: Manifest, file: string) => Buffer;
  /** What somebody with write access does. */
  readonly put: (manifest: Manifest, file: string, bytes: Buffer | string) => void;
}

export async function freshCatalog(): Promise<Catalog> {
  const store = memoryStore();
  const keys = freshKeys();
  await initRepository(store, new Date("2026-11-21T00:00:00Z"));
  const folder = (manifest: Manifest): string => backupFolder(manifest.database, manifest.id);
  return {
    ...keys,
    store,
    repository: await openRepository(store, keys.trusted),
    publish: async (manifest, signer = keys.signer) => {
      await writeKeySidecar(store, manifest, manifest.encryption.recipient, Buffer.from("sidecar"), signer);
      await publishManifest(store, manifest, signer);
      return manifest;
    },
    read: (manifest, file) => store.objects.get(folder(manifest) + file)!.bytes,
    put: (manifest, file, bytes) => void store.objects.set(folder(manifest) + file, { bytes: Buffer.from(bytes), modified: new Date() }),
  };
}
