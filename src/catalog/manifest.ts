/** The manifest: the signed JSON that makes parts a backup. Its shape is format 1; FORMAT.md explains it to strangers. */
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Truth } from "../postgres/truth/truth.ts";
import { formatVersion } from "./layout.ts";

const part = z.strictObject({
  /** `schema`, `data`, `globals`, `database`, `catalog`. */
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  file: z.string().regex(/^[a-z][a-z0-9.-]*$/),
  /** Size and SHA-256 (hex) of the stored ciphertext. */
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Size before compression. */
  plainBytes: z.int().nonnegative(),
});

const isUnique = (names: readonly string[]): boolean => new Set(names).size === names.length;

const instant = z.iso.datetime({ precision: 3 });

/** Every field of format 1; FORMAT.md has a row for each. */
export const manifestSchema = z.strictObject({
  format: z.literal(formatVersion),
  id: z.string(),
  database: z.string(),
  label: z.string().nullable(),
  reason: z.string().nullable(),
  startedAt: instant,
  /** The recovery point: nothing committed after it is in the backup. */
  snapshotAt: instant,
  finishedAt: instant,
  createdBy: z.strictObject({ holdfast: z.string(), host: z.string(), user: z.string() }),
  source: z.strictObject({ database: z.string(), server: z.string(), client: z.string() }),
  compression: z.strictObject({ algorithm: z.literal("zstd"), level: z.int() }),
  encryption: z.strictObject({
    format: z.literal("age"),
    /** The one-off recipient that the parts are encrypted to; its identity is in `key.age`. */
    recipient: z.string(),
    /** To whom `key.age` was encrypted when the backup was made; a later re-key changes `key.age`, not this. */
    keyRecipients: z.array(z.string()),
  }),
  /** True if a filter left tables or schemas out. */
  partial: z.boolean(),
  /** Roles that own or may use objects of the database. */
  roles: z.array(z.string()),
  parts: z.array(part).min(1).refine((parts) => isUnique(parts.map(({ name }) => name)) && isUnique(parts.map(({ file }) => file)), "two parts have one name or one file"),
  /** Typed by {@link Truth}; checked by those who compare with it. */
  truth: z.custom<Truth>((value) => typeof value === "object" && value !== null),
  /** The sequences once more after the dump: they do not belong to the snapshot. */
  sequencesAfter: z.custom<Truth["sequences"]>((value) => Array.isArray(value)),
  /** Id of the key that signed it. */
  signer: z.string(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type Part = z.infer<typeof part>;

/** The exact bytes that are signed and stored. */
export function serializeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`);
}

/**
 * Reads a manifest whose signature was checked before.
 * @throws HoldfastError `integrity` if it is not a manifest of a format that we know
 */
export function parseManifest(bytes: Buffer, source: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new HoldfastError("integrity", `${source} is not JSON`, { cause: error });
  }
  const format = typeof json === "object" && json !== null && "format" in json ? json.format : undefined;
  if (format !== formatVersion) {
    throw new HoldfastError("integrity", `${source} has format ${JSON.stringify(format)}, but this holdfast reads format ${formatVersion}`, {
      hints: ["A newer holdfast may have written it: upgrade this one."],
    });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) throw new HoldfastError("integrity", `${source} is not a valid manifest: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The part of that name. @throws HoldfastError `integrity` if the backup has none */
export function partNamed(manifest: Manifest, name: string): Part {
  const found = manifest.parts.find((candidate) => candidate.name === name);
  if (found === undefined) throw new HoldfastError("integrity", `backup ${manifest.id} has no part ${name}`);
  return found;
}

/** Bytes of all parts as stored. */
export function storedBytes(manifest: Pick<Manifest, "parts">): number {
  return manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
}
