/** The signed JSON files of a drill's folder: how each is written, and read only after its signature was checked. */
import { createHash } from "node:crypto";
import { z } from "zod";

import { readSigned, type SignedKind } from "../../catalog/signed-object.ts";
import { drillKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";

/** What can be wrong with what a drill left. */
export type DrillTampering =
  /** Its bytes or its signature are not what was written. */
  | "edited"
  /** It has no signature. */
  | "unsigned"
  /** Signed with a key that is not trusted, or was not then. */
  | "stranger"
  /** Signed by a trusted key, and not what belongs there. */
  | "garbage"
  /** It was there, and is not. */
  | "removed"
  /** It is that of another drill, database or repository. */
  | "misplaced"
  /** Two drills follow one. */
  | "forked";

/** Which folder a file lies in. */
export interface DrillPlace {
  readonly database: string;
  readonly id: string;
}

export interface SignedFile<T> {
  readonly content: T;
  readonly bytes: Buffer;
  readonly sha256: string;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The exact bytes that are signed and stored: two spaces deep, one field a line. */
export function textOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

/** @throws HoldfastError `integrity` naming what is wrong with a file of a drill */
export function untrue(tampering: DrillTampering, message: string, facts: { readonly part: string; readonly expected?: string; readonly found?: string }, cause?: unknown): HoldfastError {
  return new HoldfastError("integrity", message, {
    hints: ["Do not show it to anybody as proof. `holdfast audit verify` names everything that does not fit."],
    details: { ...facts, tampering },
    cause,
  });
}

/** Reads JSON that was signed. @throws HoldfastError `integrity` if it does not fit the schema */
export function parseSigned<T>(bytes: Buffer, schema: z.ZodType<T>, key: string, noun: string): T {
  const part = key.slice(key.lastIndexOf("/") + 1);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw untrue("garbage", `${key} is not JSON`, { part }, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw untrue("garbage", `${key} is not valid ${noun}: ${z.prettifyError(parsed.error)}`, { part });
  return parsed.data;
}

/**
 * Reads a signed file of a drill's folder.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, a stranger's or of a key that did not count then, or of another shape
 */
export async function readSignedFile<T extends { readonly signer: string }>(repository: Repository, { database, id }: DrillPlace, file: string, kind: SignedKind<T>): Promise<SignedFile<T> | undefined> {
  const key = drillKey(database, id, file);
  const signed = await readSigned(repository, key, kind);
  if (signed === undefined) return undefined;
  const { content } = signed;
  if (content.signer !== signed.signer.id) {
    throw untrue("edited", `${key} says that ${content.signer} signed it, but it was ${signed.signer.id}`, { part: file, expected: content.signer, found: signed.signer.id });
  }
  return { content, bytes: signed.bytes, sha256: sha256Of(signed.bytes) };
}
