/** What checkpoints and the records beside them are in the repository: JSON that is signed, written once, and says its own place. */
import { createHash } from "node:crypto";
import { z } from "zod";

import type { Repository } from "../../catalog/repository.ts";
import { readSigned, type SignedKind } from "../../catalog/signed-object.ts";
import { HoldfastError } from "../../errors.ts";

export interface SignedJson<T> {
  readonly content: T;
  /** SHA-256 of the exact bytes that were signed. */
  readonly sha256: string;
  /** Id of the key that really signed it. */
  readonly signer: string;
}

/** How one kind of them is read. */
export interface JsonKind<T> extends Omit<SignedKind<T>, "parse"> {
  readonly schema: z.ZodType<T>;
  /** The key that it says it lies under. */
  readonly keyOf: (content: T) => string;
}

/** The exact bytes that are signed and stored. */
export function serializeJson<T>(content: T, schema: z.ZodType<T>): Buffer {
  return Buffer.from(`${JSON.stringify(schema.parse(content), null, 2)}\n`);
}

/**
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger or by a key that did not count then, or another's
 */
export async function readSignedJson<T>(repository: Repository, key: string, kind: JsonKind<T>): Promise<SignedJson<T> | undefined> {
  const signed = await readSigned(repository, key, { ...kind, parse: (bytes) => parsedAs(kind, bytes, key) });
  if (signed === undefined) return undefined;
  const { content, bytes, signer } = signed;
  if (kind.keyOf(content) !== key) {
    throw new HoldfastError("integrity", `${key} says it is ${kind.keyOf(content)}: it was moved or copied`, { hints: [`${kind.warning}: it does not belong where it lies.`], details: { expected: key, found: kind.keyOf(content) } });
  }
  return { content, sha256: createHash("sha256").update(bytes).digest("hex"), signer: signer.id };
}

function parsedAs<T>({ schema, noun }: JsonKind<T>, bytes: Buffer, key: string): T {
  const parsed = schema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new HoldfastError("integrity", `${key} is signed, but is no ${noun} that this holdfast reads: ${z.prettifyError(parsed.error).split("\n")[0] ?? ""}`, { hints: ["A newer holdfast may have written it: upgrade this one."] });
}

/** Undefined for what is no JSON. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
